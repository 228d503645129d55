"""Join the classes of an image/mask folder to those of another one, or of a checkpoint, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...errors import UserError
from ...io.images import UNLABELED
from ..class_choice import ChosenClasses, ClassChoice, describe_choice
from ..text import shortened
from .mask_scan import MaskScan


def join_labels(
    root: str | Path, own: Sequence[str], classes: Sequence[str], choice: ClassChoice | None = None
) -> dict[int, int] | None:
    """Find the label of each class of a folder in another list of classes.

    Args:
        root: the folder, for error messages.
        own: names of its classes.
        classes: names of the classes by label.
        choice: the choice of classes, whose result is joined; None for all of the folder.

    Returns:
        The label in ``classes`` by the label in ``own``, as ``label_map`` of mmseg, or 255 (unlabeled) for those that
        are ignored or not chosen; None if they are the same.

    Raises:
        UserError: if a class of the folder is not among the others.
    """
    chosen = ChosenClasses(tuple(own), tuple(range(len(own)))) if choice is None else choice.apply(own)
    label_of = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in chosen.names if name not in label_of]
    if unknown:
        raise UserError(
            f'{root} has {len(unknown)} of {len(chosen.names)} classes that are not among the {len(classes)} known '
            f'ones ({shortened(list(classes))}): {shortened(unknown)}: name them alike in its classes.txt'
        )
    joined = {label: label_of[chosen.names[new]] if new >= 0 else UNLABELED for label, new in enumerate(chosen.labels)}
    return None if all(label == other for label, other in joined.items()) else joined


def describe_pixels(choice: ClassChoice, own: Sequence[str], first: int, scans: Iterable[MaskScan]) -> str:
    """Say in a line what a choice makes of a split of a folder; see :func:`~..class_choice.describe_choice`.

    Args:
        choice: the choice.
        own: names of the folder's classes.
        first: the label of the first of them in the masks.
        scans: the split's masks.
    """
    pixels = Counter[int]()
    for scan in scans:
        pixels.update(dict(scan.pixels))
    total = max(sum(pixels.values()), 1)

    def amount(labels: Sequence[int]) -> str:
        return f'{sum(pixels[first + label] for label in labels) / total:.1%} of the pixels'

    unlabeled = 'are unlabeled, so that nothing is learned or measured there'
    return describe_choice(
        choice, own, amount, f'{unlabeled} (join them with --merge to have a background)', unlabeled
    )
