"""The section of labels that are probably wrong, and whether a model is good enough to judge them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...counting import counted
from ..content import Block, Cell, Column, Gallery, Section, Table, Text
from ..suspects import Suspect
from .shown import GALLERY, percent

STRONG = 0.5
"""Strength from which a suspicion is told to be strong."""
MOST_LABELS, MOST_REGIONS = 20.0, 100.0
"""Percent of the labels, or regions per 100 images, above which rather the model is wrong than what it contradicts."""
WEAK_SIGNS = ('no object',)
"""Kinds of which every model suspects some, so that they don't tell how good it is."""

SUSPECT_WORDS = {
    'class': 'labeled {label}, seems {suggested}',
    'box': '{label} seems to lie elsewhere',
    'no object': 'no {label} seems to be there',
    'no label': 'a {suggested} seems to lack its label',
    'duplicate': 'labeled {label}, an almost equal image {suggested}',
    'leak': 'almost equal to an image for training',
}
SUSPECT_KINDS = {
    'class': 'of another class',
    'box': 'lies elsewhere',
    'no object': 'no such object there',
    'no label': 'object without a label',
    'duplicate': 'an almost equal image has another label',
    'leak': 'almost equal to an image for training',
}


def strongly_suspected(suspects: Sequence[Suspect]) -> list[Suspect]:
    """Return those suspects that are contradicted strongly."""
    return [suspect for suspect in suspects if suspect.strength >= STRONG]


def doubts_about_model(
    suspects: Sequence[Suspect], labels: int, metric: str, value: float | None, least: float, most: float = MOST_LABELS
) -> str:
    """Say why a model is too weak to judge labels, in a sentence; empty if it is not.

    Args:
        suspects: labels that it contradicts.
        labels: how many were tested; images, where suspects are regions.
        metric: name of its main metric.
        value: the metric in percent.
        least: the metric in percent below which a model is too weak.
        most: suspects per 100 labels above which it is.
    """
    if not suspects or not labels:
        return ''
    contradicted = sum(suspect.kind not in WEAK_SIGNS for suspect in suspects)
    share = 100 * contradicted / labels
    why = []
    if value is not None and value < least:
        why.append(f'its {metric} is {percent(value)}')
    if share > most:
        of = f'{share / 100:.1f} regions per image' if most >= 100 else f'{share:.0f}% of the labels'
        why.append(f'it contradicts {of}')
    if not why:
        return ''
    return f'The model is too weak to judge labels: {" and ".join(why)}, so that these are mostly its own errors.'


def suspect_text(suspect: Suspect, names: Sequence[str]) -> str:
    """Say what seems wrong with a label, such as ``labeled horse, seems cow``."""
    label, suggested = ('object' if n is None or n < 0 else names[n] for n in (suspect.label, suspect.suggested))
    return SUSPECT_WORDS[suspect.kind].format(label=label, suggested=suggested)


def suspects_section(
    suspects: Sequence[Suspect],
    numbers: Mapping[str, int],
    names: Sequence[str],
    labels: int,
    noun: str,
    doubts: str = '',
) -> Section:
    """Return the section of labels that are probably wrong.

    Args:
        suspects: the most suspected first.
        numbers: the number of each record, by path.
        names: K names.
        labels: how many labels were tested.
        noun: what one of them is.
        doubts: why the model is too weak to judge labels, from :func:`doubts_about_model`.
    """
    if not labels:
        text = 'Without labels none can be wrong.'
        return Section('suspects', 'Labels to check', [Text(text)], text)
    if not suspects:
        text = f'None of {counted(labels, noun)} is contradicted by a prediction.'
        return Section('suspects', 'Labels to check', [Text(text)], text)
    shown = suspects[:GALLERY]
    gallery = Gallery(
        'Most suspected',
        [numbers[one.path] for one in shown],
        [f'{suspect_text(one, names)} (strength {one.strength:.2f})' for one in shown],
        f'Strength is how far predictions contradict a label, from 0 to 1; {STRONG:g} or more is strong. Look before '
        'you change anything: the model may be what is wrong. Labels that it was trained on are rarely found.',
    )
    kinds: dict[str, int] = {}
    for one in suspects:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    rows: list[list[Cell]] = [[SUSPECT_KINDS[kind], times] for kind, times in kinds.items()]
    table = Table(
        'Kinds of suspicion', [Column('Kind'), Column('Labels', 'count')], rows, 'suspects.csv lists all of them.'
    )
    lead = _lead(suspects, names, labels, noun)
    blocks: list[Block] = [gallery, table] if len(kinds) > 1 else [gallery]
    return Section('suspects', 'Labels to check', blocks, f'{doubts} {lead}'.strip())


def _lead(suspects: Sequence[Suspect], names: Sequence[str], labels: int, noun: str) -> str:
    """Count the suspects in one sentence, which the terminal and the page have alike."""
    strong = len(strongly_suspected(suspects))
    weakly = len(suspects) - strong
    are = 'is' if strong == 1 else 'are'
    more = f', and {weakly:,} more weakly' if strong and weakly else ''
    if strong:
        text = f'{counted(strong, "label")} {are} contradicted strongly (strength {STRONG:g} or more){more}'
    else:
        are = 'is' if weakly == 1 else 'are'
        text = f'{counted(weakly, "label")} {are} contradicted weakly, none strongly (strength {STRONG:g} or more)'
    first = suspects[0]
    return f'{text}, in {counted(labels, noun)}; the first: {suspect_text(first, names)} ({first.path}).'
