"""Content of a checkpoint file: only plain values and tensors, so that reading it runs no code."""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from mmengine.utils import apply_to
from torch import Tensor


class RunFacts(TypedDict):
    """Facts about a run that determine its remaining steps."""

    seed: int
    sampler_seed: int
    total_batch: int
    """Images per optimizer step."""
    images: int
    """Training images, or their tiles."""
    tiles: str | None
    """The flags of the tiles that images are cut into, such as ``'--tile 640 ...'``; None for whole images."""
    objects: int | None
    """What the training images have of each class, in all; None if their data sets do not count it."""
    steps: int
    """Optimizer steps of the whole run."""
    plan: str
    """Composition of the total batch."""
    label_zero: str | None
    """What label 0 of the masks means, ``'ignore'`` or ``'class'``; None without masks."""
    class_choice: str | None
    """The flags that choose classes of the data; None for all."""
    balance: str | None
    """The flags by which classes are balanced; None for every sample once in an epoch."""
    frozen: list[str]
    """The largest parts of the model that are frozen."""
    split: str | None
    """The flags that split the data set, such as ``'--val-split 0.2'``; None without any."""
    split_names: str | None
    """The digest of the names of the images of both parts; None without a split."""


class Meta(TypedDict, total=False):
    """Facts about a checkpoint."""

    epoch: int
    """Completed epochs."""
    iter: int
    """Completed optimizer steps."""
    run: RunFacts
    experiment_name: str
    time: str
    """Local time of writing, ``2025-01-31 12:00:00``."""
    convnext_dense: str
    """Version of this package that wrote the file; it marks our own weights for :mod:`..weights.extraction`."""
    cfg: str
    """The config's text, for reading only; never executed."""
    final_norm_eps: float | None
    """As the next three, an argument of :class:`~convnext_dense.models.ConvNeXt`; None for other backbones."""
    norm_eps: float | None
    activation: str | None
    norm: str | None
    pretrained: dict[str, str | None] | None
    """``source`` and ``license`` of the weights of others that the run started from; None if from random ones."""
    preprocessing: dict[str, Any] | None
    """How images are prepared, as :class:`~convnext_dense.weights.preprocessing.Preprocessing` has it."""
    lora: dict[str, Any] | None
    """Settings of the LoRA adapters in the weights, see :class:`~convnext_dense.models.lora.LoraSettings`."""
    dataset_meta: dict[str, Any]
    """``classes`` and more."""


class Checkpoint(TypedDict, total=False):
    """Content of a checkpoint. ``best.pth`` lacks the last three keys; weights from elsewhere have other keys."""

    meta: Meta
    state_dict: dict[str, Tensor]
    """The raw weights."""
    ema_state_dict: dict[str, Tensor]
    """The weights' moving average, if the run has an EMA."""
    runtime_info: dict[str, Any]
    """mmengine's message hub, with ``best_score``, ``skipped_steps``, ``early_stopping`` and more."""
    log_scalars: dict[str, list[float]]
    """Recent training values, for the running means in the log."""
    remembered: list[dict[str, Any]]
    """What parts of the model remember outside their weights, for each process; absent if they remember nothing."""
    optimizer: dict[str, Any]
    """State of the optimizer wrapper."""
    param_schedulers: list[dict[str, Any]]
    """State of each scheduler; only its progress is restored, see :func:`.resume.restore_schedulers`."""


VALIDATED_STEP = 'step_of_validation'
"""Key in ``runtime_info``: the step of the last validation whose results the state includes."""
RESUMABLE = ('meta', 'optimizer', 'param_schedulers', 'runtime_info')
"""Keys that a checkpoint needs for its run to be resumed."""


def to_cpu(content: Any) -> Any:
    """Move all tensors in nested containers to the CPU."""
    return apply_to(content, lambda x: isinstance(x, torch.Tensor), lambda x: x.detach().cpu())


def plain(value: Any) -> Any:
    """Reduce a value to what ``torch.load(weights_only=True)`` reads: plain values and containers of them.

    Other values are dropped. Keys stay numbers, strings or None; other keys become strings.
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
