"""Split images into parts: by their names and a seed alone, with every class in each part by its share.

The method is iterative stratification (Sechidis, Tsoumakas and Vlahavas: On the Stratification of Multi-Label Data,
ECML PKDD 2011, algorithm 1), which suits images of one class and of several. Units are images, or groups of them that
stay together. Classes are dealt with from the rarest to the most frequent one, a class's units in the order of a hash
of their names, large ones first. An image goes to the part that the class needs most; where the class's share is no
integer, and so several parts are right, to the one that needs images most. A group goes to the part where it brings
all its classes nearest to their shares, by the sum of squares. All is done in integers, so that the result is the same
everywhere.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ..errors import UserError
from .text import count_of, quoted, shortened

DEFAULT_SEED = 0
TYPES: Sequence[tuple[str, tuple[type, ...], str]] = (
    ('share', (int, float), 'a share of the images, such as 0.2'),
    ('folds', (int,), 'the number of folds, such as 5'),
    ('fold', (int,), 'the number of a fold, from 0'),
    ('group', (str,), 'a regular expression in quotes'),
    ('seed', (int,), 'an integer, such as 0'),
)
"""What the fields of a rule may be, for messages."""


class SplitRule(NamedTuple):
    """How images are split into those for training and those for validation."""

    share: float | None = None
    """Share of the images for validation, between 0 and 1; None for folds."""
    folds: int | None = None
    """Number of folds K; None for a share."""
    fold: int | None = None
    """The fold for validation, 0 to K - 1; the others are for training."""
    group: str | None = None
    """Regular expression: images whose names give the same match, or the same first group, stay together."""
    seed: int = DEFAULT_SEED

    @property
    def flags(self) -> str:
        """The arguments of a command that give this rule."""
        flags = f'--val-split {self.share:g}' if self.share is not None else f'--folds {self.folds} --fold {self.fold}'
        flags += f" --split-group '{self.group}'" if self.group is not None else ''
        return flags + (f' --split-seed {self.seed}' if self.seed != DEFAULT_SEED else '')

    def as_setting(self) -> dict[str, Any]:
        """The rule as a setting of a data set, without what is not given."""
        return {key: value for key, value in self._asdict().items() if value is not None}

    @classmethod
    def of_setting(cls, setting: Mapping[str, Any]) -> SplitRule:
        """The rule in the setting ``subset`` of a data set.

        Raises:
            UserError: if it is no rule.
        """
        unknown = setting.keys() - {*cls._fields, 'part', 'file', 'or_all'}
        if unknown:
            raise UserError(f'subset of a data set has no {min(unknown)}: it has {", ".join(cls._fields)}, part')
        rule = cls(**{key: value for key, value in setting.items() if key in cls._fields})
        check_rule(rule)
        return rule


def check_rule(rule: SplitRule, share: str = '--val-split', folds: str = '--folds', fold: str = '--fold') -> None:
    """Check a rule.

    Args:
        rule: the rule.
        share: name of the share in messages.
        folds: name of the number of folds.
        fold: name of the fold.

    Raises:
        UserError: if it is out of range, or more or less than one rule.
    """
    for key, kinds, what in TYPES:
        value = getattr(rule, key)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise UserError(f'{key} of a split is {quoted(value)}: give {what}')
    if rule.share is not None and rule.folds is not None:
        raise UserError(f'{share} and {folds} both say how to split: take one of them')
    if rule.folds is None and rule.fold is not None:
        raise UserError(f'{fold} {rule.fold} needs the number of folds: add {folds} 5')
    if rule.share is None and rule.folds is None:
        raise UserError(f'no split is given: take {share} 0.2, or {folds} 5 {fold} 0')
    if rule.share is not None and not 0 < rule.share < 1:
        raise UserError(f'{share} {rule.share:g}: take a share between 0 and 1, such as 0.2')
    if rule.folds is not None:
        if rule.folds < 2:
            raise UserError(f'{folds} {rule.folds}: take at least 2')
        if rule.fold is None:
            raise UserError(
                f'{folds} {rule.folds} needs the fold that is held out: add {fold} 0 (to {rule.folds - 1})'
            )
        if not 0 <= rule.fold < rule.folds:
            raise UserError(f'{fold} {rule.fold}: the {rule.folds} folds are 0 to {rule.folds - 1}')
    if rule.group is not None:
        try:
            re.compile(rule.group)
        except re.error as error:
            raise UserError(f'--split-group {rule.group!r} is no regular expression: {error}') from None


def split(
    names: Sequence[str], labels: Sequence[Collection[str]], rule: SplitRule, groups: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Split images into those for training and those for validation.

    Args:
        names: the N names, unique and relative to the data set, with ``/`` between folders. Their order has no effect.
        labels: the classes of each image; none for an image without any, which counts as a class of its own.
        rule: the rule.
        groups: the group of each image, from :func:`group_names`; None for images that are groups of their own.

    Returns:
        The names of the images for training and for validation, sorted. Each class has its share of them, rounded up
        or down if each image has one class and is a group of its own. With a share, training has a unit of each class.

    Raises:
        UserError: if one of them is empty.
    """
    if rule.share is not None:
        share = Fraction(repr(float(rule.share)))
        weights = [share.denominator - share.numerator, share.numerator]
        held_out: int = 1
        keep: int | None = 0
    else:
        assert rule.folds is not None and rule.fold is not None
        weights, held_out, keep = [1] * rule.folds, rule.fold, None
    parts = assign_parts(names, labels, weights, rule.seed, groups, keep)
    chosen: tuple[list[str], list[str]] = ([], [])
    for name, part in zip(names, parts, strict=True):
        chosen[part == held_out].append(name)
    for of_part, what in zip(chosen, ('training', 'validation'), strict=True):
        if not of_part:
            units = f' in {count_of(list(set(groups)), "group")}' if groups is not None else ''
            raise UserError(
                f'{rule.flags}: of {count_of(names, "image")}{units}, none is left for {what}: take another'
            )
        of_part.sort()
    return chosen


