"""The rule of ``--recipe small``: batch, lr, warm-up, span of the EMA and length from the number of training images.

The recipes of the papers are for a million images: batches of 4096, an average over 10,000 steps, 160,000 steps. On a
few hundred images a run by them has a handful of steps. The rule gives as many steps as a model needs, and takes the
rest from them:

- batch: the largest power of two of which an epoch has at least eight, from 8 to 32, and never more than the config's.
  Small batches make more steps of the same images (arXiv 1804.07612).
- lr: the config's, in proportion to the square root of the batch as for Adam (arXiv 2205.10287), for SGD to the batch
  (arXiv 1706.02677); for Adam times a factor of the task, up to 0.001, which ``benchmarks/small_recipe.py`` measures;
  not for models with queries, which are sensitive to it.
- warm-up: a tenth of the run, if the config has one; ConvNeXt's is 20 of 300 epochs.
- EMA: an average over the last tenth of the run, if the config has one; ConvNeXt's is over 10,000 of 94,000 steps
  (arXiv 2201.03545). As an average over a share of the run it fits any batch (arXiv 2307.13813).
- length: at least 1,000 steps, as BiT's rule has at least 500 steps of larger batches for small data sets
  (arXiv 1912.11370); and where the config counts steps, no more than 100 passes over the images beyond that.

Augmentation is milder: see :meth:`~convnext_dense.tasks.Task.mild_augmentation`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

SMALLEST_BATCH, LARGEST_BATCH = 8, 32
BATCHES_PER_EPOCH = 8
"""Batches of an epoch at least, above the smallest batch."""
WARM_UP_SHARE = 0.1
"""Share of the run that its warm-up takes."""
LEAST_WARM_UP = 2
"""Steps of a warm-up at least: :func:`~convnext_dense.engine.schedule.fit_schedule` leaves out a shorter one."""
EMA_SHARE = 0.1
"""Share of the run that the moving average of the weights is over."""
LARGEST_MOMENTUM = 0.5
LARGEST_RAISED_LR = 1e-3
"""The lr up to which the factor of a task raises that of a config."""
LEAST_STEPS = 1000
"""Optimizer steps of a run at least, unless its length is given."""
MOST_PASSES = 100
"""Passes over the images at most, of a run of more steps than :data:`LEAST_STEPS` whose config counts steps."""
VALIDATIONS = 10
"""Validations and checkpoints of a run whose config counts steps, at least."""
MANY_IMAGES = 20_000
"""Training images above which the rule is of no use: BiT's limit of a small data set."""


class Length(NamedTuple):
    """Length of a run."""

    number: int
    in_steps: bool
    """True for optimizer steps, False for epochs."""

    def __str__(self) -> str:
        unit = 'step' if self.in_steps else 'epoch'
        return f'{self.number:,} {unit}{"s" if self.number > 1 else ""}'


def batch_of(images: int, own: int) -> int:
    """Return the total batch for a number of training images.

    Args:
        images: the training images.
        own: the total batch of the config, which is never exceeded.
    """
    most = max(images // BATCHES_PER_EPOCH, 1)
    power: int = 2 ** int(math.log2(most))
    return max(1, min(own, images, max(SMALLEST_BATCH, min(LARGEST_BATCH, power))))


def length_of(images: int, steps_per_epoch: int, own: Length) -> Length:
    """Return the length of a run.

    Args:
        images: the training images.
        steps_per_epoch: optimizer steps of an epoch, at least 1.
        own: the config's length.
    """
    if own.in_steps:
        return Length(min(own.number, max(LEAST_STEPS, MOST_PASSES * steps_per_epoch)), True)
    return Length(max(own.number, math.ceil(LEAST_STEPS / steps_per_epoch)), False)


def ema_momentum(steps: int) -> float:
    """Return the momentum of a moving average over the last :data:`EMA_SHARE` of a run of so many steps."""
    return float(f'{min(LARGEST_MOMENTUM, 1 / (EMA_SHARE * steps)):.3g}')
