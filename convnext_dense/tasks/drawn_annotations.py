"""Draw the annotations of a detection data set over their image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..io.image_size import ImageSize

if TYPE_CHECKING:
    import numpy as np

    from ..io.coco_format import Instance

IGNORED_COLOR = ((150, 150, 150),)


def draw_annotations(image: np.ndarray, instances: Sequence[Instance], classes: Sequence[str]) -> np.ndarray:
    """Draw annotations over their image.

    Args:
        image: uint8 (H, W, 3), RGB.
        instances: instances of a :class:`~convnext_dense.data.detection.dataset.CocoDataset`, with ``bbox_label``,
            ``ignore_flag``, ``bbox`` and an optional ``mask``; regions of ignored classes are gray.
        classes: the class names.

    Returns:
        uint8 RGB; see :func:`~convnext_dense.results.drawing.draw_instances`.
    """
    import numpy as np

    from ..io.coco_format import IGNORE_REGION
    from ..results import decode_mask
    from ..results.colors import class_colors, object_shades
    from ..results.drawing import draw_instances
    from ..results.text import drawable_names

    size = ImageSize.of(image)
    labels = np.array([instance['bbox_label'] for instance in instances], int)
    names = drawable_names(classes)
    tags = [
        'ignored'
        if i['bbox_label'] == IGNORE_REGION
        else names[i['bbox_label']] + (' (crowd)' if i['ignore_flag'] else '')
        for i in instances
    ]
    colors = np.vstack([class_colors(classes), np.array(IGNORED_COLOR, np.uint8)])  # the label of ignore regions is -1
    boxes = np.array([instance['bbox'] for instance in instances], float).reshape(-1, 4)
    masks = None
    if any('mask' in instance for instance in instances) or not instances:
        masks = np.array(
            [decode_mask(i['mask'], size) if 'mask' in i else np.zeros(size, bool) for i in instances], bool
        ).reshape(-1, *size)
    return draw_instances(image, boxes, tags, object_shades(colors, labels), masks)
