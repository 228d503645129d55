"""Select the images of a panoptic file that a model is trained on, or that belong to a part of the data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...io.image_size import ImageSize
from ...io.window import tile_size
from ..detection.thin_images import is_too_thin, resized_long_side
from ..subset import Split, select
from .read import PanopticData, PanopticImage


class Selection(NamedTuple):
    """The images that a model is trained on, and those that are left out."""

    images: list[PanopticImage]
    empty: list[PanopticImage]
    """Images without a thing to learn."""
    small: list[PanopticImage]
    """Images with a side shorter than the least one."""
    thin: list[PanopticImage]
    """Images that no anchor fits into."""


def select_for_training(
    data: PanopticData,
    rules: Mapping[str, Any] | None,
    pipeline: Sequence[Any] = (),
    least_side: float = 0,
    tile: ImageSize | None = None,
) -> Selection:
    """Select the images that a model is trained on.

    Args:
        data: the content of the file.
        rules: ``filter_empty_gt=True`` leaves out images without a thing other than crowds, as mmdet does;
            ``min_size=N`` those with a side shorter than N pixels.
        pipeline: the training pipeline, for the size that it resizes images to.
        least_side: the shortest side of a resized image, in pixels, that the anchors of a model fit into.
        tile: size of the tiles that the network sees; None for whole images.
    """
    rules, long_side, things = rules or {}, resized_long_side(pipeline), len(data.thing_classes)
    selection = Selection([], [], [], [])
    for one in data.images:
        size = ImageSize(one.image['height'], one.image['width'])
        objects = [s for s in one.truth['segments'] if s['label'] < things and not s['iscrowd']]
        if rules.get('filter_empty_gt') and not objects:
            selection.empty.append(one)
        elif min(size) < rules.get('min_size', 0):
            selection.small.append(one)
        elif is_too_thin(tile_size(size, tile), long_side, least_side):
            selection.thin.append(one)
        else:
            selection.images.append(one)
    return selection


def select_part(
    data: PanopticData, subset: Mapping[str, Any], folder: str
) -> tuple[PanopticData, Split | None, list[str]]:
    """Select the images of a part of a file, which have each class in its share.

    Args:
        data: the content of the whole file.
        subset: rule and part; see :func:`~convnext_dense.data.subset.select`.
        folder: the folder of the images.

    Returns:
        The content of the part, with the faults of the whole; the split; and what a user should know.
    """
    names = [os.path.normpath(one.image['file_name']).replace(os.sep, '/') for one in data.images]
    labels = [{data.classes[s['label']] for s in one.truth['segments']} for one in data.images]
    selected = select(subset, folder, names, labels)
    images = [data.images[index] for index in selected.indices]
    return data._replace(images=images), selected.split, selected.notes
