"""Recognize texts in tables that are no classes: measures, and several labels in one cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ...errors import UserError
from ..text import shortened

NUMBER = re.compile(r'[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?')
"""A number, with a point or a comma."""
FEWEST_WORDS = 3
"""Smallest number of texts with several words, in a column of no name that tells, that may be several labels each."""


def check_whole_numbers(column: str, labels: Sequence[str]) -> None:
    """Check that labels are not numbers some of which have fractions, such as ages or scores.

    Args:
        column: file and column, for the error message.
        labels: the label of each row.

    Raises:
        UserError: if they are.
    """
    if not all(NUMBER.fullmatch(label) for label in labels):
        return
    broken = [label for label in dict.fromkeys(labels) if not float(label.replace(',', '.')).is_integer()]
    if broken:
        raise UserError(
            f'{column} holds numbers with fractions ({shortened(broken, 3)}), which are measures rather than classes: '
            'name the column that has classes with --label-column, also if it is this one'
        )


def describe_recurring_words(labels: Sequence[str], is_plural: bool = False) -> str:
    """Describe texts such as ``clear primary`` that look like several labels each, since words recur among them.

    Args:
        labels: the label of each row.
        is_plural: the column is called ``tags`` or alike, so that a single word that recurs is enough.

    Returns:
        What a column looks like, for a warning; empty if it looks like one class for each image.
    """
    words_of = {label: label.split() for label in dict.fromkeys(labels)}
    several = [label for label, words in words_of.items() if len(words) > 1]
    texts = Counter(word for words in words_of.values() for word in set(words))
    recurring = [word for word, count in texts.items() if count > 1]
    lengths = {len(words) for words in words_of.values()}
    if not several or not recurring or len(lengths) < 2:
        return ''
    # names of species share words, too, but have more words than there are species
    is_mixture = len(several) >= FEWEST_WORDS and len(texts) <= len(words_of) and 2 * len(recurring) >= len(texts)
    if not is_plural and not is_mixture:
        return ''
    return (
        f'looks like several labels for an image, since {shortened(recurring, 3)} recur in it '
        f'({shortened(several, 3)}): each combination is learned as a class of its own; images of several classes at '
        'once are not learned here'
    )
