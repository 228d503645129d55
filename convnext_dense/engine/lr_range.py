"""Learning rate range test: training with a learning rate that grows in every step, and what its losses tell.

After L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017 (arXiv:1506.01186), with the
exponential growth, the bias-corrected smoothing and the stop at four times the best loss of S. Gugger, "How Do You
Find A Good Learning Rate" (2018) and fastai.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ..errors import UserError
from ..registry import LOOPS
from .non_finite import NonFiniteGuard
from .train_loop import TrainLoop

LEAST_STEPS = 20
"""Steps with which a curve can be read."""
BETA = 0.9
"""Weight of the earlier losses in the moving average."""
DIVERGED = 4.0
"""Factor on the best smoothed loss, above which training has diverged."""
WIDTH = 0.03
"""Standard deviation of the window for smoothing, as a share of the steps."""
LEAST_DROP = 0.02
"""Share of the first loss by which it must come down, to tell a descent from noise."""
NOISE = 1.5
"""Standard deviations of the losses around the smoothed ones, by which the same."""
WITHIN = (0.1, 0.9)
"""Shares of the whole descent between which it is searched for the steepest place."""
DECADES = 2
"""Powers of ten below the minimum, in which the same: what falls before them is more likely noise."""


class Step(NamedTuple):
    """A step of the ramp."""

    lr: float
    """Learning rate in the config's terms, for the total batch that its own is for."""
    loss: float
    """Mean loss of the step's images, before the step; not finite if the ramp ended with it."""


class Suggestion(NamedTuple):
    """What a curve tells."""

    steepest: float
    """Where the smoothed loss falls fastest over the logarithm of the learning rate: the suggested one."""
    at_minimum: float
    """Where the smoothed loss is least."""
    still_falling: bool
    """The smoothed loss was least at the end of the ramp."""

    @property
    def cautious(self) -> float:
        """A tenth of the one at the minimum, the other common choice."""
        return self.at_minimum / 10


def ramp(start: float, end: float, steps: int) -> list[float]:
    """Return learning rates that grow by the same factor in each step, from ``start`` to ``end``."""
    return [start * (end / start) ** (i / (steps - 1)) for i in range(steps)]


def smoothed_forward(losses: Sequence[float]) -> np.ndarray:
    """Return the exponential moving average up to each step, with the correction of its bias towards 0."""
    average, found = 0.0, []
    for number, loss in enumerate(losses, start=1):
        average = BETA * average + (1 - BETA) * loss
        found.append(average / (1 - BETA**number))
    return np.array(found)


def smooth(losses: Sequence[float]) -> np.ndarray:
    """Return averages around each step, weighted by a normal distribution of :data:`WIDTH` of the steps.

    Unlike a moving average of the past, they are late nowhere. Losses above :func:`ceiling` count as that much, so
    that where training diverges does not hide what was before.
    """
    values = np.minimum(np.asarray(losses, float), ceiling(losses))
    places = np.arange(len(values))
    distances = (places[:, None] - places[None]) / max(1.0, WIDTH * len(values))
    weights = np.exp(-(distances**2) / 2)
    averages: np.ndarray = weights @ values / weights.sum(1)
    return averages


