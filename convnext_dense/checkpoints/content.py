"""The content of a checkpoint file: plain values and tensors, so that reading it runs nothing."""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from mmengine.utils import apply_to
from torch import Tensor


class RunFacts(TypedDict):
    """Facts about a run that decide what its remaining steps do."""

    seed: int
    sampler_seed: int
    total_batch: int
    """Images per optimizer step."""
    images: int
    """Training images."""
    steps: int
    """Optimizer steps of the whole run."""
    plan: str
    """How the total batch is reached."""


class Meta(TypedDict, total=False):
    """Facts about a checkpoint. One more key, ``convnext_dense``, is the version of this package that trained it."""

    epoch: int
    """Epochs done."""
    iter: int
    """Optimizer steps done."""
    run: RunFacts
    experiment_name: str
    time: str
    """Local time of writing, ``2025-01-31 12:00:00``."""
    cfg: str
    """The config's text, for people; it is never executed."""
    final_norm_eps: float | None
    dataset_meta: dict[str, Any]
    """``classes`` and more."""


class Checkpoint(TypedDict, total=False):
    """All that a checkpoint holds. ``best.pth`` is without the last two; weights from elsewhere have other keys."""

    meta: Meta
    state_dict: dict[str, Tensor]
    """The raw weights."""
    ema_state_dict: dict[str, Tensor]
    """Their moving average, where the run has an EMA."""
    runtime_info: dict[str, Any]
    """mmengine's message hub, with ``best_score`` and ``skipped_steps``."""
    log_scalars: dict[str, list[float]]
    """The last training numbers, over which the log takes means."""
    optimizer: dict[str, Any]
    """State of the optimizer wrapper."""
    param_schedulers: list[dict[str, Any]]
    """State of each scheduler; only what moves is read back, see :func:`.resume.restore_schedulers`."""


RESUMABLE = ('meta', 'optimizer', 'param_schedulers', 'runtime_info')
"""Keys that a checkpoint must have for its run to continue."""


def to_cpu(content: Any) -> Any:
    """Move all tensors in nested containers to the CPU."""
    return apply_to(content, lambda x: isinstance(x, torch.Tensor), lambda x: x.detach().cpu())


def plain(value: Any) -> Any:
    """Keep what ``torch.load(weights_only=True)`` reads back: plain values and containers of them.

    Keys that are numbers stay numbers; all but plain ones become text.
    """
    if isinstance(value, dict):
        return {k if _is_plain_key(k) else str(k): plain(v) for k, v in value.items() if _is_plain(v)}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value if _is_plain(v)]
    return float(value) if isinstance(value, float) else value  # numpy's float64 is a float, too


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | dict | list | tuple)


def _is_plain_key(key: Any) -> bool:
    return type(key) in (str, int, float, bool, type(None))
