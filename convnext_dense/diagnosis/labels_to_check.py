"""Labels that are suspected to be wrong, in words, and the section that lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ..counting import counted
from .content import Block, Cell, Column, Gallery, Section, Table
from .suspects import Suspect, SuspectKind, ranked

SECTION = 'labels'
"""Id of the section."""
MOST_ROWS, MOST_IMAGES = 500, 12
"""Suspects in the table, and images in each gallery, at most."""
KINDS: dict[SuspectKind, str] = {
    'class': 'Probably another class',
    'box': 'Probably elsewhere',
    'no label': 'Probably not annotated',
    'no object': 'Probably nothing there',
    'duplicate': 'Another label than that of almost the same image',
    'leak': 'Almost the same as a training image',
}
"""Title of each kind, in the order of galleries."""


def in_order(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Sort suspects, the strongest first, and behind them leaks, whose labels may well be right."""
    every = list(suspects)
    parts = [[one for one in every if (one.kind == 'leak') == is_leak] for is_leak in (False, True)]
    return [one for part in parts for one in ranked(part)]


def reason(suspect: Suspect, classes: Sequence[str]) -> str:
    """Say in words why a label is suspected."""
    given, suggested = (class_name(label, classes) for label in (suspect.label, suspect.suggested))
    whole = suspect.box is None
    if suspect.kind == 'class':
        return f'the model is sure that {"the image shows" if whole else "this is"} {suggested}, not {given}'
    if suspect.kind == 'box':
        return f'the model finds {given} at another place nearby: this box'
    if suspect.kind == 'no label':
        return f'the model finds {suggested} here, where nothing is annotated'
    if suspect.kind == 'no object':
        return f'the model sees less of {given} here than in other objects of this class and size'
    if suspect.kind == 'leak':
        return f'almost the same image is used for training: {suspect.other_path}'
    labeled = 'lacks this label' if suspect.suggested is None else f'has the label {suggested}'
    return f'almost the same image {labeled}: {suspect.other_path}'


def class_name(label: int | None, classes: Sequence[str]) -> str:
    """Return the name of a class; ``''`` for None, and for a class that the model does not have."""
    return '' if label is None or not 0 <= label < len(classes) else classes[label]


def labels_to_check(
    suspects: Sequence[Suspect], classes: Sequence[str], paths: Sequence[str], labels: int, unit: str
) -> Section:
    """Make the section of labels to check.

    Args:
        suspects: labels that are probably wrong; leaks are left out.
        classes: names of the classes.
        paths: of the tested images, to whose numbers galleries refer.
        labels: the number of labels that could be wrong.
        unit: what is labeled, in the plural, such as ``'images'``.
    """
    listed = [one for one in in_order(suspects) if one.kind != 'leak']
    if not listed:
        return Section(SECTION, 'Labels to check', [], 'no label is suspected to be wrong')
    numbers = {path: number for number, path in enumerate(paths)}
    blocks: list[Block] = [_table(listed, classes)]
    blocks += [
        gallery
        for kind, title in KINDS.items()
        if (gallery := _gallery(title, [one for one in listed if one.kind == kind], classes, numbers))
    ]
    counts = Counter(one.kind for one in listed)
    kinds = ', '.join(f'{counts[kind]:,} {title.lower()}' for kind, title in KINDS.items() if counts[kind])
    share = f' ({100 * len(listed) / labels:.1f}% of {labels:,} {unit})' if labels else ''
    are = 'label is' if len(listed) == 1 else 'labels are'
    lead = f'{len(listed):,} {are} suspected to be wrong{share}'
    return Section(SECTION, 'Labels to check', blocks, f'{lead}: {kinds}' if len(counts) > 1 else lead)


def _table(listed: Sequence[Suspect], classes: Sequence[str]) -> Table:
    columns = [
        Column('rank', 'count'),
        Column('image', 'image'),
        Column('given', 'class', 'the class by the label'),
        Column('suggested', 'class', 'the class that seems right'),
        Column('strength', 'percent', 'how strong the disagreement is'),
        Column('why'),
    ]
    rows: list[list[Cell]] = [
        [
            rank,
            one.path,
            class_name(one.label, classes) or None,
            class_name(one.suggested, classes) or None,
            100 * one.strength,
            reason(one, classes),
        ]
        for rank, one in enumerate(listed[:MOST_ROWS], 1)
    ]
    note = 'All are in suspects.csv beside this diagnosis.'
    if len(listed) > MOST_ROWS:
        note = f'The first {MOST_ROWS} of {counted(len(listed), "label")}. {note}'
    return Table('Labels to check', columns, rows, note)


def _gallery(
    title: str, listed: Sequence[Suspect], classes: Sequence[str], numbers: Mapping[str, int]
) -> Gallery | None:
    captions: dict[int, list[str]] = {}
    for one in listed:
        if one.path not in numbers:  # a training image
            continue
        number = numbers[one.path]
        if number not in captions and len(captions) == MOST_IMAGES:
            break
        captions.setdefault(number, []).append(_caption(one, classes))
    if not captions:
        return None
    return Gallery(title, list(captions), ['; '.join(dict.fromkeys(texts)) for texts in captions.values()])


def _caption(suspect: Suspect, classes: Sequence[str]) -> str:
    given, suggested = (class_name(label, classes) for label in (suspect.label, suspect.suggested))
    if suspect.kind in ('class', 'duplicate') and suggested:
        return f'{given}, perhaps {suggested}'
    return given or suggested
