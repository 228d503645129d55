"""Read the categories of a COCO file, and join those of several files by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..check.records import NOTE
from ..class_choice import suggest_flags
from ..formats.faults import Fault, in_brackets
from ..formats.values import read_integer
from ..text import count_of, quoted, shortened


class Categories(NamedTuple):
    """Categories of a COCO file; those with the same name are one class."""

    names: tuple[str, ...]
    """Names of the classes in the order of the file."""
    labels: dict[int, int]
    """Index into ``names`` by category id."""
    faults: list[Fault]


def read_categories(path: Path, entries: Sequence[dict]) -> Categories:
    """Read the ``categories`` of a file: ids may be text, names numbers, and a name may have several ids.

    Raises:
        UserError: for a missing or repeated id, or a missing name.
    """
    ids = read_ids(path, 'categories', entries)
    names: dict[int, list] = {}
    for number, entry in zip(ids, entries, strict=True):
        name = entry.get('name')
        names.setdefault(number, []).append(str(name) if type(name) in (int, float) else name)
    nameless = [number for number, of_id in names.items() if not all(isinstance(n, str) and n.strip() for n in of_id)]
    if nameless:
        raise UserError(f'{path}: categories without a name {in_brackets("category", nameless)}: give them one')
    contradictory = [number for number, of_id in names.items() if len(set(of_id)) > 1]
    if contradictory:
        where = in_brackets('category', contradictory)
        raise UserError(f'{path}: categories with the same id {where}: give each its own')
    classes = tuple(dict.fromkeys(of_id[0] for of_id in names.values()))
    place = {name: label for label, name in enumerate(classes)}
    labels = {number: place[of_id[0]] for number, of_id in names.items()}

    of_class: dict[int, list[int]] = {}
    for number, label in labels.items():
        of_class.setdefault(label, []).append(number)
    found = {
        'fixed: id is not an integer': not_integers(ids, entries),
        'fixed: name is a number, taken as text': [
            n for n, e in zip(ids, entries, strict=True) if not isinstance(e['name'], str)
        ],
        'fixed: listed twice': [number for number, of_id in names.items() if len(of_id) > 1],
        'fixed: with the name of another one, taken as one class': [
            number for of_label in of_class.values() for number in of_label[1:]
        ],
    }
    faults = [Fault(message, numbers, 'category', NOTE) for message, numbers in found.items() if numbers]
    spelled = Counter(name.lower() for name in classes)
    alike = [number for number, of_id in names.items() if spelled[of_id[0].lower()] > 1]
    if alike:
        faults.append(Fault('with names that differ only in case, taken as different classes', alike, 'category'))
    return Categories(classes, labels, faults)


def read_ids(path: Path, key: str, entries: Iterable[dict]) -> list[int]:
    """Return the ids of a file's images or categories; text is taken as its number.

    Raises:
        UserError: for an id that is not an integer.
    """
    ids = []
    for place, entry in enumerate(entries, 1):
        number = read_integer(entry.get('id'))
        if number is None:
            raise UserError(
                f'{path}: number {place} of its {key} has the id {quoted(entry.get("id"))}: make it an integer'
            )
        ids.append(number)
    return ids


def not_integers(ids: Sequence[int], entries: Sequence[dict]) -> list[int]:
    """Return the ids that are written as something else than an integer."""
    return [number for number, entry in zip(ids, entries, strict=True) if type(entry['id']) is not int]


def check_known_names(
    names: Sequence[str], file: str, known: Sequence[str], known_file: str, suggests_flags: bool = True
) -> None:
    """Check that the classes of a file are among those of another one; their order does not matter.

    Args:
        names: the classes of the file.
        file: its name, for the message.
        known: the classes that may occur, in the order of the labels.
        known_file: name of what they are from, a file or the model.
        suggests_flags: add the flags to the message by which the file has known classes alone.

    Raises:
        UserError: if there are others.
    """
    others = [name for name in names if name not in set(known)]
    if others:
        absent = [name for name in known if name not in set(names)]
        hint = f', and lacks {shortened(absent, 10)}' if absent else ''
        raise UserError(
            f'the categories differ: {file} has {shortened(others, 10)}{hint}, where {known_file} has '
            f'{count_of(known, "category", "categories")}: {shortened(known, 10)}: use the same names in both'
            + (f', or give {suggest_flags(others, known)}' if suggests_flags else '')
        )
