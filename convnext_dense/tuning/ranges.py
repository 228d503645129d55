"""Ranges of the settings that a study searches: those of ``--search``, and those around a config's own values.

Imports neither torch nor optuna, like the parsers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..errors import UserError
from ..tasks.tuned import SETTINGS, Tuned, rounded

EXAMPLE = 'lr=1e-5:1e-2,drop_path=0:0.4'


class Range(NamedTuple):
    """Lowest and highest value of a setting; one value if both are equal."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f'{self.low:g}:{self.high:g}'


def parse_ranges(text: str) -> dict[str, Range]:
    """Parse ``lr=1e-5:1e-2,drop_path=0:0.4``.

    Raises:
        UserError: for an unknown setting, or a range that is the wrong way round or impossible.
    """
    ranges: dict[str, Range] = {}
    for part in filter(None, (one.strip() for one in text.split(','))):
        name, equals, given = part.partition('=')
        check_names([name.strip()])
        name = name.strip()
        low, colon, high = given.partition(':')
        try:
            ranges[name] = Range(float(low), float(high if colon else low))
            if not equals:
                raise ValueError
        except ValueError:
            raise UserError(f'{part!r} is not NAME=LOW:HIGH: expected a range such as {EXAMPLE}') from None
        _check_range(name, ranges[name], given)
    if not ranges:
        raise UserError(f'{text!r} names no setting: expected ranges such as {EXAMPLE}')
    return ranges


def check_names(names: Collection[str]) -> None:
    """Raise a UserError if one is not the name of a setting that can be searched."""
    for name in names:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f'did you mean {near[0]}?' if near else f'there are {", ".join(SETTINGS)}'
            raise UserError(f'no setting {name!r} to search: {hint}')


def parse_names(text: str) -> list[str]:
    """Parse names of settings, separated by commas.

    Raises:
        UserError: for an unknown one, or none.
    """
    names = [one.strip() for one in text.split(',') if one.strip()]
    if not names:
        raise UserError(f'no setting is named: there are {", ".join(SETTINGS)}')
    check_names(names)
    return list(dict.fromkeys(names))


def _check_range(name: str, given: Range, text: str) -> None:
    setting = SETTINGS[name]
    if not all(map(math.isfinite, given)):
        raise UserError(f'{name}={text}: take finite numbers')
    if given.low > given.high:
        raise UserError(f'{name}={text} is the wrong way round: {name}={given.high:g}:{given.low:g}')
    above = setting.log and given.low <= 0
    if above or given.low < setting.least or given.high > setting.most:
        least = f'above {setting.least:g}' if setting.log else f'from {setting.least:g}'
        raise UserError(f'{name}={text} is out of the possible: {name} is {least} to {setting.most:g}')
    if setting.whole and any(value != int(value) for value in given):
        raise UserError(f'{name}={text}: {name} is a whole number')


def choose_ranges(
    own: Mapping[str, Tuned], given: Mapping[str, Range], only: Sequence[str] | None, model: str
) -> dict[str, Range]:
    """Choose the range of each setting that is searched.

    Args:
        own: the settings of the config.
        given: ranges that replace those around the config's own values.
        only: names of the settings to search; None for all that are searched by default, and those with a given range.
        model: what has them, for messages.

    Returns:
        The ranges by name, in the order of :data:`~convnext_dense.tasks.tuned.SETTINGS`.

    Raises:
        UserError: if a setting is asked for that the config does not have, or none is left.
    """
    for name in [*given, *(only or ())]:
        if name not in own:
            raise UserError(f'{model} has no {name} to search: it has {", ".join(own)}')
    if only is not None and (unused := [name for name in given if name not in only]):
        raise UserError(f'--search gives a range for {unused[0]}, which --only {",".join(only)} leaves out')
    ranges = {}
    for name, setting in SETTINGS.items():
        tuned = own.get(name)
        wanted = name in given or (tuned is not None and tuned.by_default) if only is None else name in only
        if tuned is None or not wanted:
            continue
        ranges[name] = given.get(name) or _around(name, tuned.own)
        if ranges[name].low > ranges[name].high or (setting.log and ranges[name].low <= 0):
            raise UserError(f'there is no range around {name} {tuned.own:g}: give one with --search {name}=LOW:HIGH')
    if not ranges:
        raise UserError(f'{model} has no setting to search by default: name some of {", ".join(own)} with --only')
    return ranges


def _around(name: str, own: float) -> Range:
    low, high = SETTINGS[name].around(own)
    return Range(rounded(low), rounded(high))


def describe_ranges() -> list[tuple[str, str, str]]:
    """Return name, meaning and range by default of every setting, for the documentation."""
    rows = []
    for name, setting in SETTINGS.items():
        how = ', by its logarithm' if setting.log else ', whole numbers' if setting.whole else ''
        rows.append((name, setting.meaning, setting.range_words + how))
    return rows
