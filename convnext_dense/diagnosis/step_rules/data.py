"""Rules about the data: wrong labels, leaks, classes with few examples, sizes of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...counting import counted
from ..findings.suspected import MOST_LABELS, MOST_REGIONS
from ..statistics import DataStatistics
from ..statistics_section import FEW, RARE, SECTION
from .base import Advice, Known, Rule, named

SUSPECTED_SHARE = (1.0, MOST_LABELS)
"""Percent of the labels from which and up to which it is said that labels are suspected: of more, the model is rather
what is wrong."""
SUSPECTED_REGIONS = (10.0, MOST_REGIONS)
"""The same of regions, per 100 images."""
SUSPECTED_LEAST = 5
"""Suspected labels of which it is said."""
DRAWN_MORE = 1.5
"""Factor by which ``--balance`` must draw the images of the rarest class more often to be advised."""
FEW_IMAGES = 2_000
"""Training images below which they are few."""
PRETRAINED_UP_TO = 100_000
"""Training images below which weights to start from are advised."""
UNLABELED = 20.0
"""Percent of the pixels from which it is said that they have no class."""
OTHER_SIZE = 2.0
"""Factor between the median sizes of training and tested images from which they differ."""
OTHER_SHARE = 5.0
"""Factor between the shares of a class in training and in testing from which the split is uneven, ..."""
FREQUENT = 5.0
"""... if the larger share has as many percent."""


def leaks(known: Known) -> Iterator[Advice]:
    """Advise to remove tested images that were learned."""
    if known.leaks:
        share = 100 * known.leaks / max(known.compared, 1)
        are = 'is' if known.leaks == 1 else 'are'
        yield Advice(
            'Remove the images that are in both training and test data, of the kind `leak` in `suspects.csv`, from '
            'one of them: until then the results look better than they are.',
            f'{counted(known.leaks, "tested image")} of {known.compared:,} ({share:.1f}%) {are} almost the same as a '
            'training image',
            share,
            'duplicates',
        )


def suspected_labels(known: Known) -> Iterator[Advice]:
    """Advise to check labels that are suspected."""
    facts = known.facts
    if facts is None or not facts.labels or not facts.judges_labels:
        return
    share = 100 * facts.suspects / facts.labels
    is_of_regions = facts.unit in ('pixels', 'segments')
    least, most = SUSPECTED_REGIONS if is_of_regions else SUSPECTED_SHARE
    if facts.suspects < SUSPECTED_LEAST or not least <= share <= most:
        return
    what = f'regions in {facts.labels:,} images' if is_of_regions else f'of {facts.labels:,} labels ({share:.1f}%)'
    yield Advice(
        'Check the labels in `suspects.csv`, the most suspected first, and look for the same faults in the '
        'training data: better labels often help more than another model.',
        f'{facts.suspects:,} {what} are contradicted strongly by predictions',
        min(share, 100.0),
        'suspects',
    )


def few_examples(known: Known) -> Iterator[Advice]:
    """Advise more examples of rare classes."""
    training = known.training
    if training is None:
        return
    counts = training.countable
    present = counts > 0
    median = float(np.median(counts[present])) if present.any() else 0.0
    rare = present & ((counts < FEW) | (counts * RARE < median))
    if not rare.any() or present.sum() < 2:
        return
    labels = sorted(np.flatnonzero(rare).tolist(), key=lambda label: int(counts[label]))
    names = [training.classes[label] for label in labels]
    balances = '--balance' not in known.run.flags and _balance_factor(training, labels[0]) >= DRAWN_MORE
    balance = ', or draw their images more often with `--balance`' if balances else ''
    fewest, noun = int(counts[labels[0]]), training.countable_unit
    if int(counts[present].max()) == fewest:
        has = f'each of the {len(names):,} classes has {counted(fewest, f"training {noun}")}'
    else:
        same = [name for name, label in zip(names, labels, strict=True) if counts[label] == fewest]
        verb = 'has' if len(same) == 1 else 'have'
        has = f'{named(same)} {verb} {counted(fewest, f"training {noun}")}, the median class {median:,.0f}'
        has += f'; {len(names):,} classes have few' if len(names) > len(same) else ''
    yield Advice(
        f'Collect more examples of {"all classes" if len(names) == present.sum() else named(names)}{balance}.',
        has,
        _gain_of_classes(known, names),
        SECTION,
    )


def _balance_factor(training: DataStatistics, label: int) -> float:
    """Return how many times as often ``--balance 1`` draws images with a class, whose images all else show too."""
    images = training.class_images
    own = float(images[label])
    return float(images[images > 0].mean()) / own if own else 1.0


def _gain_of_classes(known: Known, names: list[str]) -> float:
    """Estimate the points of the main metric if these classes became as good as the mean of the others."""
    if known.facts is None:
        return 0.0
    metrics = {one.name: one.metric for one in known.facts.classes if one.metric is not None}
    others = [value for name, value in metrics.items() if name not in set(names)]
    if not others:
        return 0.0
    usual = sum(others) / len(others)
    return sum(max(usual - metrics[name], 0.0) for name in names if name in metrics) / len(metrics)


def absent_from_training(known: Known) -> Iterator[Advice]:
    """Advise examples of classes that can't be learned."""
    training, tested = known.training, known.tested
    if training is None or tested is None or not training.images:
        return
    lacking = set(training.absent) - set(tested.absent)
    names = [name for name in training.classes if name in lacking]
    if names:
        examples = [int(tested.examples[tested.classes.index(name)]) for name in names]
        share = 100 * sum(examples) / max(int(tested.examples.sum()), 1)
        yield Advice(
            f'Add training examples of {named(names)}, or leave such classes out with `--ignore-classes`.',
            f'{counted(len(names), "class has", "classes have")} no example in the training data, but {share:.1f}% of '
            f'the tested {tested.unit}',
            share,
            SECTION,
        )


