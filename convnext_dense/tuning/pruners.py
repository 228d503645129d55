"""What ends bad trials early. Imports optuna only when a pruner is made, so that the parser can name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

Pruner = Literal['median', 'hyperband', 'none']
PRUNERS: tuple[Pruner, ...] = get_args(Pruner)
STARTUP_TRIALS = 5
"""Trials that are drawn at random, or given, before the sampler learns from them and the pruner compares with them."""
WARM_UP_SHARE = 0.2
"""Share of a trial's validations in which the median pruner does not compare it."""


def make_pruner(name: Pruner, validations: int) -> BasePruner:
    """Make a pruner, in whose steps a trial has as many as validations; one that ends none if there is one alone."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if name == 'none' or validations < 2:
        return NopPruner()
    if name == 'hyperband':
        return HyperbandPruner(min_resource=1, max_resource=validations, reduction_factor=3)
    warm_up = max(1, round(WARM_UP_SHARE * validations))
    return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=warm_up + 1)
