"""Rules about what the model does wrong: kinds of errors, sizes of objects, confused classes, scores."""

from __future__ import annotations

from collections.abc import Iterator

from ...io.image_size import TOTAL_STRIDE
from ..run_facts import RunFacts
from .base import Advice, Known, Rule

WORSE_BY = 10.0
"""Points of AP by which objects of a size are worse than medium ones."""
MANY_SMALL, MANY_LARGE = 25.0, 10.0
"""Percent of the objects from which small ones and large ones are many."""
COSTLY = 3.0
"""Points of AP50 from which a kind of errors is costly."""
CONFUSED_SHARE, CONFUSED_TIMES = 20.0, 5
"""Percent of a class, and times, from which it is confused with another one."""
TOO_SURE = 5.0
"""Percent points by which confidence exceeds accuracy from which a model is too sure."""
SMOOTHING = 0.1
"""Label smoothing that is advised where there is less."""
NOT_SURE = 15.0
"""Percent points by which confidence is below accuracy from which scores are too low."""
WIDE = 10.0
"""Points between the bounds of the main metric's interval from which it is wide."""
BOUNDARY_BEHIND = 15.0
"""Points by which the boundary F1 is lower than the mIoU."""
LARGEST_SIDE = 2048
"""Pixels of the largest image size that is advised."""


def _larger_input(run: RunFacts, known: Known) -> str:
    """Name flags that show the network more pixels of each object."""
    tested = known.tested if known.tested is not None else known.training
    size = None if tested is None else tested.median_size
    side = None if run.image_side is None else max(round(run.image_side / TOTAL_STRIDE), 1) * TOTAL_STRIDE
    if run.tile is not None:
        return f'smaller tiles that are enlarged: `--tile {max(run.tile // 2, 32)} --image-size {run.tile} {run.tile}`'
    if size is not None and side is not None and min(size) > 1.5 * side:
        return f"tiles at the images' own size: `--tile {side}`"
    if side is not None:
        larger = min(2 * side, max(LARGEST_SIDE, side))
        return f'larger images: `--image-size {larger} {larger}`'
    return 'larger images with `--image-size`, or tiles with `--tile`'


def _size_gap(known: Known, name: str, many: float) -> tuple[float, float, float, float] | None:
    """Return share and AP of a size of objects, the AP of medium ones, and the points that the gap may cost."""
    facts = known.facts
    sizes = {} if facts is None else facts.sizes
    own, medium = sizes.get(name), sizes.get('medium')
    if own is None or medium is None or own.metric is None or medium.metric is None or own.share < many:
        return None
    behind = medium.metric - own.metric
    return (own.share, own.metric, medium.metric, own.share / 100 * behind) if behind >= WORSE_BY else None


def small_objects(known: Known) -> Iterator[Advice]:
    """Advise more pixels for small objects."""
    gap = _size_gap(known, 'small', MANY_SMALL)
    if gap is None or known.facts is None:
        return
    share, own, medium, gain = gap
    yield Advice(
        f'Show the network small objects larger, by {_larger_input(known.run, known)}.',
        f'{share:.0f}% of the objects are small (under 32 x 32 pixels), with an AP of {own:.1f}; medium ones have '
        f'{medium:.1f}',
        gain,
        'precision',
    )


def large_objects(known: Known) -> Iterator[Advice]:
    """Advise to show large objects as a whole, or more of them."""
    gap = _size_gap(known, 'large', MANY_LARGE)
    if gap is None or known.facts is None:
        return
    share, own, medium, gain = gap
    if known.run.tile is not None:
        advice = (
            f'Take tiles that hold large objects: `--tile {2 * known.run.tile}`, and `--whole-image` for prediction.'
        )
    else:
        advice = 'Add training images with large objects, and check that boxes go around all of an object.'
    yield Advice(
        advice,
        f'{share:.0f}% of the objects are large (over 96 x 96 pixels), with an AP of {own:.1f}; medium ones have '
        f'{medium:.1f}',
        gain,
        'precision',
    )


def costliest_errors(known: Known) -> Iterator[Advice]:
    """Advise against the kind of errors that costs most."""
    costs = {} if known.facts is None else known.facts.error_costs
    if not costs or known.facts is None:
        return
    kind = max(costs, key=lambda one: costs[one])
    if costs[kind] < COSTLY:
        return
    score = known.facts.best_score
    from_score = '' if score is None else f' (now {score:.2f})'
    words, advice = {
        'class': (
            'objects that are found with the wrong class',
            'Give more examples of the classes that are taken for each other, and check their labels.',
        ),
        'location': (
            'boxes that lie badly',
            'Train longer (`--epochs`); if boxes still lie badly once the training loss no longer falls, check that '
            'they are drawn tightly and alike by all annotators.'
            if known.run.still_learns
            else 'Check that boxes are drawn tightly and alike by all annotators; then train on larger images '
            '(`--image-size`).',
        ),
        'both': (
            'boxes that lie badly and have the wrong class',
            'Train longer with `--epochs`'
            + (': ' if known.run.pretrained else ', from better weights with `--pretrained`: ')
            + 'position and class are both uncertain.',
        ),
        'duplicate': (
            'second boxes on one object',
            'Remove second boxes: lower the IoU threshold of non-maximum suppression in `model.test_cfg` with '
            '`--cfg-options`.',
        ),
        'background': (
            'detections where nothing is annotated',
            'Look at the false detections: annotate objects that were forgotten, add training images without objects '
            f'that look like the others, and keep detections from the best score on: `--score best`{from_score}.',
        ),
        'missed': (
            'objects that are not found',
            'Add training images with objects like those that are missed, and show objects larger, by '
            f'{_larger_input(known.run, known)}.',
        ),
    }[kind]
    number = known.facts.error_counts.get(kind)
    times = '' if not number else f'{number:,} '
    yield Advice(advice, f'{times}{words} cost {costs[kind]:.1f} points of AP50', costs[kind], 'errors')