def absent_from_test(known: Known) -> Iterator[Advice]:
    """Advise tested examples of classes that are not measured."""
    training, tested = known.training, known.tested
    if training is None or tested is None or not tested.images:
        return
    lacking = set(tested.absent) - set(training.absent)
    names = [name for name in training.classes if name in lacking]
    if names:
        yield Advice(
            f'Add test images with {named(names)}: nothing is known about how well such classes are predicted.',
            f'{counted(len(names), "class", "classes")} of {len(tested.classes):,} without a tested example',
            0.0,
            SECTION,
        )


def uneven_split(known: Known) -> Iterator[Advice]:
    """Advise another split where a class is much more frequent in one part."""
    training, tested = known.training, known.tested
    if training is None or tested is None:
        return
    shares = [100 * one.examples / max(int(one.examples.sum()), 1) for one in (training, tested)]
    larger, smaller = np.maximum(*shares), np.minimum(*shares)
    uneven = (smaller > 0) & (larger >= FREQUENT) & (larger >= OTHER_SHARE * smaller)
    if uneven.any():
        label = int(np.argmax(np.where(uneven, larger / np.maximum(smaller, 1e-9), 0)))
        how = '`--val-split 0.2` holds out images by chance'
        if '--val-split' in known.run.flags:
            how = '`--split-seed` with another number draws other ones'
        yield Advice(
            f'Split the images anew, so that training and test data are alike: {how}.',
            f'{training.classes[label]!r} has {shares[0][label]:.1f}% of the training {training.unit} and '
            f'{shares[1][label]:.1f}% of the tested ones',
            0.0,
            SECTION,
        )


def no_weights(known: Known) -> Iterator[Advice]:
    """Advise weights to start from."""
    training = known.training
    if training is None or known.run.pretrained is not False or not 0 < training.images < PRETRAINED_UP_TO:
        return
    yield Advice(
        'Start from weights that have seen many images: `--pretrained NAME`, which `convnext-dense weights` lists.',
        f'the run started from random weights, and has {counted(training.images, "training image")}',
        10.0 if training.images < FEW_IMAGES else 5.0,
        SECTION,
    )


