"""Validation and test loops that evaluate the raw weights and their moving average."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.runner import TestLoop as MMTestLoop
from mmengine.runner import ValLoop as MMValLoop
from mmengine.runner.amp import autocast

from ..compat import mmengine_private_names as internals
from ..errors import UserError
from ..evaluation.metric_values import plain_numbers
from ..registry import LOOPS
from .hooks.ema import EMA
from .hooks.feature_probe import FeatureProbe
from .hooks.progress import ProgressBar
from .tiled_evaluation import TiledEvaluation


class _EvaluatesEMA:
    """Mixin that evaluates the raw weights and, if there is one, their moving average.

    Metrics are named ``raw/...`` and ``ema/...``, and are numbers: a metric's other values are left out, which is
    logged once.

    Args:
        weights: ``'raw'``, ``'ema'``, or None for both.

    Attributes:
        per_class: metrics of each class by kind of weights, if the metric has them: ``{'raw': {class name: {metric
            name: value}}}``.
    """

    runner: Any
    dataloader: Any
    evaluator: Any
    fp16: bool
    run_iter: Callable[[int, dict], None]

    def __init__(self, *args: object, weights: str | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.weights = weights
        self.per_class: dict[str, dict[str, dict[str, float]]] = {}
        self._dropped: set[str] = set()  # metrics that are not numbers, which are reported once

    def _run(self, mode: str) -> dict[str, float]:
        self.runner.call_hook(f'before_{mode}')
        self.runner.call_hook(f'before_{mode}_epoch')
        metrics = self._evaluate(mode)
        self.runner.call_hook(f'after_{mode}_epoch', metrics=metrics)
        self.runner.call_hook(f'after_{mode}')
        return metrics

    @property
    def tested_weights(self) -> list[Literal['raw', 'ema']]:
        """Kinds of weights that are evaluated, in this order."""
        kinds: list[Literal['raw', 'ema']] = ['raw'] if self.weights != 'ema' else []
        return kinds + (['ema'] if self.weights != 'raw' and self._ema is not None else [])

    @property
    def _ema(self) -> EMA | None:
        return next((hook for hook in self.runner.hooks if isinstance(hook, EMA) and hook.average), None)

    def _evaluate(self, mode: str) -> dict[str, float]:
        ema = self._ema
        if self.weights == 'ema' and ema is None:
            raise UserError('the checkpoint holds no EMA weights: take --weights raw')
        metrics: dict[str, float] = {}
        for kind in self.tested_weights:
            with nullcontext() if kind == 'raw' or ema is None else ema.applied(self.runner.bare_model):
                metrics |= self._evaluate_weights(mode, kind)
        return metrics

    def _evaluate_weights(self, mode: str, weights: str) -> dict[str, float]:
        self.runner.message_hub.update_info('weights', weights)
        self.runner.model.eval()
        train_loop = internals.loop_or_config(self.runner, 'train')
        request = getattr(train_loop, 'request', None) if mode == 'val' else None
        min_samples = len(self.dataloader.dataset) // get_world_size()  # of a process
        batch_size = self.dataloader.batch_sampler.batch_size
        common_batches = math.ceil(min_samples / batch_size)  # that every process has
        tiled = TiledEvaluation.of(self.runner.model, self.dataloader.dataset, batch_size)
        for idx, batch in enumerate(self.dataloader):
            if request is not None and idx < common_batches:
                request.stop_if_any_process_requested()
            if len(batch['inputs']) and tiled is None:
                self.run_iter(idx, batch)
            else:
                self.runner.call_hook(f'before_{mode}_iter', batch_idx=idx, data_batch=batch)
                with torch.no_grad(), autocast(enabled=self.fp16):
                    # without tiles, every image of the batch was unreadable
                    outputs = [] if tiled is None else tiled.process(batch, self.evaluator, self._show_tiles)
                self.runner.call_hook(f'after_{mode}_iter', batch_idx=idx, data_batch=batch, outputs=outputs)
        metrics, others = plain_numbers(self.evaluator.evaluate(len(self.dataloader.dataset)))
        dropped = {name: what for name, what in others.items() if name not in self._dropped}
        if dropped:
            named = ', '.join(f'{name} ({what})' for name, what in dropped.items())
            self.runner.logger.warning(f'not logged, since they are not single numbers: {named}')
            self._dropped |= dropped.keys()
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'per_class'):
                self.per_class[weights] = metric.per_class
        metrics |= self._take_losses(mode)
        if mode == 'val':
            for hook in self.runner.hooks:
                if isinstance(hook, FeatureProbe):
                    metrics |= hook.measure(self.runner, request)
        return {f'{weights}/{name}': value for name, value in metrics.items()}

    def _show_tiles(self, done: int, total: int) -> None:
        """Have the progress bar, if there is one, show the tiles of the current image."""
        for hook in self.runner.hooks:
            if isinstance(hook, ProgressBar):
                hook.show_tiles(done, total)

    def _take_losses(self, mode: str) -> dict[str, float]:
        """Return the mean losses that a model may give beside its predictions, and their sum, as mmengine's loops.

        They are those of all processes, which decide alike by them, such as to stop early.
        """
        buffers = getattr(self, f'{mode}_loss', {})
        own = {name: [float(part.sum()) for part in buffer.data] for name, buffer in buffers.items()}
        found = all_gather_object(own)
        losses = {}
        for name in dict.fromkeys(name for of_process in found for name in of_process):
            totals, counts = zip(*(of_process[name] for of_process in found if name in of_process), strict=True)
            losses[name] = sum(totals) / sum(counts)
        if losses:
            losses[f'{mode}_loss'] = sum(value for name, value in losses.items() if 'loss' in name)
        buffers.clear()
        return losses


@LOOPS.register_module()
class ValLoop(_EvaluatesEMA, MMValLoop):
    """Validation loop for the raw weights and their average."""

    def run(self) -> dict[str, float]:
        return self._run('val')


@LOOPS.register_module()
class TestLoop(_EvaluatesEMA, MMTestLoop):
    """Test loop for a checkpoint's raw weights and their average."""

    def run(self) -> dict[str, float]:
        return self._run('test')
