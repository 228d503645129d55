"""No change: the private names of mmengine that this package reads, sets or overrides, all in one place.

Written for mmengine 0.10.12 (onedl-mmengine); a test fails when one of them is gone.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal

import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

OVERRIDDEN_BY_RUNNER = ('_init_model_weights', '_log_env')
"""Methods of mmengine's Runner that ours overrides."""
OVERRIDDEN_BY_BACKEND = ('_init_env',)
"""Methods of a visualization backend that ours overrides; ``_env_initialized`` is True after the call."""
SCHEDULER_PROGRESS = ('last_step', '_global_step', '_last_value', 'best', 'num_bad_epochs', 'cooldown_counter')
"""Entries of a parameter scheduler's ``state_dict`` that change during a run; all others come from its config."""


# -- the runner


def loop_or_config(runner: Runner, mode: Literal['train', 'val', 'test']) -> BaseLoop | dict | None:
    """Return a loop, or its config if it is not built yet; ``runner.train_loop`` and ``runner.test_loop`` build it."""
    return getattr(runner, f'_{mode}_loop')


def has_loaded(runner: Runner) -> bool:
    """Check whether the model's weights are already loaded, so that training does not load them again."""
    return runner._has_loaded


def set_loaded(runner: Runner) -> None:
    """Mark the model's weights as loaded."""
    runner._has_loaded = True


def resume_setting(runner: Runner) -> bool | str:
    """Return the config's ``resume``: True, False or ``'auto'``."""
    return runner._resume


def checkpoint_setting(runner: Runner) -> str | None:
    """Return the config's ``load_from``: the checkpoint to load, or, with ``resume``, to resume from."""
    return runner._load_from


def set_checkpoint_to_resume(runner: Runner, path: str | None) -> None:
    """Resume from this checkpoint; None starts a new run."""
    runner._load_from, runner._resume = path, path is not None


def seeds_differ_between_processes(runner: Runner) -> bool:
    """Check whether each process adds its rank to the seed (``randomness.diff_rank_seed``)."""
    return runner._randomness_cfg.get('diff_rank_seed', False)


# -- the train loop


def set_progress(loop: EpochBasedTrainLoop, epoch: int, iteration: int) -> None:
    """Set the number of epochs and iterations that the loop has completed."""
    loop._epoch, loop._iter = epoch, iteration


def set_max_iters(loop: EpochBasedTrainLoop, max_iters: int) -> None:
    """Set the number of iterations of the run, which mmengine computes from whole epochs."""
    loop._max_iters = max_iters


def set_val_interval(loop: EpochBasedTrainLoop, done: int) -> None:
    """Set the loop's ``val_interval`` to that of its ``dynamic_intervals`` after ``done`` epochs or iterations."""
    position = bisect.bisect(loop.dynamic_milestones, done + 1)
    loop.val_interval = loop.dynamic_intervals[position - 1]


# -- the optimizer wrapper


def accumulation_of(wrapper: OptimWrapper) -> int:
    """Return the ``accumulative_counts`` with which a wrapper was built."""
    return wrapper._accumulative_counts


def set_accumulation(wrapper: OptimWrapper, model: Any, batches: int, done: int, total: int) -> None:
    """Make the wrapper divide each loss by the batches per step and synchronize gradients in a step's last batch.

    Args:
        wrapper: the optimizer wrapper.
        model: the trained model.
        batches: batches per optimizer step.
        done: batches completed so far.
        total: batches in the whole run.
    """
    wrapper._accumulative_counts = batches
    wrapper.initialize_count_status(model, done, total)


# -- parameter schedulers


def optimizer_of_groups(groups: list[dict[str, Any]]) -> Any:
    """Return an object that is to a scheduler like an optimizer with these parameter groups."""
    return SimpleNamespace(param_groups=groups, step=SimpleNamespace(_with_counter=True), _global_step=0)


# -- a visualization backend


def environment_is_initialized(backend: Any) -> bool:
    """Check whether the backend's ``_init_env`` was called."""
    return backend._env_initialized


def set_environment_initialized(backend: Any) -> None:
    """Mark the backend's ``_init_env`` as called."""
    backend._env_initialized = True


# -- the preprocessor of images


def swaps_channels(preprocessor: ImgDataPreprocessor) -> bool:
    """Check whether a preprocessor turns BGR into RGB, or the other way."""
    return preprocessor._channel_conversion


def set_normalization(preprocessor: ImgDataPreprocessor, mean: Sequence[float], std: Sequence[float]) -> None:
    """Have a preprocessor normalize with a mean and std per channel, of which mmengine itself takes one or three."""
    for name, values in (('mean', mean), ('std', std)):
        preprocessor.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(-1, 1, 1), False)
    preprocessor._enable_normalize = True


def normalizes(preprocessor: ImgDataPreprocessor) -> bool:
    """Check whether a preprocessor subtracts a mean and divides by a standard deviation."""
    return preprocessor._enable_normalize
