"""GeoJSON files with polygons of a georeferenced image, in longitude and latitude."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..errors import UserError, describe_error
from .files import atomic_write, write_errors
from .georeference import Georeference
from .rasters.packages import import_package

WGS84 = 'EPSG:4326'
"""Longitude and latitude in degrees, the coordinates of GeoJSON (RFC 7946, section 4)."""
DECIMALS = 7
"""Of a degree: about a centimeter."""
FEATURES = 1_000
"""Polygons that are converted to longitude and latitude at once."""

Ring = list[tuple[float, float]]
Shape = tuple[dict, dict]
"""A polygon, or several, as GeoJSON has them, in coordinates of the map; and the properties of the feature."""


def import_gdal() -> Any:
    """Import and return rasterio with the modules that make polygons.

    Raises:
        UserError: if it is not installed.
    """
    return import_package('rasterio', 'GeoJSON polygons are made with', modules=('features', 'warp'))


def no_georeference(path: str | Path) -> UserError:
    """Return the error for an image or a label map without a georeference, which GeoJSON needs."""
    return UserError(
        f'{path} has no georeference, so that its pixels have no longitude and latitude: '
        'GeoJSON needs an image with one, such as a GeoTIFF'
    )


def crs_of(georeference: Georeference | None, path: str | Path) -> Any:
    """Return the coordinate reference system of an image, as rasterio has it.

    Args:
        georeference: that of the image.
        path: its file, for the message.

    Raises:
        UserError: if the image has none that GDAL knows, or rasterio is missing.
    """
    rasterio = import_gdal()
    if georeference is None:
        raise no_georeference(path)
    tifffile = import_package('tifffile', 'georeferences are read with')
    file = io.BytesIO()  # GDAL understands more of the tags than their names tell
    tifffile.imwrite(file, np.zeros((1, 1), np.uint8), extratags=list(georeference.tags), metadata=None)
    with warnings.catch_warnings(), rasterio.MemoryFile(file.getvalue()) as memory:
        warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
        with memory.open() as opened:
            crs = opened.crs
    if crs is None:
        raise no_georeference(path)
    return crs


def shapes_of(
    values: np.ndarray, georeference: Georeference, top: int = 0, left: int = 0
) -> Iterator[tuple[dict, int]]:
    """Yield the polygons around the regions of equal values, in coordinates of the map, each with its value.

    Args:
        values: uint8, uint16 or int32 (h, w); 0 gives no polygons.
        georeference: that of the image.
        top, left: the pixel of the image of the first value.
    """
    rasterio = import_gdal()
    transform = rasterio.Affine(*georeference.transform) * rasterio.Affine.translation(left, top)
    for shape, value in rasterio.features.shapes(values, mask=values != 0, transform=transform):
        yield shape, int(value)


def write_features(out: str | Path, crs: Any, shapes: Iterable[Shape]) -> int:
    """Write polygons as GeoJSON features.

    Coordinates are longitude and latitude (WGS 84), and outer rings go counterclockwise, as RFC 7946 wants it.
    Polygons of a projection are cut where they cross the antimeridian.

    Args:
        out: the file to write.
        crs: the coordinate reference system of the shapes.
        shapes: the polygons.

    Returns:
        Their number.

    Raises:
        UserError: if the file can't be written, or rasterio is missing.
    """
    rasterio = import_gdal()
    with write_errors(out), atomic_write(out) as temporary, open(temporary, 'w', encoding='utf-8') as file:
        try:
            return _write(file, _features(rasterio, crs, iter(shapes)))
        except (rasterio.errors.RasterioError, rasterio.errors.CRSError) as error:
            raise UserError(f'{out} cannot be made: {describe_error(error)}') from None


def _write(file: TextIO, features: Iterator[dict]) -> int:
    """Write a feature collection, a feature a line; return their number."""
    count = 0
    file.write('{"type": "FeatureCollection", "features": [')
    for feature in features:
        file.write((',\n' if count else '\n') + json.dumps(feature))
        count += 1
    file.write('\n]}\n')
    return count


def _features(rasterio: Any, crs: Any, shapes: Iterator[Shape]) -> Iterator[dict]:
    """Yield shapes as features, in longitude and latitude."""
    while some := list(islice(shapes, FEATURES)):
        geometries = rasterio.warp.transform_geom(crs, WGS84, [shape for shape, _ in some], precision=DECIMALS)
        for geometry, (_, properties) in zip(geometries, some, strict=True):
            yield {'type': 'Feature', 'properties': properties, 'geometry': _wound(geometry)}


def _wound(geometry: dict) -> dict:
    """Return a polygon or several with outer rings that go counterclockwise, and holes that go clockwise."""
    single = geometry['type'] == 'Polygon'
    polygons = [geometry['coordinates']] if single else geometry['coordinates']
    wound = [
        [ring if _is_counterclockwise(ring) == (k == 0) else ring[::-1] for k, ring in enumerate(p)] for p in polygons
    ]
    return {'type': geometry['type'], 'coordinates': wound[0] if single else wound}


def _is_counterclockwise(ring: Ring) -> bool:
    """Tell by the sign of the area; x is to the right and y is up."""
    (x0, y0), *_ = ring  # degrees with many digits: products of small differences are exact enough
    moved = [(x - x0, y - y0) for x, y in ring]
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(moved)) > 0
