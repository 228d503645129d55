"""Balancing the classes of a data set by how often its samples are drawn.

Where a sample has one class, as in classification, class c of n_c samples gets a share of the epoch in proportion to
``n_c ** (1 - strength)``: all classes the same with strength 1 (class-aware sampling, Shen et al. 2016), the square
root of what they have with 0.5, and what they have with 0.

Where a sample shows several classes or none, samples get the repeat factors of LVIS (Gupta et al. 2019): class c,
which a share f_c of the samples shows, has ``r_c = max(1, (threshold / f_c) ** strength)``, a sample the largest r_c
of the classes that it shows, and 1 if it shows none. LVIS has the strength 0.5 and the threshold 0.001. The threshold
here is the mean of all f_c where none is given, so that it fits any number of classes and images: classes that are
rarer than the average get more, others don't.

Epochs keep their length N: a sample of weight w comes N * w / sum(w) times, rounded up or down at random in each
epoch. Where samples have one class, each class so has its share to within one sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..counting import counted
from ..errors import UserError

PRECISION = 12
"""Decimals of the weights that count, so that two machines draw the same samples."""
TOLERANCE = 1e-6
"""Difference in how often samples come that does not count."""


class SampleClasses(NamedTuple):
    """The classes that each sample of a data set shows."""

    labels: np.ndarray
    """Labels of all samples one after the other, each once for a sample, int64."""
    samples: np.ndarray
    """Index of the sample of each label, ascending, int64."""
    size: int
    """Number of samples."""
    one_each: bool
    """Whether each sample has one class by the nature of the data set."""

    @property
    def counts(self) -> np.ndarray:
        """Number of samples that show each class, up to the largest label."""
        return np.bincount(self.labels)


class Balance(NamedTuple):
    """How classes are balanced."""

    strength: float
    """Above 0, and up to 1."""
    threshold: float | None = None
    """The share of the samples, in (0, 1], up to which classes are drawn more often; None for the mean share."""

    @classmethod
    def of(cls, strength: float | None, threshold: float | None) -> Balance | None:
        """Return the balance of a sampler's settings, None if the strength is None or 0.

        Raises:
            UserError: if they are out of range.
        """
        if not strength:
            if threshold is not None:
                raise UserError(f'balance_threshold={threshold} has no effect without balance: set it, such as to 0.5')
            return None
        for name, value in (('balance', strength), ('balance_threshold', threshold)):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 < value <= 1):
                raise UserError(f'train_dataloader.sampler.{name} is {value!r}: take a number above 0, up to 1')
        return cls(float(strength), threshold)

    @property
    def flags(self) -> str:
        """The flags that give it."""
        strength = f'--balance {self.strength:g}'
        if self.threshold is None:
            return strength
        return f'{strength} --cfg-options train_dataloader.sampler.balance_threshold={self.threshold:g}'

    def expected(self, shown: SampleClasses) -> np.ndarray:
        """Return how often each sample comes in an epoch on average, float64 (N,), whose sum is N.

        Raises:
            UserError: for a threshold where each sample has one class.
        """
        counts = shown.counts
        of_class = np.zeros(len(counts))
        used = counts > 0
        if shown.one_each:
            if self.threshold is not None:
                raise UserError('balance_threshold is for samples that show several classes: leave it out')
            of_class[used] = counts[used].astype(float) ** -self.strength
            weights = of_class[shown.labels]
        else:
            shares = counts / max(1, shown.size)
            threshold = self.threshold or (float(shares[used].mean()) if used.any() else 1.0)
            of_class[used] = np.maximum(1.0, (threshold / shares[used]) ** self.strength)
            weights = np.ones(shown.size)
            np.maximum.at(weights, shown.samples, of_class[shown.labels])
        weights = np.round(weights / weights.max(), PRECISION) if len(weights) else weights
        return weights * (len(weights) / math.fsum(weights.tolist())) if len(weights) else weights


class Draw(NamedTuple):
    """The samples of an epoch."""

    indices: np.ndarray
    """Indices of the samples, int64 (N,); some come several times."""
    copies: np.ndarray
    """For each, how often the same sample came before."""


def draw(expected: np.ndarray, groups: np.ndarray | None, random: np.random.Generator) -> Draw:
    """Draw the samples of an epoch, in random order.

    Systematic sampling: each sample comes as often as expected, rounded up or down, and so does each group.

    Args:
        expected: how often each sample comes on average, (N,), with the sum N.
        groups: group of each sample, (N,); None for none.
        random: the random numbers.
    """
    order = random.permutation(len(expected))
    if groups is not None:
        order = order[np.argsort(groups[order], kind='stable')]
    edges = np.floor(np.cumsum(expected[order]) + random.random()).astype(np.int64)
    edges[-1:] = len(expected)  # whatever the rounding of the sum
    counts = np.diff(np.minimum(edges, len(expected)), prepend=0)
    indices = np.repeat(order, counts)
    copies = np.arange(len(indices)) - np.repeat(np.cumsum(counts) - counts, counts)
    shuffled = random.permutation(len(indices))
    return Draw(indices[shuffled], copies[shuffled])


def find_classes(dataset: Any) -> SampleClasses:
    """Find the classes that each sample of a data set shows, also of one in wrappers.

    Raises:
        UserError: if a data set does not tell them, or balances its classes itself.
    """
    parts, one_each = _labels_of(dataset)
    lengths = [len(part) for part in parts]
    labels = np.concatenate([np.asarray(part, np.int64) for part in parts]) if parts else np.zeros(0, np.int64)
    return SampleClasses(labels, np.repeat(np.arange(len(parts)), lengths), len(parts), one_each)


def _labels_of(dataset: Any) -> tuple[list[list[int]], bool]:
    """Return the sorted labels of each sample, and whether each has one by the nature of the data set."""
    inner, kind = vars(dataset).get('dataset'), type(dataset).__name__
    if kind == 'ClassBalancedDataset':
        raise UserError(
            'the training data are a ClassBalancedDataset, which balances classes itself: leave out --balance, or '
            'name the data set inside it'
        )
    if (parts := vars(dataset).get('datasets')) is not None:
        found = [_labels_of(part) for part in parts]
        return [labels for part, _ in found for labels in part], all(one_each for _, one_each in found)
    if inner is not None:
        labels, one_each = _labels_of(inner)
        if len(dataset) % max(1, len(labels)):
            raise UserError(f'--balance: {kind} of the training data has other samples than the data set inside it')
        return labels * (len(dataset) // max(1, len(labels))), one_each
    if hasattr(dataset, 'get_cat_ids'):
        one_each = getattr(dataset, 'one_class_each', False)
        if one_each and hasattr(dataset, 'labels'):
            return np.reshape(dataset.labels, (-1, 1)).tolist(), True
        return [sorted({int(label) for label in dataset.get_cat_ids(i)}) for i in range(len(dataset))], one_each
    raise UserError(
        f'--balance: {kind} of the training data does not tell which classes a sample shows: give it a method '
        'get_cat_ids(index), which returns their labels'
    )


def describe(balance: Balance, shown: SampleClasses, expected: np.ndarray, names: Sequence[str]) -> str:
    """Describe what becomes of the classes, in a line.

    Args:
        balance: how they are balanced.
        shown: the classes that each sample shows.
        expected: how often each sample comes in an epoch on average.
        names: the names of the classes by label.
    """
    before, flag = shown.counts, f'--balance {balance.strength:g}'
    if changes_nothing(expected):
        used = np.flatnonzero(before)
        if not len(used):
            why = 'no sample shows a class'
        elif len(used) == 1:
            why = f'there is one class, {_name(names, used[0])}'
        elif shown.one_each:
            why = f'each class has {before[used[0]]:,} samples'
        else:
            why = 'no class is shown by fewer samples than the threshold asks for, or each sample shows one of them'
        return f'{flag} changes nothing: {why}'
    after = np.bincount(shown.labels, weights=expected[shown.samples], minlength=len(before))
    used = np.flatnonzero(before)
    rarest, commonest = used[np.argmin(before[used])], used[np.argmax(before[used])]
    parts = [
        f'{what} class, {_name(names, label)}, {"has" if shown.one_each else "is in"} {after[label]:,.0f} samples '
        f'rather than {before[label]:,}'
        for what, label in (('the rarest', rarest), ('the most frequent', commonest))
    ]
    most = math.ceil(expected.max() - TOLERANCE)
    line = f'{flag}: in an epoch of {counted(shown.size, "sample")}, {" and ".join(parts)}'
    times = 'once' if most == 1 else f'{most} times'
    return f'{line}; no sample comes more than {times}, and each time augmented anew'


def changes_nothing(expected: np.ndarray) -> bool:
    """Whether all samples come equally often."""
    return not len(expected) or float(np.ptp(expected)) < TOLERANCE


def names_of(dataset: Any) -> Sequence[str]:
    """Return the names of a data set's classes by label; empty if it does not tell them."""
    meta = getattr(dataset, 'metainfo', None)
    meta = meta[0] if isinstance(meta, list) and meta else meta
    return list(meta.get('classes') or ()) if isinstance(meta, Mapping) else []


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if label < len(names) else f'number {label}'