def assign_parts(
    names: Sequence[str],
    labels: Sequence[Collection[str]],
    weights: Sequence[int],
    seed: int = DEFAULT_SEED,
    groups: Sequence[str] | None = None,
    keep: int | None = None,
) -> list[int]:
    """Return the part of each image, of P parts.

    Args:
        names, labels, groups: see :func:`split`.
        weights: P integers above 0, to which the sizes of the parts are proportional.
        seed: seed of the hash.
        keep: the part that gets the first unit of each class; None for none.
    """
    units = _units(names, labels, groups, seed)
    of_label: dict[str, list[int]] = {}
    for number, unit in enumerate(units):
        for label in unit.counts:
            of_label.setdefault(label, []).append(number)
    totals = {label: sum(units[u].counts[label] for u in members) for label, members in of_label.items()}
    whole, common = sum(weights), math.lcm(*weights)
    scale = [common // weight for weight in weights]  # for needs relative to the size of a part
    needed = [weight * len(names) for weight in weights]  # all needs are times `whole`
    needs = {label: [weight * total for weight in weights] for label, total in totals.items()}
    left, kept = dict(totals), set[str]()
    chosen: list[int | None] = [None] * len(units)
    for label in sorted(of_label, key=lambda label: (totals[label], label)):
        need = needs[label]
        for number in sorted(of_label[label], key=lambda u: (-units[u].counts[label], units[u].order)):
            if chosen[number] is not None:
                continue
            unit = units[number]
            if keep is not None and label not in kept:
                part = keep
            elif len(unit.images) == 1:
                allowed = _allowed(need, left[label], whole)
                part = max(allowed, key=lambda p: (needed[p] * scale[p], need[p], -p))
            else:
                of_unit = [(needs[own], totals[own], count) for own, count in unit.counts.items()]
                of_unit.append((needed, len(names), len(unit.images)))
                part = min(range(len(weights)), key=lambda p: (_worse(of_unit, p, whole) * scale[p], p))
            chosen[number] = part
            needed[part] -= whole * len(unit.images)
            for own, count in unit.counts.items():
                needs[own][part] -= whole * count
                left[own] -= count
            if part == keep:
                kept.update(unit.counts)
    parts = [0] * len(names)
    for unit, chosen_part in zip(units, chosen, strict=True):
        assert chosen_part is not None  # every unit has a label
        for index in unit.images:
            parts[index] = chosen_part
    return parts


def group_names(names: Sequence[str], pattern: str) -> tuple[list[str], list[str]]:
    """Group images by their names.

    Args:
        names: the names.
        pattern: regular expression; what it finds in a name, or its first group if it has any, names the group.

    Returns:
        The group of each image, and the names in which nothing is found, each of which is a group of its own.

    Raises:
        UserError: if nothing is found in any name.
    """
    expression = re.compile(pattern)
    groups, alone = [], []
    for name in names:
        found = expression.search(name)
        text = found and found[1 if expression.groups else 0]
        if text is None:
            alone.append(name)
            text = f'\0{name}'
        groups.append(text)
    if alone and len(alone) == len(names):
        raise UserError(
            f"--split-group '{pattern}' finds nothing in the names of the images, such as {shortened(alone, 2)}: "
            'correct it'
        )
    return groups, alone


class _Unit(NamedTuple):
    """Images that stay together."""

    order: bytes
    """A hash of the name."""
    images: list[int]
    """Indices of the images."""
    counts: Mapping[str, int]
    """Number of images with each class."""


def _units(
    names: Sequence[str], labels: Sequence[Collection[str]], groups: Sequence[str] | None, seed: int
) -> list[_Unit]:
    if groups is None:
        return [
            _Unit(order, [index], dict.fromkeys(labels[index] or ('',), 1))
            for index, order in enumerate(_hashes(names, seed))
        ]
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return [
        _Unit(order, images, Counter(label for index in images for label in set(labels[index]) or {''}))
        for order, images in zip(_hashes(list(members), seed), members.values(), strict=True)
    ]


def _hashes(names: Sequence[str], seed: int) -> Iterator[bytes]:
    """Hash each name with the seed; a file system's form of Unicode has no effect."""
    for name in names:
        text = f'{seed}\n{name if name.isascii() else unicodedata.normalize("NFC", name)}'
        yield hashlib.blake2b(text.encode('utf-8', 'surrogateescape'), digest_size=16).digest()


def _allowed(need: Sequence[int], left: int, whole: int) -> Sequence[int]:
    """Return the parts that an image of a class may go to.

    In these, every part can still get its share of the class, rounded up or down. If there are none, since the image's
    other classes have decided for some, those with the greatest need.

    Args:
        need: what each part needs of the class, times ``whole``.
        left: number of images of the class that are in no part yet.
        whole: the sum of the weights.
    """
    at_least = sum(max(0, own) // whole for own in need)
    least = 1 if at_least < left else whole
    if allowed := [part for part, own in enumerate(need) if own >= least]:
        return allowed
    most = max(need)
    return [part for part, own in enumerate(need) if own == most]


def _worse(of_unit: Sequence[tuple[Sequence[int], int, int]], part: int, whole: int) -> int:
    """Return how much a group adds to the squares of a part's needs, each relative to the total of a class.

    Args:
        of_unit: needs, total, and number of images in the group, of each class and of all images.
        part: the part.
        whole: the sum of the weights, by which the needs are multiplied.
    """
    return sum((whole * count * (whole * count - 2 * need[part]) << 20) // total for need, total, count in of_unit)
