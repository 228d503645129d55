"""Part of the images of a source that is in no split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..subset import Split, select
from .coco import CocoData


def select_images(coco: CocoData, subset: Mapping[str, Any], folder: str) -> tuple[CocoData, Split | None, list[str]]:
    """Select the images of a part, with their annotations.

    An image shows the classes of its annotations but those that are ignored.

    Args:
        coco: the content of the whole source.
        subset: rule and part; see :func:`~convnext_dense.data.subset.select`.
        folder: the folder of the images.

    Returns:
        The content of the part, with the faults and numbers of the whole; the split; and what a user should know.
    """
    name_of = dict(zip(coco.category_ids, coco.classes, strict=True))  # without the classes that are not chosen
    labels = [
        {
            name_of[a['category_id']]
            for a in coco.annotations[image['id']]
            if not a.get('ignored') and a['category_id'] in name_of
        }
        for image in coco.images
    ]
    names = [os.path.normpath(image['file_name']).replace(os.sep, '/') for image in coco.images]
    selected = select(subset, folder, names, labels)
    images = [coco.images[index] for index in selected.indices]
    annotations = {image['id']: coco.annotations[image['id']] for image in images}
    return coco._replace(images=images, annotations=annotations), selected.split, selected.notes
