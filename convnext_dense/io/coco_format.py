"""Types of the objects in COCO's JSON files, and of annotations in the format of mmdet's transforms.

https://cocodataset.org/#format-data describes the files.
"""

from __future__ import annotations

from typing import TypedDict

COCOS_LIMIT = 100
"""Most predictions of an image and class that COCO's evaluation takes (``Params.maxDets`` in pycocotools)."""


class RunLengths(TypedDict):
    """A mask as run-length encoding (RLE)."""

    size: list[int]
    """[height, width] in pixels."""
    counts: list[int] | str
    """Lengths of alternating runs of 0 and 1, column by column, zeros first; or their compressed string."""


Polygons = list[list[float]]
"""A mask as the union of polygons [x1, y1, x2, y2, ...] in pixels."""


class CocoImage(TypedDict):
    """An image; ``height`` and ``width`` in pixels, ``file_name`` relative to the folder of the images."""

    id: int
    file_name: str
    height: int
    width: int


class _CocoBoxAnnotation(TypedDict):
    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int


class CocoAnnotation(_CocoBoxAnnotation, total=False):
    """An annotation: ``bbox`` [x, y, width, height] and ``area`` in pixels, ``iscrowd`` 0 or 1, an optional mask.

    ``ignored`` is True for an ignore region: a crowd that stands for an unusable annotation.
    """

    ignored: bool
    segmentation: Polygons | RunLengths


class _CocoBoxResult(TypedDict):
    image_id: int
    category_id: int
    bbox: list[float]
    score: float


class CocoResult(_CocoBoxResult, total=False):
    """A prediction in COCO's results files: ``bbox`` [x, y, width, height] in pixels, an optional mask."""

    segmentation: RunLengths


IGNORE_REGION = -1
"""Label of regions where nothing is learned as background, in training."""
UNMASKED = 255
"""Value of all pixels in the bitmap of an object without a mask, in training; pixels of masks are 0 and 1."""


class _BoxInstance(TypedDict):
    bbox: list[float]
    bbox_label: int
    ignore_flag: int
    area: float


class Instance(_BoxInstance, total=False):
    """An annotation in the format of mmdet's transforms.

    ``bbox`` is [x1, y1, x2, y2] and ``area`` in pixels, ``bbox_label`` the class index, ``ignore_flag`` 1 for a crowd
    or an ignore region. In training the label of an ignore region is :data:`IGNORE_REGION`, in evaluation that of one
    for all classes. ``unmasked`` is True in training for an object that has no mask where masks are learned: its
    ``mask`` is the rectangle of its box.
    """

    mask: Polygons | RunLengths
    unmasked: bool
