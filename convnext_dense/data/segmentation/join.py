"""Join the classes of an image/mask folder to those of another one, or of a checkpoint, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..text import shortened


def join_labels(root: str | Path, own: Sequence[str], classes: Sequence[str]) -> dict[int, int] | None:
    """Find the label of each class of a folder in another list of classes.

    Args:
        root: the folder, for error messages.
        own: names of its classes.
        classes: names of the classes by label.

    Returns:
        The label in ``classes`` by the label in ``own``, as ``label_map`` of mmseg; None if they are the same.

    Raises:
        UserError: if a class of the folder is not among the others.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in own if name not in label_of]
    if unknown:
        raise UserError(
            f'{root} has {len(unknown)} of {len(own)} classes that are not among the {len(classes)} known ones '
            f'({shortened(list(classes))}): {shortened(unknown)}: name them alike in its classes.txt'
        )
    joined = {label: label_of[name] for label, name in enumerate(own)}
    return None if all(label == other for label, other in joined.items()) else joined
