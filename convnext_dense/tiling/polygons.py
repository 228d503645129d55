"""Label maps with a georeference as GeoJSON polygons."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TextIO

from ..errors import UserError, describe_error
from ..io.files import atomic_write, write_errors
from ..io.rasters.packages import import_package

WGS84 = 'EPSG:4326'
"""Longitude and latitude in degrees, the coordinates of GeoJSON (RFC 7946, section 4)."""
DECIMALS = 7
"""Of a degree: about a centimeter."""
FEATURES = 1_000
"""Polygons that are converted to longitude and latitude at once."""

Ring = list[tuple[float, float]]


def write_polygons(label_map: str | Path, out: str | Path, names: Sequence[str]) -> int:
    """Write the regions of a label map as GeoJSON polygons.

    A region is of one class, and each of its pixels shares a side with another one. Its polygon, with holes, has
    ``label`` and ``name`` as properties. Coordinates are longitude and latitude (WGS 84), and outer rings go
    counterclockwise, as RFC 7946 wants it. Polygons of a projection are cut where they cross the antimeridian.

    GDAL reads the label map row by row. Its memory grows with the number and the borders of the polygons, but not with
    the pixels inside.

    Args:
        label_map: a GeoTIFF of one band.
        out: the file to write.
        names: K class names. Other values, such as 255 for pixels without a class, give no polygon.

    Returns:
        The number of polygons.

    Raises:
        UserError: if the label map has no georeference or can't be read, ``out`` can't be written, or rasterio is
            missing.
    """
    rasterio = import_package('rasterio', 'GeoJSON polygons are made with', modules=('features', 'warp'))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(label_map)
        except rasterio.errors.RasterioIOError as error:
            raise UserError(f'{label_map} cannot be read: {error}') from None
    with dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            raise UserError(
                f'{label_map} has no georeference, so that its pixels have no longitude and latitude: '
                'GeoJSON needs an image with one, such as a GeoTIFF'
            )
        with write_errors(out), atomic_write(out) as temporary, open(temporary, 'w', encoding='utf-8') as file:
            try:
                for _, block in dataset.block_windows(
                    1
                ):  # since GDAL makes no polygons of what it can't read, in silence
                    dataset.read(1, window=block)
                return _write_features(file, _features(rasterio, dataset, names))
            except (rasterio.errors.RasterioError, rasterio.errors.CRSError) as error:
                raise UserError(f'{label_map} cannot be read: {describe_error(error)}') from None


def _write_features(file: TextIO, features: Iterator[dict]) -> int:
    """Write a feature collection, a feature a line; return their number."""
    count = 0
    file.write('{"type": "FeatureCollection", "features": [')
    for feature in features:
        file.write((',\n' if count else '\n') + json.dumps(feature))
        count += 1
    file.write('\n]}\n')
    return count


def _features(rasterio: Any, dataset: Any, names: Sequence[str]) -> Iterator[dict]:
    """Yield the polygons of a label map as GeoJSON features."""
    shapes = rasterio.features.shapes(rasterio.band(dataset, 1), transform=dataset.transform)
    known = ((shape, int(value)) for shape, value in shapes if value < len(names))
    while some := list(islice(known, FEATURES)):
        geometries = rasterio.warp.transform_geom(dataset.crs, WGS84, [shape for shape, _ in some], precision=DECIMALS)
        for geometry, (_, label) in zip(geometries, some, strict=True):
            properties = {'label': label, 'name': names[label]}
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
