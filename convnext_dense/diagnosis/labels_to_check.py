"""Labels that are suspected to be wrong, in words, and the table that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..counting import counted
from .content import Cell, Column, Section, Table
from .suspects import Suspect, ranked

SECTION = 'suspects'
"""Id of the section."""
MOST_ROWS = 500
"""Suspects in the table, at most."""


def in_order(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Sort suspects, the strongest first, and behind them leaks, whose labels may well be right."""
    every = list(suspects)
    parts = [[one for one in every if (one.kind == 'leak') == is_leak] for is_leak in (False, True)]
    return [one for part in parts for one in ranked(part)]


def reason(suspect: Suspect, classes: Sequence[str]) -> str:
    """Say in words why a label is suspected."""
    given, suggested = (class_name(label, classes) for label in (suspect.label, suspect.suggested))
    whole = suspect.box is None
    score = '' if suspect.score is None else f' (score {suspect.score:.2f})'
    if suspect.kind == 'class':
        return f'the model takes {"the image" if whole else "this"} for {suggested}{score}, not {given}'
    if suspect.kind == 'box':
        return f'the model finds {given}{score} at another place nearby: this box'
    if suspect.kind == 'no label':
        return f'the model finds {suggested}{score} here, where nothing is annotated'
    if suspect.kind == 'no object':
        return f'the model sees less of {given} here than in other objects of this class and size'
    if suspect.kind == 'leak':
        return f'almost the same image is used for training: {suspect.other_path}'
    labeled = 'lacks this label' if suspect.suggested is None else f'has the label {suggested}'
    return f'almost the same image {labeled}: {suspect.other_path}'


def class_name(label: int | None, classes: Sequence[str]) -> str:
    """Return the name of a class; ``''`` for None, and for a class that the model does not have."""
    return '' if label is None or not 0 <= label < len(classes) else classes[label]


def with_table(sections: Sequence[Section], suspects: Sequence[Suspect], classes: Sequence[str]) -> list[Section]:
    """Add a table of all suspects but leaks to the section of labels to check, or make that section.

    Args:
        sections: of a diagnosis.
        suspects: labels that are probably wrong.
        classes: names of the classes.

    Returns:
        The sections; as they are if there are no suspects.
    """
    listed = [one for one in in_order(suspects) if one.kind != 'leak']
    if not listed:
        return list(sections)
    table = _table(listed, classes)
    if all(section.id != SECTION for section in sections):
        are = 'label is' if len(listed) == 1 else 'labels are'
        lead = f'{len(listed):,} {are} suspected to be wrong.'
        return [*sections, Section(SECTION, 'Labels to check', [table], lead)]
    return [
        replace(section, blocks=[*section.blocks, table]) if section.id == SECTION else section for section in sections
    ]


def _table(listed: Sequence[Suspect], classes: Sequence[str]) -> Table:
    columns = [
        Column('rank', 'count'),
        Column('image', 'image'),
        Column('given', 'class', 'the class by the label'),
        Column('suggested', 'class', 'the class that seems right'),
        Column('strength', 'score', 'how strong the disagreement is, from 0 to 1'),
        Column('why'),
    ]
    rows: list[list[Cell]] = [
        [
            rank,
            one.path,
            class_name(one.label, classes) or None,
            class_name(one.suggested, classes) or None,
            one.strength,
            reason(one, classes),
        ]
        for rank, one in enumerate(listed[:MOST_ROWS], 1)
    ]
    note = 'All are in suspects.csv beside this diagnosis.'
    if len(listed) > MOST_ROWS:
        note = f'The first {MOST_ROWS} of {counted(len(listed), "label")}. {note}'
    return Table('Labels to check', columns, rows, note)
