"""Apply a choice of classes to the annotations of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..class_choice import IGNORED, LEFT_OUT, ClassChoice, describe_choice
from ..text import count_of

NEW_IDS = '; category id in results: '
"""Beginning of the end of a line on a choice, which names the ids of new classes."""


class ChosenAnnotations(NamedTuple):
    """The annotations of chosen and of ignored classes."""

    names: tuple[str, ...]
    """Names of the chosen classes that the file has, by label."""
    category_ids: tuple[int, ...]
    """Id of each class."""
    other_ids: tuple[int, ...]
    """Ids of the file's other categories, those of ignored annotations among them."""
    annotations: list[Any]
    """The annotations of chosen classes with their ``category_id``, and of ignored ones."""
    ignored: dict[int, str]
    """The reason why an annotation is ignored, by its id."""
    line: str
    """One line for the user: what became of the file's classes, with numbers of annotations."""


def choose_annotations(
    choice: ClassChoice, names: Sequence[str], ids: Sequence[int], annotations: Sequence[Any]
) -> ChosenAnnotations:
    """Apply a choice of classes to annotations.

    Those of classes that are not chosen are left out, so that they become background, as is usual with COCO. Those of
    ignored classes are to be ignore regions, where a detection of any class is no false positive. A class has the id
    of the file's class of its name or, if it is merged and there is none, the next one after the file's highest.

    Args:
        choice: the choice.
        names: names of the file's classes.
        ids: the one category id of each class.
        annotations: the annotations, with unique ids and one of these ``category_id``, or another one for what is of
            any class; changed in place.
    """
    chosen = choice.apply(names)
    id_of, highest = dict(zip(names, ids, strict=True)), max(ids, default=0)
    merged = [name for name in chosen.names if name not in id_of]
    id_of |= {name: number for number, name in enumerate(merged, highest + 1)}
    category_ids = tuple(id_of[name] for name in chosen.names)
    place_of = dict(zip(ids, chosen.labels, strict=True))
    counts = Counter(annotation['category_id'] for annotation in annotations)
    name_of = dict(zip(ids, names, strict=True))
    kept, ignored = [], {}
    for annotation in annotations:
        place = place_of.get(annotation['category_id'])
        if place is None:  # an ignore region of any class
            kept.append(annotation)
            continue
        if place == LEFT_OUT:
            continue
        if place == IGNORED:
            ignored[annotation['id']] = f'of the ignored class {name_of[annotation["category_id"]]!r}'
        else:
            annotation['category_id'] = category_ids[place]
        kept.append(annotation)

    def amount(own: Sequence[int]) -> str:
        return count_of(range(sum(counts[ids[label]] for label in own)), 'annotation')

    line = describe_choice(choice, names, amount, 'are left out, so that they are background', 'become ignore regions')
    new = [f'{name!r} {id_of[name]}' for name in merged]
    line += f'{NEW_IDS}{", ".join(new)}' if new else ''
    others = tuple(number for number in ids if number not in category_ids)
    return ChosenAnnotations(chosen.names, category_ids, others, kept, ignored, line)
