"""Where the pixels of an image are on the earth, read from and written into TIFF files without GDAL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, KEYS, DOUBLES, TEXTS = 33550, 33922, 34264, 34735, 34736, 34737
"""Tags of GeoTIFF (OGC 19-008r4, section 7)."""
GEO_TAGS = (PIXEL_SCALE, TIEPOINTS, TRANSFORMATION, KEYS, DOUBLES, TEXTS)
MODEL_TYPE, RASTER_TYPE, CITATION, GEOGRAPHIC, GEOGRAPHIC_CITATION, PROJECTED, PROJECTED_CITATION = (
    *(1024, 1025, 1026, 2048, 2049),
    *(3072, 3073),
)
"""Keys of GeoTIFF."""
IS_GEOGRAPHIC, IS_POINT, USER_DEFINED = 2, 2, 32767
"""Values of these keys."""

Transform = tuple[float, float, float, float, float, float]
TiffTag = tuple[int, int, int, Any, bool]
"""Code, data type, count, value, and True, as ``extratags`` of tifffile's ``TiffWriter.write`` takes them."""


class Tag(Protocol):
    """A tag of a TIFF file, as tifffile reads it."""

    code: int
    dtype: int
    count: int
    value: Any


class Georeference(NamedTuple):
    """Where the pixels of an image are on the earth."""

    transform: Transform
    """(a, b, c, d, e, f) of x = a column + b row + c and y = d column + e row + f, where the corner of the upper left
    pixel has column 0 and row 0: GDAL's and rasterio's meaning, in rasterio's order."""
    crs: str | None = None
    """The coordinate reference system: ``'EPSG:32633'``, WKT, the file's own name of it, or None if it has none."""
    tags: tuple[TiffTag, ...] = ()
    """The tags that give a TIFF file of an image of the same size the same georeference."""

    def to_map(self, points: np.ndarray) -> np.ndarray:
        """Convert positions in pixels from the upper left corner, (N, 2) of x and y, to coordinates (N, 2)."""
        a, b, c, d, e, f = self.transform
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T
        return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def georeference_of(tags: Mapping[int, Tag | None]) -> Georeference | None:
    """Return the georeference in the tags of a TIFF page; None without one.

    None, too, for an image that is tied to the earth by single points alone, which no six numbers hold.

    Args:
        tags: the tags that are there, by their codes.
    """
    values = {code: tags[code].value for code in GEO_TAGS if tags.get(code) is not None}  # type: ignore[union-attr]
    keys = _keys(values)
    transform = _transform(values)
    if transform is None:
        return None
    if keys.get(RASTER_TYPE) == IS_POINT:  # the numbers are of the pixel's center
        a, b, c, d, e, f = transform
        transform = (a, b, c - (a + b) / 2, d, e, f - (d + e) / 2)
    copied = (tags[code] for code in values)
    written = tuple((t.code, int(t.dtype), int(t.count), t.value, True) for t in copied if t is not None)
    return Georeference(transform, _crs(keys), written)


def _transform(values: Mapping[int, Any]) -> Transform | None:
    if TRANSFORMATION in values:
        m = [float(value) for value in values[TRANSFORMATION]]
        return (m[0], m[1], m[3], m[4], m[5], m[7]) if len(m) == 16 else None
    scale, tie = values.get(PIXEL_SCALE), values.get(TIEPOINTS)
    if scale is None or tie is None or len(scale) < 2 or len(tie) < 6:
        return None
    column, row, _, x, y = (float(value) for value in tie[:5])
    return (float(scale[0]), 0.0, x - column * scale[0], 0.0, -float(scale[1]), y + row * scale[1])


def _keys(values: Mapping[int, Any]) -> dict[int, Any]:
    """Return the keys of a GeoTIFF with their values: entries are of a key, a tag, a count, and a value or place."""
    directory: Sequence[int] = values.get(KEYS, ())
    texts = str(values.get(TEXTS, ''))
    found: dict[int, Any] = {}
    for start in range(4, len(directory) - 3, 4):
        key, tag, count, value = directory[start : start + 4]
        if tag == 0:
            found[key] = value
        elif tag == TEXTS:
            found[key] = texts[value : value + count].strip('|\0 ')
    return found


def _crs(keys: Mapping[int, Any]) -> str | None:
    is_geographic = keys.get(MODEL_TYPE) == IS_GEOGRAPHIC
    code = keys.get(GEOGRAPHIC if is_geographic else PROJECTED)
    if isinstance(code, int) and 0 < code < USER_DEFINED:
        return f'EPSG:{code}'
    names = (keys.get(GEOGRAPHIC_CITATION if is_geographic else PROJECTED_CITATION), keys.get(CITATION))
    return next((str(name) for name in names if name), None)