def ceiling(losses: Sequence[float]) -> float:
    """Return the loss as far above those of the first fifth of the steps as the least one is below them."""
    first = np.asarray(losses[: max(1, len(losses) // 5)], float)
    return float(max(2 * first.mean() - min(losses), first.max()))


def has_diverged(losses: Sequence[float]) -> bool:
    """Tell whether training has diverged: the moving average is above four times its least value."""
    averages = smoothed_forward(losses)
    best = averages.min()
    return bool(averages[-1] > best + (DIVERGED - 1) * abs(best))


def suggest(steps: Sequence[Step]) -> Suggestion | None:
    """Suggest a learning rate by a curve, or return None if it has no clear descent.

    It is the one where the loss falls fastest (fastai's ``steep``), no more than a hundred times below its minimum. A
    tenth of the one where it is least (fastai's ``minimum``) is the more cautious choice.

    Args:
        steps: the ramp, whose non-finite losses are left out.
    """
    kept = [step for step in steps if math.isfinite(step.loss)]
    if len(kept) < LEAST_STEPS // 2:
        return None
    losses, logs = np.array([step.loss for step in kept]), np.log10([step.lr for step in kept])
    curve = smooth(losses.tolist())
    lowest = int(curve.argmin())
    first = float(curve[: max(1, len(curve) // 10)].mean())
    drop = first - float(curve[lowest])
    calm = slice(0, lowest + 1)  # where it diverges, the losses differ most
    noise = float(np.std(losses[calm] - curve[calm]))
    if lowest < 2 or drop < LEAST_DROP * abs(first) or drop < NOISE * noise:
        return None
    slopes = np.gradient(curve[: lowest + 1], logs[: lowest + 1])
    down = (first - curve[: lowest + 1]) / drop
    near = logs[: lowest + 1] >= logs[lowest] - DECADES
    inside = np.flatnonzero((down >= WITHIN[0]) & (down <= WITHIN[1]) & near)
    places = inside if len(inside) else np.arange(lowest + 1)
    steepest = float(10 ** logs[places[slopes[places].argmin()]])
    minimum = float(10 ** logs[lowest])
    return Suggestion(steepest, minimum, still_falling=lowest == len(curve) - 1)


@LOOPS.register_module()
class LrRangeLoop(TrainLoop):
    """Train loop whose learning rate grows exponentially from step to step, until training diverges.

    Layer-wise decay and other factors of parameter groups keep their proportions. Steps are those of
    :class:`.train_loop.TrainLoop`.

    Args:
        lr_start, lr_end: the learning rates of the first and the last step, in the config's terms.

    Attributes:
        curve: the steps that were taken.
        own_lr: the config's learning rate.
        ended: why the ramp ended before its last step; None if it did not.
    """

    def __init__(self, *args: Any, lr_start: float, lr_end: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lrs = ramp(lr_start, lr_end, self.max_iters)
        self.curve: list[Step] = []
        self.own_lr = math.nan
        self.ended: str | None = None
        self.non_finite = NonFiniteGuard(self.runner, skip=2)  # the first one ends the ramp
        self._bases: list[float] = []
        self._loss = math.nan

    def run_iter(self, idx: int, data_batch: Iterator[dict]) -> bool:
        """Run one optimizer step with its learning rate.

        Raises:
            UserError: if the loss or gradient of the first step is not finite.
        """
        optimizer = self.runner.optim_wrapper.optimizer
        if not self._bases:
            self._bases, self.own_lr = [group['lr'] for group in optimizer.param_groups], optimizer.defaults['lr']
        lr = self.lrs[self.iter]
        for group, base in zip(optimizer.param_groups, self._bases, strict=True):
            group['lr'] = base * lr / self.own_lr
        stop = super().run_iter(idx, data_batch)
        taken = self.last_step.taken
        self.curve.append(Step(lr, self._loss if taken else math.nan))
        if not taken and len(self.curve) == 1:
            raise UserError(
                f'the loss or its gradient is not finite at the first step, whose learning rate of {lr:g} can not be '
                'why: check the data with check-data, or train in float32 with --amp off'
            )
        losses = [step.loss for step in self.curve]
        if not taken:
            self.ended = 'the loss or its gradient was not finite'
        elif len(losses) > self.max_iters // 10 and has_diverged(losses):
            self.ended = f'the loss was above {DIVERGED:g} times its best'
        self.stop_training = self.ended is not None
        return stop

    def _reduce_losses(self, losses: dict[str, Tensor], norm: Tensor) -> tuple[dict[str, Tensor], Tensor, bool]:
        reduced = super()._reduce_losses(losses, norm)
        self._loss = float(reduced[0]['loss'])
        return reduced
