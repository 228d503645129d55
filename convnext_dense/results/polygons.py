"""Label maps, segments and objects of georeferenced images as polygons in GeoJSON files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import UserError, describe_error
from ..io.geojson import Shape, crs_of, import_gdal, no_georeference, shapes_of, write_features
from ..io.georeference import Georeference
from ..tiling.tile_objects import MaskCrop
from .label_map import unlabeled


def write_file_polygons(label_map: str | Path, out: str | Path, names: Sequence[str], first_label: int = 0) -> int:
    """Write the regions of a label map as GeoJSON polygons.

    A region is of one class, and each of its pixels shares a side with another one. Its polygon, with holes, has
    ``label``, its value in the map, and ``name`` as properties. :func:`~convnext_dense.io.geojson.write_features` says
    what the coordinates are.

    GDAL reads the label map row by row. Its memory grows with the number and the borders of the polygons, but not with
    the pixels inside.

    Args:
        label_map: a GeoTIFF of one band.
        out: the file to write.
        names: K class names. Other values, such as 255 for pixels without a class, give no polygon.
        first_label: value of the first class.

    Returns:
        The number of polygons.

    Raises:
        UserError: if the label map has no georeference or can't be read, ``out`` can't be written, or rasterio is
            missing.
    """
    rasterio = import_gdal()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(label_map)
        except rasterio.errors.RasterioIOError as error:
            raise UserError(f'{label_map} cannot be read: {error}') from None
    with dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            raise no_georeference(label_map)
        try:
            for _, block in dataset.block_windows(1):  # GDAL makes no polygons of what it can't read, in silence
                dataset.read(1, window=block)
        except rasterio.errors.RasterioError as error:
            raise UserError(f'{label_map} cannot be read: {describe_error(error)}') from None
        shapes = rasterio.features.shapes(rasterio.band(dataset, 1), transform=dataset.transform)
        values = range(first_label, first_label + len(names))
        known = ((shape, int(value)) for shape, value in shapes if int(value) in values)
        properties = ((shape, {'label': value, 'name': names[value - first_label]}) for shape, value in known)
        return write_features(out, dataset.crs, properties)


def write_label_polygons(
    out: str | Path,
    labels: np.ndarray,
    georeference: Georeference,
    names: Sequence[str],
    first_label: int,
    path: str,
) -> int:
    """Write the regions of a label map in memory as GeoJSON, like those of one in a file.

    Args:
        out: the file to write.
        labels: uint8 or uint16 (H, W), the class of each pixel, or the largest number for none.
        georeference: that of the image.
        names: K class names.
        first_label: ``label`` of the first class.
        path: the image's file, for messages.

    Returns:
        The number of polygons.

    Raises:
        UserError: see :func:`~convnext_dense.io.geojson.write_features` and :func:`~convnext_dense.io.geojson.crs_of`.
    """
    numbers = labels.astype(np.uint16 if labels.dtype == np.uint8 else np.int32) + 1
    numbers[labels == unlabeled(labels.dtype)] = 0

    def properties(number: int) -> dict:
        return {'label': number - 1 + first_label, 'name': names[number - 1]}

    return write_regions(out, numbers, georeference, properties, path)


def write_regions(
    out: str | Path,
    numbers: np.ndarray,
    georeference: Georeference,
    properties: Callable[[int], Mapping],
    path: str,
) -> int:
    """Write connected regions of equal numbers as GeoJSON polygons, none for 0; see :func:`write_label_polygons`.

    Args:
        out, georeference, path: see there.
        numbers: uint8, uint16 or int32 (H, W).
        properties: returns the properties of the features of a number.
    """
    crs = crs_of(georeference, path)
    shapes = ((shape, dict(properties(number))) for shape, number in shapes_of(numbers, georeference))
    return write_features(out, crs, shapes)


def write_objects(
    out: str | Path,
    georeference: Georeference,
    boxes: np.ndarray,
    masks: Sequence[MaskCrop | None],
    properties: Sequence[Mapping],
    path: str,
) -> int:
    """Write objects as GeoJSON features: their masks, or else their boxes.

    Args:
        out, georeference, path: see :func:`write_label_polygons`.
        boxes: (N, 4), left, top, right and bottom edge in pixels.
        masks: the masks, or None where there is only the box.
        properties: the properties of the features.

    Returns:
        The number of features, N.
    """
    crs = crs_of(georeference, path)

    def shapes() -> Iterator[Shape]:
        for box, mask, own in zip(boxes, masks, properties, strict=True):
            yield _shape_of(box, mask, georeference), dict(own)

    return write_features(out, crs, shapes())


def _shape_of(box: np.ndarray, mask: MaskCrop | None, georeference: Georeference) -> dict:
    """Return a mask, or the box where there is none, as GeoJSON in coordinates of the map."""
    if mask is None or not mask.pixels.any():
        x1, y1, x2, y2 = box.tolist()
        corners = georeference.to_map(np.array([(x1, y1), (x1, y2), (x2, y2), (x2, y1), (x1, y1)])).tolist()
        return {'type': 'Polygon', 'coordinates': [list(map(tuple, corners))]}
    parts = [shape for shape, _ in shapes_of(mask.pixels.astype(np.uint8), georeference, mask.top, mask.left)]
    if len(parts) == 1:
        return parts[0]
    return {'type': 'MultiPolygon', 'coordinates': [part['coordinates'] for part in parts]}
