"""Join the categories of a COCO file to the classes of a model, by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from .categories import check_known_names


class HasCategories(Protocol):
    """Content of a file with categories, such as :class:`.coco.CocoData`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories that are classes."""

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Id of each class."""

    @property
    def other_ids(self) -> tuple[int, ...]:
        """Ids of the file that are no classes."""


def join_categories(
    file: Path, coco: HasCategories, classes: Sequence[str], ids: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Find the category id of each class in a COCO file.

    Args:
        file: the file's path, for error messages.
        coco: its content.
        classes: names of the classes by label.
        ids: the classes' ids in another file, for those that are not in this one; None if unknown.

    Returns:
        The ids: of the file or, for a class that it lacks, of ``ids`` if the file has no other use for it, or else the
        next free one.

    Raises:
        UserError: if a category of the file is not among the classes.
    """
    check_known_names(coco.classes, str(file), classes, 'the model', suggests_flags=False)
    own = dict(zip(coco.classes, coco.category_ids, strict=True))
    other = dict(zip(classes, ids or (), strict=bool(ids)))
    taken = {*own.values(), *coco.other_ids}
    joined = {}
    for name in classes:
        if name not in own and other.get(name) in {*taken, None}:
            continue
        joined[name] = own[name] if name in own else other[name]
        taken.add(joined[name])
    free = (number for number in count(1) if number not in taken)
    return tuple(joined[name] if name in joined else next(free) for name in classes)
