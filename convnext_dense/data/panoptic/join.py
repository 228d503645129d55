"""Join the classes of a panoptic file to those of a model, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..detection.join import join_categories
from ..text import shortened
from .read import PanopticClasses, PanopticData


def join_classes(
    path: Path,
    data: PanopticData,
    classes: Sequence[str] | None,
    thing_classes: Sequence[str] | None,
    category_ids: Sequence[int] | None = None,
) -> PanopticClasses:
    """Return the classes of a data set: those of its file, or those of a model, which the file may lack some of.

    Args:
        path: the file.
        data: its content.
        classes: names of the model's classes by label, things first; None for the file's own.
        thing_classes: those of them that are things; None if the file has all classes and tells it, which are then
            sorted, things first.
        category_ids: their ids in another file, for those that are not in this one; None if unknown.

    Raises:
        UserError: if the file has other classes, or things that are stuff of the model, or the other way round.
    """
    if classes is None:
        return PanopticClasses(data.thing_classes, data.stuff_classes, data.category_ids)
    ids = join_categories(path, data, classes, category_ids)
    absent = [name for name in classes if name not in data.classes]
    if thing_classes is None and absent:
        raise UserError(
            f'{path} lacks {shortened(absent)}, so that it is unknown whether these are things: give the data set '
            'thing_classes beside classes'
        )
    things = [name for name in classes if name in set(data.thing_classes if thing_classes is None else thing_classes)]
    if thing_classes is None:  # of a choice, in any order
        id_of = dict(zip(classes, ids, strict=True))
        classes = [*things, *(name for name in classes if name not in things)]
        ids = tuple(id_of[name] for name in classes)
    if things != list(classes[: len(things)]):
        late = next(name for name in things if name not in classes[: len(things)])
        raise UserError(f'{path}: the thing {late!r} comes after stuff in classes: name the things first')
    stuff = classes[len(things) :]
    for kind, own, others in (('a thing', data.thing_classes, stuff), ('stuff', data.stuff_classes, things)):
        contrary = [name for name in own if name in others]
        if contrary:
            other = 'stuff' if others is stuff else 'a thing'
            raise UserError(
                f'{path}: {contrary[0]!r} is {kind} by its isthing, and {other} of the model: correct isthing, or '
                'name it otherwise'
            )
    return PanopticClasses(tuple(things), tuple(stuff), ids)
