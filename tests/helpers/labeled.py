"""Labeled images for the writers of formats, and what independent readings of the written files are compared with."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.write import Written, write_data_set
from convnext_dense.data.formats.write.base import LabeledData, LabeledImage, LabeledObject
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import DrawnImage, decode

CLASSES = ['cat', 'dog']
SIZE = ImageSize(40, 60)
TRIANGLE = [10.0, 5.0, 30.0, 5.0, 20.0, 25.0]
"""A polygon whose box is [10, 5, 20, 20]."""


class Read(NamedTuple):
    """An object as an independent reading of the files gives it."""

    name: str
    box: list[float]
    mask: np.ndarray | None = None


def image(path: Path, *objects: LabeledObject, name: str | None = None, size: ImageSize = SIZE) -> LabeledImage:
    """Make a labeled image with a file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        noise = np.random.default_rng(len(str(path))).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    return LabeledImage(str(path), name or path.name, size, list(objects))


def triangle(label: int = 0, **changes) -> LabeledObject:
    return LabeledObject(label, [10.0, 5.0, 20.0, 20.0], [list(TRIANGLE)], **changes)


def rle_of(mask: np.ndarray) -> dict:
    """Encode a mask as an uncompressed RLE."""
    flat = mask.astype(np.uint8).ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {'size': list(mask.shape), 'counts': [0, *counts] if flat[0] else counts}


def ring_and_island(size: ImageSize = SIZE) -> np.ndarray:
    """A mask with a hole, and a second part."""
    mask = np.zeros(size, bool)
    mask[5:25, 5:30] = True
    mask[10:18, 10:20] = False
    mask[30:36, 40:50] = True
    return mask


def from_mask(mask: np.ndarray, label: int = 0) -> LabeledObject:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1]
    return LabeledObject(label, [float(value) for value in box], rle_of(mask), float(mask.sum()))


def write(folder: Path, name: str, *images: LabeledImage, classes: list[str] | None = None, **options) -> Written:
    """Write images of a split for training."""
    return write_data_set(LabeledData(classes or CLASSES, {'train': images}), False, name, folder, **options)


def convert(source: Path, name: str, folder: Path) -> Written:
    """Read a data set and write it in another format."""
    read = read_data_set(str(source), 'coco' if source.name == 'coco' else None)  # whose files have segments, too
    return write_data_set(read.data, read.has_label_maps, name, folder)


def check_equals(
    found: dict[str, list[Read]], images: list[DrawnImage], masks: bool = True, has_boxes: bool = True
) -> None:
    """Check that files hold the drawn objects, by the names of the images without their suffixes.

    Without boxes, those of the masks are compared, which the sample's own boxes differ from by up to a pixel.
    """
    assert found.keys() == {image.file.stem for image in images}
    for drawn in images:
        own = found[drawn.file.stem]
        assert [one.name for one in own] == [one.name for one in drawn.objects]
        for one, truth in zip(own, drawn.objects, strict=True):
            expected = truth.box if has_boxes else box_of(truth.mask)
            np.testing.assert_allclose(one.box, expected, rtol=0, atol=0.5)
            if masks:
                assert iou(one.mask, truth.mask) >= 0.995


def as_read(one: Any) -> Read:
    """Convert a ``SingleObjectDetection`` of labelformat."""
    box = one.box
    return Read(one.category.name, [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin])


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def box_of(mask: np.ndarray) -> list[float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [float(columns[0]), float(rows[0]), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)]


def draw(points: list, size: ImageSize) -> np.ndarray:
    """Return the mask of a polygon, with points (x, y) or a flat list."""
    return decode([np.ravel(points).tolist()], *size)