def confused_classes(known: Known) -> Iterator[Advice]:
    """Advise to look at two classes that are taken for each other."""
    facts = known.facts
    if facts is None:
        return
    found = [one for one in facts.confusions if one.share_of_class >= CONFUSED_SHARE and one.times >= CONFUSED_TIMES]
    if not found:
        return
    one = max(found, key=lambda pair: pair.share_of_errors)
    lost = 0.0 if facts.value is None else (100 - facts.value) * one.share_of_errors / 100
    unit = 'pixels' if facts.pixel_accuracy is not None else facts.unit
    noun = unit[:-1] if one.times == 1 else unit
    yield Advice(
        f'Look at the labels of {one.true!r} and {one.predicted!r}, and give more examples that tell them apart; if '
        f'the difference does not matter, join them: `{_merge(one.true, one.predicted)}`.',
        f'{one.times:,} {noun} ({one.share_of_class:.0f}% of {one.true!r}) are taken for {one.predicted!r}: '
        f'{one.share_of_errors:.0f}% of all confusions',
        lost,
        'confusions',
    )


def _merge(one: str, other: str) -> str:
    """Write the flag that joins two classes."""
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',">') else name for name in (one, other)]
    text = f'{names[0]},{names[1]}->{names[0]}'
    return "--merge '" + text.replace("'", "'\\''") + "'"


def too_sure(known: Known) -> Iterator[Advice]:
    """Advise against scores that are too high."""
    facts = known.facts
    if facts is None or facts.overconfidence is None or facts.overconfidence < TOO_SURE:
        return
    run, options = known.run, []
    if known.weights == 'raw' and run.averages:
        options.append('test the averaged weights with `--weights ema`')
    if run.label_smoothing is not None and run.label_smoothing < SMOOTHING:
        options.append(f'train with label smoothing (`--cfg-options model.label_smoothing={SMOOTHING:g}`)')
    if run.mixes_images is False and not run.has_small_recipe:
        options.append('train with mixed images (`model.mixup`)')
    options.append('train for fewer epochs, with more images or with stronger augmentation')
    yield Advice(
        f'Do not take the scores for probabilities as they are: {", or ".join(options)}.',
        f'the model is too sure: its scores are {facts.overconfidence:.1f} percent points above its accuracy',
        0.0,
        'calibration',
    )


def not_sure(known: Known) -> Iterator[Advice]:
    """Advise against scores that are too low."""
    facts = known.facts
    if facts is None or facts.overconfidence is None or facts.overconfidence > -NOT_SURE:
        return
    mixes = known.run.mixes_images is not False
    without = ' or one without mixed images (`--without mixup cutmix`) raises them' if mixes else ' raises them'
    yield Advice(
        'Take the class with the highest score rather than one above a fixed threshold: the scores are too low. '
        f'A longer run (`--epochs`){without}.',
        f'the model is not sure enough: its scores are {-facts.overconfidence:.1f} percent points below its accuracy',
        0.0,
        'calibration',
    )


def wide_interval(known: Known) -> Iterator[Advice]:
    """Advise more test images."""
    facts = known.facts
    if facts is None or facts.low is None or facts.high is None or facts.high - facts.low < WIDE:
        return
    yield Advice(
        'Test on more images before you decide between models: four times as many halve the interval.',
        f'the {facts.metric} of {facts.value:.1f} may as well be {facts.low:.1f} or {facts.high:.1f} on other images '
        f'(95% interval, {facts.images:,} tested)',
        0.0,
        'results',
    )


def weak_boundaries(known: Known) -> Iterator[Advice]:
    """Advise finer predictions."""
    facts = known.facts
    if facts is None or facts.boundary is None or facts.value is None:
        return
    behind = facts.value - facts.boundary
    if behind >= BOUNDARY_BEHIND:
        yield Advice(
            f'Predict finer edges, by {_larger_input(known.run, known)}.',
            f'edges are worse than areas: boundary F1 {facts.boundary:.1f}, mIoU {facts.value:.1f}',
            behind / 10,
            'classes',
        )


RULES = (
    Rule(
        f'at least {MANY_SMALL:g}% of the objects are small, and their AP is {WORSE_BY:g} points below medium ones',
        small_objects,
    ),
    Rule(
        f'at least {MANY_LARGE:g}% of the objects are large, and their AP is {WORSE_BY:g} points below medium ones',
        large_objects,
    ),
    Rule(f'the kind of errors that costs most, if it costs {COSTLY:g} points of AP50', costliest_errors),
    Rule(
        f'{CONFUSED_SHARE:g}% of a class, and at least {CONFUSED_TIMES}, are taken for another one', confused_classes
    ),
    Rule(f'scores are {TOO_SURE:g} percent points above the accuracy', too_sure),
    Rule(f'scores are {NOT_SURE:g} percent points below the accuracy', not_sure),
    Rule(f'the interval of the main metric spans {WIDE:g} points', wide_interval),
    Rule(f'the boundary F1 is {BOUNDARY_BEHIND:g} points below the mIoU', weak_boundaries),
)
"""Rules about the model."""
