"""Select the images and annotations of a COCO file that a detector is trained on, for training and for a check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...io.coco_format import CocoAnnotation, CocoImage
from ...io.image_size import ImageSize
from ...io.window import tile_size
from ..text import count_of
from .coco import CocoData
from .thin_images import is_too_thin, resized_long_side

MIN_BOX_SIDE = 1.0  # pixels: thinner boxes are not used for training, as in mmdet and so in the published recipes


class Selection(NamedTuple):
    """What a detector is trained on."""

    images: list[CocoImage]
    annotations: dict[int, list[CocoAnnotation]]
    """Annotations by image id, of all images, without :attr:`thin_boxes`."""
    thin_boxes: list[int]
    """Ids of the annotations with a box thinner than a pixel."""
    empty: list[CocoImage]
    """Images without annotations, which are left out."""
    small: list[CocoImage]
    """Images with a side shorter than the least one, which are left out."""
    thin: list[CocoImage]
    """Images that no anchor fits into, which are left out."""


def select(
    coco: CocoData,
    rules: Mapping[str, Any] | None,
    pipeline: Sequence[Any] = (),
    least_side: float = 0,
    needs_masks: bool = False,
    tile: ImageSize | None = None,
) -> Selection:
    """Select what a detector is trained on.

    Args:
        coco: the content of the file.
        rules: ``filter_empty_gt=True`` leaves out images without annotations, ``min_size=N`` those with a side shorter
            than N pixels.
        pipeline: the training pipeline, for the size that it resizes images to.
        least_side: the shortest side of a resized image, in pixels, that the detector's anchors fit into.
        needs_masks: True if an object without a mask is an ignore region.
        tile: size of the tiles that the network sees; None for whole images.
    """
    rules, long_side = rules or {}, resized_long_side(pipeline)
    annotations, thin_boxes = {}, []
    for image_id, of_image in coco.annotations.items():
        annotations[image_id] = [a for a in of_image if min(a['bbox'][2:]) >= MIN_BOX_SIDE]
        if len(annotations[image_id]) < len(of_image):
            thin_boxes += [a['id'] for a in of_image if min(a['bbox'][2:]) < MIN_BOX_SIDE]
    selection = Selection([], annotations, thin_boxes, [], [], [])
    for image in coco.images:
        size = ImageSize(image['height'], image['width'])
        if rules.get('filter_empty_gt') and not any(is_object(a, needs_masks) for a in annotations[image['id']]):
            selection.empty.append(image)
        elif min(size) < rules.get('min_size', 0):
            selection.small.append(image)
        elif is_too_thin(tile_size(size, tile), long_side, least_side):
            selection.thin.append(image)
        else:
            selection.images.append(image)
    return selection


def is_object(annotation: CocoAnnotation, needs_masks: bool) -> bool:
    """Check whether an annotation is an object or a crowd for training, rather than an ignore region.

    Args:
        annotation: the annotation.
        needs_masks: True if an object without a mask is an ignore region.
    """
    has_mask = 'segmentation' in annotation or bool(annotation['iscrowd'])
    return not annotation.get('ignored') and (has_mask or not needs_masks)


def describe_unmasked(coco: CocoData, keeps_unmasked: bool) -> str:
    """Describe how many objects have no mask where masks are learned, and what becomes of them, in a line."""
    what = 'learned as boxes only' if keeps_unmasked else 'ignored, since the pipeline loads masks'
    return f'without a mask, so {what}: {count_of(range(coco.without_mask), "object")}'
