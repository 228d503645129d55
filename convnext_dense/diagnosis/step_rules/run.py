"""Rules about the run: its length, overfitting, averaged weights, validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...counting import counted
from ..run_facts import FALLING, LEAST_VALIDATIONS, SHORT, Points, RunFacts
from .base import Advice, Known, Rule

LATE = 0.75
"""Share of the run after which a curve should have come to rest."""
STILL_IMPROVING = 0.5
"""Points of the main metric that were gained after that, from which a run ended too early."""
LONG_BEFORE = 0.8
"""Share of the run before which the best result lies if the run overfits."""
DROPPED = 1.0
"""Points by which the metric fell since."""
EMA_BEHIND = 1.0
"""Points by which averaged weights are worse than raw ones."""
EASIER = 3.0
"""Percent points by which the accuracy on tested pixels exceeds that in training."""


class _Best(NamedTuple):
    place: int
    value: float


def _best(points: Points) -> _Best:
    """Return the first place of the highest value."""
    return _Best(*max(points, key=lambda point: (point[1], -point[0])))


def unfinished(known: Known) -> Iterator[Advice]:
    """Advise to continue a run that was interrupted."""
    run = known.run
    last = max((points[-1][0] for points in (run.raw, run.ema) if points), default=None)
    if last is None or run.length is None or last >= run.length or '--patience' in run.flags:
        return
    yield Advice(
        'Continue the run to its end: `--resume`.',
        f'the last validation is of {run.unit} {last:,} of {run.length:,}',
        1.0,
        'curves',
    )


def still_improving(known: Known) -> Iterator[Advice]:
    """Advise a longer run."""
    run = known.run
    points = run.watched
    if len(points) < LEAST_VALIDATIONS or (run.length is not None and points[-1][0] < run.length):
        return
    end = points[-1][0]
    before = [value for place, value in points if place <= LATE * end]
    best = _best(points)
    if not before or best.place < end:
        return
    gained = best.value - max(before)
    if gained >= STILL_IMPROVING:
        flag = f'`--epochs {2 * end}`' if run.unit == 'epoch' else f'`--iters {2 * end}`'
        yield Advice(
            f'Train longer: {flag}.',
            f'the last validation is the best, {best.value:.1f}, and {gained:.1f} points of it came in the last '
            'quarter of the run',
            gained,
            'curves',
        )


def still_learning(known: Known) -> Iterator[Advice]:
    """Advise a longer run where the training loss still falls, and too few validations tell more."""
    run = known.run
    if not run.still_learns or any(True for _ in unfinished(known)):
        return
    flag = ''
    if run.length is not None:
        flag = f': `--epochs {4 * run.length}`' if run.unit == 'epoch' else f': `--iters {4 * run.length}`'
    if run.last_losses is None:
        why, gain = f'the run has {counted(run.losses[-1][0], "optimizer step")}', 100.0
    else:
        before, after = run.last_losses
        why = 'the training loss was still falling at the end, from '
        why += f'{before:.3g} in the third quarter of the run to {after:.3g} in the last'
        gain = 100 * (1 - after / before)
    yield Advice(f'Train longer before you trust what follows{flag}.', why, gain, 'curves')


def overfitting(known: Known) -> Iterator[Advice]:
    """Advise against overfitting."""
    run = known.run
    points = run.watched
    if len(points) < LEAST_VALIDATIONS:
        return
    end, best = points[-1][0], _best(points)
    dropped = best.value - points[-1][1]
    if best.place > LONG_BEFORE * end or dropped < DROPPED or not _loss_fell(run, best.place, end):
        return
    options = []
    if '--patience' not in run.flags:
        options.append('stop in time with `--patience 5`')
    if not run.has_small_recipe:
        options.append('train with `--recipe small`')
    if '--freeze' not in run.flags and run.pretrained is not False:
        options.append('keep the weights that it starts from with `--freeze 2`')
    options.append('add training images or stronger augmentation')
    listed = ', or '.join(filter(None, (', '.join(options[:-1]), options[-1])))
    yield Advice(
        f'The run overfits: {listed}.',
        f'the best result, {best.value:.1f}, is of {run.unit} {best.place:,} of {end:,}; since then it fell by '
        f'{dropped:.1f} points, while the training loss went on falling',
        dropped,
        'curves',
    )


def _loss_fell(run: RunFacts, place: int, end: int) -> bool:
    """Whether the training loss of the last tenth is lower than that around the best validation."""
    scale, width = run.steps_per_unit, max(end / 10, 1)
    before, after = (
        run.mean_loss((place - width) * scale, place * scale),
        run.mean_loss((end - width) * scale, end * scale),
    )
    return before is not None and after is not None and after < before


def raw_is_better(known: Known) -> Iterator[Advice]:
    """Advise the raw weights, or a shorter average."""
    run = known.run
    if not run.raw or not run.ema:
        return
    raw, ema = run.raw[-1][1], run.ema[-1][1]
    if raw - ema < EMA_BEHIND:
        return
    small = '' if run.has_small_recipe else ', or train with `--recipe small`, which averages over fewer steps'
    take = (
        'Keep to the raw weights, which were tested'
        if known.weights == 'raw'
        else ('Take the raw weights with `--weights raw`')
    )
    yield Advice(
        f'{take}{small}: the average reaches back too far for this run.',
        f'at the end raw weights have {raw:.1f}, averaged ones {ema:.1f}',
        raw - ema,
        'curves',
    )


def no_validation(known: Known) -> Iterator[Advice]:
    """Advise validation in training."""
    run = known.run
    if run.losses and not run.raw and not run.ema:
        yield Advice(
            'Hold out images in training with `--val-split 0.2`: without validation there is no best.pth, and nobody '
            'sees when a run overfits.',
            'the run measured nothing while it trained',
            0.0,
            'curves',
        )


def easier_than_training(known: Known) -> Iterator[Advice]:
    """Advise milder augmentation where tested images are easier than training ones."""
    facts, learned = known.facts, known.run.learned_accuracy
    if facts is None or facts.pixel_accuracy is None or learned is None or facts.pixel_accuracy - learned < EASIER:
        return
    yield Advice(
        'Train longer, or with milder augmentation: the model has not yet learned its training data, as far as '
        'augmentation lets it.',
        f'{facts.pixel_accuracy:.1f}% of the tested pixels are right, and {learned:.1f}% of those in training',
        (facts.pixel_accuracy - learned) / 10,
        'curves',
    )


RULES = (
    Rule('the run was ended before its last epoch or step, and not by `--patience`', unfinished),
    Rule(
        f'the last validation is the best, and the last quarter of the run gained {STILL_IMPROVING:g} points',
        still_improving,
    ),
    Rule(
        f'the mean training loss of the last quarter of the run is {FALLING:.0%} or more below that of the quarter '
        f'before, or it has fewer than {SHORT} optimizer steps and too few logged losses to tell, and there are fewer '
        f'than {LEAST_VALIDATIONS} validations',
        still_learning,
        comes_first=True,
    ),
    Rule(
        f'the best validation is in the first {LONG_BEFORE:.0%} of the run, the metric fell by {DROPPED:g} points '
        'since, and so did the training loss',
        overfitting,
    ),
    Rule(f'at the end, raw weights are {EMA_BEHIND:g} points better than averaged ones', raw_is_better),
    Rule('no validation in training', no_validation),
    Rule(
        f'the accuracy of pixels is {EASIER:g} percent points higher in testing than in training, which segmentors '
        'alone log',
        easier_than_training,
    ),
)
"""Rules about the run."""
