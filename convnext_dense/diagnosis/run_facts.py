"""Numbers about a run that was diagnosed, from which follows what to try next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FALLING = 0.05
"""Share by which the training loss falls from the third quarter to the last of a run that still learns."""
LEAST_VALIDATIONS = 4
"""Validations without which a curve tells nothing."""
SHORT = 300
"""Optimizer steps below which a run is short."""

Points = Sequence[tuple[int, float]]
"""Values by epoch or optimizer step, in ascending order."""


@dataclass(frozen=True)
class RunFacts:
    """What is known of the run; all of it may be missing.

    Attributes:
        metric: name of the main metric in the log.
        raw: the metric of the raw weights in percent, at each validation.
        ema: that of the averaged weights.
        losses: training loss by optimizer step.
        unit: what validations are counted by, ``'epoch'`` or ``'step'``.
        length: planned epochs or steps; None if it is unknown.
        steps_per_unit: optimizer steps of an epoch; 1 for steps.
        flags: flags of the commands that trained it, with their values, such as ``{'--recipe': 'small'}``.
        pretrained: whether it started from weights; None if that is unknown.
        learned_accuracy: mean share of pixels, in percent, that were right in the last tenth of the training, where a
            segmentor logs it.
        image_side: shorter side, in pixels, at which images enter the network in training; None if it is unknown.
        tile: side of the tiles in pixels of the image; None for whole images.
        label_smoothing: share of the target that was spread over all classes; None where it is no setting.
        mixes_images: whether training mixed images by Mixup or CutMix; None where it is no setting.
        averages: whether the run has averaged weights.
    """

    metric: str = ''
    raw: Points = ()
    ema: Points = ()
    losses: Points = ()
    unit: str = 'epoch'
    length: int | None = None
    steps_per_unit: float = 1.0
    flags: Mapping[str, str] = field(default_factory=dict)
    pretrained: bool | None = None
    learned_accuracy: float | None = None
    image_side: int | None = None
    tile: int | None = None
    label_smoothing: float | None = None
    mixes_images: bool | None = None
    averages: bool = False

    @property
    def watched(self) -> Points:
        """The curve with the higher best value."""
        return max((self.raw, self.ema), key=lambda points: max((value for _, value in points), default=-1.0))

    @property
    def has_small_recipe(self) -> bool:
        """Whether the run had the settings for few images."""
        return self.flags.get('--recipe') == 'small'

    @property
    def last_losses(self) -> tuple[float, float] | None:
        """The mean training loss of the third quarter of the run and of the last; None if either is unknown."""
        if not self.losses:
            return None
        end = self.losses[-1][0]
        before, after = self.mean_loss(end / 2, 3 * end / 4), self.mean_loss(3 * end / 4, end)
        return None if before is None or after is None else (before, after)

    @property
    def still_learns(self) -> bool:
        """Whether the training loss was still falling at the end, or the run is short, and no curve tells more."""
        if len(self.watched) >= LEAST_VALIDATIONS:  # which tell more
            return False
        if self.last_losses is None:
            return self.is_short
        before, after = self.last_losses
        return 0 < after <= (1 - FALLING) * before

    @property
    def is_short(self) -> bool:
        """Whether the run has so few optimizer steps that its losses don't tell whether it still learned."""
        return bool(self.losses) and self.last_losses is None and self.losses[-1][0] < SHORT

    def mean_loss(self, start: float, end: float) -> float | None:
        """Compute the mean training loss of optimizer steps after ``start`` up to ``end``; None without any."""
        values = [value for step, value in self.losses if start < step <= end]
        return sum(values) / len(values) if values else None


UNKNOWN = RunFacts()
"""Nothing is known of the run."""
