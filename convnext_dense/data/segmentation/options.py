"""Settings of how the masks of a data set are found and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import UserError
from .label_zero import AUTO

MASK_LABELS = ('index', 'color', 'binary', 'cityscapes', 'camvid')
"""Kinds of masks: numbers that are labels; colors; 0 and 255, which is class 1; ids of Cityscapes, of which its 19
classes are taken; CamVid's 11 classes and 11 for void, as SegNet has them."""
FILES = 'masks'
"""Format of masks in files of their own, rather than in annotations."""


class MaskOptions(NamedTuple):
    """How masks are found and read, as far as it is set; the data tell the rest."""

    labels: str = AUTO
    """A kind of :data:`MASK_LABELS`, or ``'auto'``."""
    folder: str | None = None
    """Name of the folder of masks, where there are several."""
    format: str | None = None
    """``'masks'`` for files, ``'coco-panoptic'``, or a format of :data:`~convnext_dense.data.formats.FORMATS`."""

    @classmethod
    def of(cls, dataset: Mapping[str, Any]) -> MaskOptions:
        """Return the settings in the config of a data set."""
        return cls(dataset.get('mask_labels') or AUTO, dataset.get('mask_folder'), dataset.get('format'))


AS_FOUND = MaskOptions()
"""Find and read masks as the data tell."""


def check_options(options: MaskOptions) -> None:
    """Raise a UserError for a kind of masks that does not exist."""
    if options.labels not in (AUTO, *MASK_LABELS):
        raise UserError(f"mask_labels {options.labels!r} does not exist: take one of {', '.join(MASK_LABELS)}, 'auto'")