def few_images(known: Known) -> Iterator[Advice]:
    """Advise the recipe for few images."""
    training = known.training
    if training is None or known.run.has_small_recipe or not 0 < training.images < FEW_IMAGES:
        return
    yield Advice(
        'Train with `--recipe small`: batch, learning rate, length and augmentation for few images.',
        f'{counted(training.images, "training image")}, with the settings for many',
        3.0,
        SECTION,
    )


def unlabeled_pixels(known: Known) -> Iterator[Advice]:
    """Advise to label pixels."""
    training = known.training
    if training is None or training.unlabeled is None or training.unlabeled < UNLABELED:
        return
    zero = ''
    if training.unit == 'pixels':
        zero = '; if label 0 of the masks is a class rather than no label, say so with `--label-zero class`'
    yield Advice(
        f'Label what is unlabeled, if it is one thing such as background: the model is free to predict anything '
        f'there{zero}.',
        f'{training.unlabeled:.0f}% of the training pixels have no class',
        0.0,
        SECTION,
    )


def other_image_sizes(known: Known) -> Iterator[Advice]:
    """Advise images of one size where those of training and testing differ."""
    sides = [_median_side(one) for one in (known.training, known.tested)]
    if None in sides:
        return
    training, tested = (side or 1.0 for side in sides)
    factor = max(training, tested) / min(training, tested)
    if factor >= OTHER_SIZE:
        larger = 'larger' if tested > training else 'smaller'
        tiles = known.facts is not None and known.facts.unit != 'images'
        advice = 'Train on images like those that are tested'
        advice += ', or cut both into tiles of the same scale with `--tile`.' if tiles else '.'
        yield Advice(
            advice,
            f'the median tested image has a shorter side of {tested:.0f} pixels, {factor:.1f} times {larger} than the '
            f'{training:.0f} of training, so that things come out in another size',
            0.0,
            SECTION,
        )


def _median_side(statistics: DataStatistics | None) -> float | None:
    if statistics is None or not len(statistics.sizes):
        return None
    return float(np.median(statistics.sizes.min(axis=1)))


RULES = (
    Rule('a tested image is almost the same as a training image', leaks, comes_first=True),
    Rule(
        f'predictions contradict {SUSPECTED_SHARE[0]:g} to {SUSPECTED_SHARE[1]:g}% of the labels strongly, and at '
        f'least {SUSPECTED_LEAST}; in segmentation one region in {SUSPECTED_REGIONS[0]:g} images to one in each; and '
        'the model is not too weak to judge labels',
        suspected_labels,
        comes_first=True,
    ),
    Rule(
        f'fewer than {FEW} examples of a class, or less than a {RARE}th of the median class; `--balance` if it draws '
        f'images of the rarest one at least {DRAWN_MORE:g} times as often',
        few_examples,
    ),
    Rule('a class without an example in the training data that the tested data have', absent_from_training),
    Rule('a class without an example in the tested data that the training data have', absent_from_test),
    Rule(
        f'a class has at least {FREQUENT:g}% of the examples in one of training and tested data, and '
        f'{OTHER_SHARE:g} times its share in the other',
        uneven_split,
    ),
    Rule(
        f'fewer than {PRETRAINED_UP_TO:,} training images, and random weights at the start, `--pretrained none` too',
        no_weights,
    ),
    Rule(f'fewer than {FEW_IMAGES:,} training images, and not `--recipe small`', few_images),
    Rule(f'at least {UNLABELED:g}% of the training pixels without a class', unlabeled_pixels),
    Rule(f'median sizes of training and tested images differ {OTHER_SIZE:g} times', other_image_sizes),
)
"""Rules about the data."""
