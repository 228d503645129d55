"""Check that a format can hold the names of classes, so that reading its files gives the same classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ....errors import UserError
from ...class_choice import ClassChoice, Merge
from ...class_words import is_background, is_no_class

UNPRINTABLE = re.compile(r'[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]')
"""Characters that break the lines of a list, that XML does not allow, or that no file can hold."""
COLOR = re.compile(r'#[0-9a-f]{6}|[0-9]+[\s,;]+[0-9]+[\s,;]+[0-9]+', re.IGNORECASE)
"""A color, which lists of classes may have beside each name."""

Rule = Callable[[Sequence[str], int], str]
"""Function of all names and a label that returns why a format can't hold the name of that label, or ``''``."""


def held_as_it_is(classes: Sequence[str], label: int) -> str:
    """Rule of formats that hold any text."""
    return ''


def held_without_spaces(classes: Sequence[str], label: int) -> str:
    """Rule of formats that are read without the spaces around a name, among them all lists of a name on each line."""
    name = classes[label]
    return 'spaces at the ends of a name are lost' if name != name.strip().strip('\ufeff') else ''


def held_by_labelme(classes: Sequence[str], label: int) -> str:
    """Rule of LabelMe, where two names have a meaning."""
    is_special = classes[label] in ('__ignore__', '_background_')
    return held_without_spaces(classes, label) or ('the name says there that this is no object' if is_special else '')


def held_by_via(classes: Sequence[str], label: int) -> str:
    """Rule of VIA, where a new region is ``undefined``."""
    is_special = classes[label] == 'undefined'
    return held_without_spaces(classes, label) or ('the name stands there for no class' if is_special else '')


def held_by_masks(classes: Sequence[str], label: int) -> str:
    """Rule of index masks, whose list tells by its first names what label 0 means, and whether it has colors."""
    name, with_background = classes[label], is_background(classes[0])
    if label == 0 and with_background and COLOR.search(name):
        return 'a name with a color makes a list of colors'
    says_zero = is_no_class(name) or is_background(name)
    if label == int(with_background) and says_zero:
        return 'the name says there that label 0 is no class'
    return held_without_spaces(classes, label)


def held_by_label_map(classes: Sequence[str], label: int) -> str:
    """Rule of color masks, in whose list a colon follows the name, and ``#`` begins a comment."""
    name = classes[label]
    if ':' in name:
        return 'a name ends at a colon'
    if name.startswith('#'):
        return 'a line that begins with # is a comment'
    return 'the name stands there for no class' if is_no_class(name) else held_without_spaces(classes, label)


def check_class_names(classes: Sequence[str], title: str, rule: Rule) -> None:
    """Raise a UserError that names the first class that a format can't hold, and how to rename it.

    Args:
        classes: the names.
        title: name of the format for people.
        rule: its rule.
    """
    for label, name in enumerate(classes):
        if UNPRINTABLE.search(name):
            raise UserError(f'the class {name!r} has a line break or control character in its name: rename it')
        reason = rule(classes, label) if name.strip() else 'it has no name'
        if reason:
            new = re.sub('[:#]', ' ', name.strip('\ufeff')).strip() or 'NAME'
            joined = [*classes[:label], new, *classes[label + 1 :]]
            if new in classes or rule(joined, label):
                new = 'NAME'
            flags = ClassChoice(merge=(Merge((name,), new),))
            raise UserError(
                f'the class {name!r} cannot be written as {title} ({reason}): rename it, as convert-data does with '
                f'{flags}, or choose another format'
            )
