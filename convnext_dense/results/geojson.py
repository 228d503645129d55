"""Label maps, segments and objects of georeferenced images as GeoJSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..io.geojson import Shape, crs_of, shapes_of, write_features
from ..io.georeference import Georeference
from ..tiling.tile_objects import MaskCrop
from .label_map import unlabeled


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
