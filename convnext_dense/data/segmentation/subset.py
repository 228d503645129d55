"""Part of the images of a folder with masks that is in no split."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..subset import Selected, select
from .mask_scan import ImageAndMask, MaskScan
from .masks import MaskLabels


def select_masks(
    pairs: Sequence[ImageAndMask],
    scans: Sequence[MaskScan],
    labels: MaskLabels,
    folder: str,
    subset: Mapping[str, Any],
) -> Selected:
    """Select the images of a part, whose masks show each class in its share.

    Args:
        pairs: the images of the whole split with their masks.
        scans: what is in each mask.
        labels: the classes.
        folder: the folder of the images.
        subset: rule and part; see :func:`~convnext_dense.data.subset.select`.
    """
    names = [os.path.relpath(image, folder).replace(os.sep, '/') for image, _ in pairs]  # which may be beside it
    name_of = dict(enumerate(labels.classes, labels.first_label))
    shown = [{name_of[label] for label, _ in scan.pixels if label in name_of} for scan in scans]
    return select(subset, folder, names, shown)
