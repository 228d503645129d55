"""Predictions as labeled images, to write them as annotations."""

from __future__ import annotations

from pathlib import Path

from ..data.formats.write.base import LabeledImage, LabeledObject
from ..data.formats.write.outlines import as_segmentation
from ..data.image_scan import read_header
from ..io.image_size import ImageSize
from ..results import Detection, Result, Segmentation


def as_labeled_image(result: Result) -> LabeledImage:
    """Convert the result for an image file: objects with scores of a detection, the label map of a segmentation.

    Raises:
        TypeError: for a result of another kind, or without a file.
    """
    if result.path is None:
        raise TypeError('the result has no file')
    name, header = Path(result.path).name, read_header(result.path)
    orientation = 1 if isinstance(header, str) else header.orientation
    if isinstance(result, Segmentation):
        return LabeledImage(
            result.path, name, ImageSize.of(result.labels), labels=result.labels, orientation=orientation
        )
    if not isinstance(result, Detection):
        raise TypeError(f'{type(result).__name__} is no annotation')
    objects = []
    for number, (label, entry) in enumerate(zip(result.labels.tolist(), result.as_json(), strict=True)):
        one = LabeledObject(label, entry['bbox'], score=entry['score'])
        if result.masks is not None and result.masks[number].any():
            one.segmentation = as_segmentation(result.masks[number])
            one.area = float(result.masks[number].sum())
        objects.append(one)
    return LabeledImage(result.path, name, result.size, objects, orientation=orientation)
