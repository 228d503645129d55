"""The train, validation and test loops.

One iteration of the train loop is one optimizer step: it draws as many batches as it takes to reach the total
batch. So everything that counts iterations (EMA, schedules, logs, checkpoints) counts optimizer steps.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import all_reduce_dict, barrier, get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmengine.runner import TestLoop as MMTestLoop
from mmengine.runner import ValLoop as MMValLoop
from torch.utils.data import DataLoader

from ..data.sampler import sample_seed
from ..errors import Stopped, UserError
from ..registry import LOOPS
from .hooks.ema import EMA
from .non_finite import FiniteSteps, GradientsOnly
from .signals import StopRequest


class BatchPlan(NamedTuple):
    """How the total batch of one optimizer step is reached."""

    per_process: int
    processes: int
    accumulation: int
    wanted: int

    @property
    def total(self) -> int:
        return self.per_process * self.processes * self.accumulation

    @property
    def lr_factor(self) -> float:
        """The config's lr is for the wanted total batch; the real one scales it linearly."""
        return self.total / self.wanted

    def __str__(self) -> str:
        return (
            f'total batch {self.total} = {self.per_process} per process x {self.processes} '
            f'process{"es" if self.processes > 1 else ""} x {self.accumulation} accumulated'
        )


def plan_batches(images: int, per_process: int, processes: int, total: int | None) -> BatchPlan:
    """Choose the accumulation that comes nearest to the total batch, with at least one step per epoch.

    Args:
        images: number of training images.
        per_process: batch of one process.
        processes: number of processes.
        total: the wanted total batch; None for no accumulation.

    Raises:
        UserError: if there are fewer images than one batch of all processes.
    """
    at_once = per_process * processes
    if images < 2 * processes:
        raise UserError(f'{images} training images are too few: there must be at least 2 for each process')
    if images < at_once:
        raise UserError(
            f'{images} training images are fewer than one batch ({per_process} x {processes} processes): '
            f'set --cfg-options train_dataloader.batch_size={max(2, images // processes // 2 * 2)} or less'
        )
    wanted = at_once if total is None else total
    accumulation = min(max(1, round(wanted / at_once)), images // at_once)
    return BatchPlan(per_process, processes, accumulation, wanted)


class AccumulatedLoader:
    """A data loader that yields ``accumulation`` batches at a time; everything else is the loader's own.

    They come as an iterator that fetches each batch when its turn has come: a total batch need not fit in memory.
    """

    def __init__(self, loader: DataLoader, accumulation: int) -> None:
        self.loader = loader
        self.accumulation = accumulation

    def __len__(self) -> int:
        return len(self.loader) // self.accumulation

    def __iter__(self) -> Iterator[Iterator[dict]]:
        batches = iter(self.loader)
        for _ in range(len(self)):
            first = next(batches, None)  # fetched here, so that waiting for it counts as data time
            if first is None:
                return  # the rest of an epoch that was cut
            yield chain([first], islice(batches, self.accumulation - 1))

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)


@LOOPS.register_module()
class TrainLoop(EpochBasedTrainLoop):
    """Training with gradient accumulation inside the iteration, for a number of epochs or of steps.

    Every random number of step s comes from (seed, s), so that a run that is resumed after any step goes on exactly
    as it would have. A signal to stop ends the loop after the step (:mod:`.signals`); the hooks' ``before_stop`` is
    called, and :class:`~convnext_dense.errors.Stopped` raised.

    Args:
        max_epochs: length of the run in epochs, or None.
        max_iters: its length in optimizer steps instead; then validation and checkpoints count steps too.
        total_batch_size: images per optimizer step that the config's lr is made for; None takes what the
            processes have at once. The lr follows the total that is really reached.
        val_interval: epochs, or steps, between two validations; there is one at the end in any case.
        skip_nan: so many steps may be left out for a loss or a gradient that is NaN or infinite; the next one ends
            the run.

    Attributes:
        stepped: whether the last iteration's step was taken.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,  # a DataLoader or its config
        max_epochs: int | None = None,
        max_iters: int | None = None,
        total_batch_size: int | None = None,
        val_interval: int = 1,
        skip_nan: int = 0,
    ) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise UserError('train_cfg takes either max_epochs or max_iters')
        if isinstance(dataloader, dict):
            diff_rank_seed = runner._randomness_cfg.get('diff_rank_seed', False)
            dataloader = runner.build_dataloader(dataloader, seed=runner.seed, diff_rank_seed=diff_rank_seed)
        self.sampler = dataloader.batch_sampler.sampler
        per_process = dataloader.batch_sampler.batch_size
        self.plan = plan_batches(len(dataloader.dataset), per_process, get_world_size(), total_batch_size)
        self.sampler.multiple_of = self.plan.total
        loader = AccumulatedLoader(dataloader, self.plan.accumulation)
        self.counts_steps = max_iters is not None
        epochs = max_epochs if max_iters is None else math.ceil(max_iters / len(loader))
        super().__init__(runner, loader, epochs, val_interval=val_interval)
        if max_iters is not None:
            self._max_iters = max_iters
        self.finite_steps = FiniteSteps(runner, skip_nan)
        self.stepped = True
        self.validated = True  # whether the validation that is due after the last step is done
        self.request = StopRequest()

    def go_on_from(self, epoch: int, step: int, sampler_seed: int | None) -> None:
        """Go on after so many epochs and steps, drawing as the sampler with this seed would have."""
        self._epoch, self._iter = epoch, step
        if sampler_seed is not None:
            self.sampler.seed = sampler_seed

    def run(self) -> torch.nn.Module:
        wrapper, plan = self.runner.optim_wrapper, self.plan
        wrapper._accumulative_counts = plan.accumulation
        wrapper.initialize_count_status(
            self.runner.model, self.iter * plan.accumulation, self.max_iters * plan.accumulation
        )
        self.runner.call_hook('before_train')
        with self.request:  # the save too: a launcher's copy of the signal may come that late
            try:
                if not self.validated:
                    self._validate_at_boundary()
                while self.iter < self.max_iters:
                    self.run_epoch()
            except Stopped as stop:
                if not stop.at_once:
                    self.runner.call_hook('before_stop')
                    barrier()  # the first process saves: a process that ends makes the launcher end the others
                raise
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self.iter - self.epoch * len(self.dataloader)  # steps of this epoch before the run was cut
        self.sampler.skip = done * self.plan.total
        for idx, batches in enumerate(self.dataloader, start=done):
            asked = self.run_iter(idx, batches)
            if self.counts_steps or idx + 1 < len(self.dataloader):
                self.request.stop_if(asked)
            if self.counts_steps:
                self._validate_if_due(self.iter, self.max_iters)
                if self.iter == self.max_iters:
                    break
        self.sampler.skip = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        if not self.counts_steps:
            self.request.stop_if_anyone_was_asked()
            self._validate_if_due(self.epoch, self.max_epochs)

    def _validate_at_boundary(self) -> None:
        """The validation that the run was cut before, or in."""
        if self.counts_steps:
            self._validate_if_due(self.iter, self.max_iters)
        elif self.iter == self.epoch * len(self.dataloader):
            self._validate_if_due(self.epoch, self.max_epochs)

    def _validate_if_due(self, done: int, total: int) -> None:
        if self.runner.val_loop is not None and (done % self.val_interval == 0 or done == total):
            self.runner.val_loop.run()
            self.runner.model.train()

    def run_iter(self, idx: int, data_batch: Iterator[dict]) -> bool:
        """One optimizer step; the hooks get the batches' file names, not their images.

        Returns:
            Whether any of the processes was asked to stop.
        """
        self.runner.call_hook('before_train_iter', batch_idx=idx)
        seed = sample_seed(self.runner.seed, self.iter, 0)  # Mixup and drop path draw from the global generators
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        sums: dict[str, Any] = defaultdict(float)
        seen, losses = [], []
        self.finite_steps.begin()
        for batch in data_batch:
            seen.append({key: batch[key] for key in ('paths', 'skipped') if key in batch})
            logged = self.runner.model.train_step(batch, optim_wrapper=GradientsOnly(self.runner.optim_wrapper))
            for name, value in logged.items():
                sums[name] += value.detach()
            losses.append(logged['loss'].detach())
        outputs = {name: value / len(seen) for name, value in sums.items()}
        outputs['norm'] = self.finite_steps.gradient_norm()
        together = get_world_size() > 1
        if together:
            outputs['asked'] = outputs['norm'].new_tensor(float(self.request.number))
            all_reduce_dict(outputs, op='mean')  # what is logged is the loss of the total batch
            asked = bool(outputs.pop('asked'))
        paths = [batch.get('paths', []) for batch in seen]
        self.stepped = self.finite_steps.take(outputs['loss'], outputs.pop('norm'), losses, paths)
        shown = outputs if self.stepped else None  # NaN would hide the other steps' loss in the means that are logged
        self.runner.call_hook('after_train_iter', batch_idx=idx, data_batch=seen, outputs=shown)
        self._iter += 1
        return asked if together else self.request.number > 0


class _WithEMA:
    """Evaluates the raw weights and, where there is an average of them, the average too.

    Metrics are named ``raw/...`` and ``ema/...``.

    Args:
        weights: ``'raw'``, ``'ema'``, or None for both.

    Attributes:
        per_class: by kind of weights, what the metric found for each class, where it tells: ``{'raw': {class name:
            {metric name: value}}}``.
    """

    runner: Any
    dataloader: Any
    evaluator: Any
    run_iter: Callable[[int, dict], None]

    def __init__(self, *args: object, weights: str | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.weights = weights
        self.per_class: dict[str, dict[str, dict[str, float]]] = {}

    def _evaluate(self, mode: str) -> dict[str, float]:
        ema = next((hook for hook in self.runner.hooks if isinstance(hook, EMA) and hook.average), None)
        if self.weights == 'ema' and ema is None:
            raise UserError('the checkpoint holds no EMA weights: take --weights raw')
        metrics: dict[str, float] = {}
        if self.weights != 'ema':
            metrics |= self._one_pass(mode, 'raw')
        if self.weights != 'raw' and ema is not None:
            with ema.applied(self.runner.bare_model):
                metrics |= self._one_pass(mode, 'ema')
        return metrics

    def _one_pass(self, mode: str, weights: str) -> dict[str, float]:
        self.runner.message_hub.update_info('weights', weights)
        self.runner.model.eval()
        request = getattr(self.runner._train_loop, 'request', None) if mode == 'val' else None
        fewest = len(self.dataloader.dataset) // get_world_size()  # samples of a process
        common = math.ceil(fewest / self.dataloader.batch_sampler.batch_size)  # batches that every process has
        for idx, batch in enumerate(self.dataloader):
            if request is not None and idx < common:
                request.stop_if_anyone_was_asked()
            if len(batch['inputs']):
                self.run_iter(idx, batch)
            else:  # every image of the batch was unreadable
                self.runner.call_hook(f'before_{mode}_iter', batch_idx=idx, data_batch=batch)
                self.runner.call_hook(f'after_{mode}_iter', batch_idx=idx, data_batch=batch, outputs=[])
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset))
        for metric in self.evaluator.metrics:
            if hasattr(metric, 'per_class'):
                self.per_class[weights] = metric.per_class
        return {f'{weights}/{name}': value for name, value in metrics.items()}


@LOOPS.register_module()
class ValLoop(_WithEMA, MMValLoop):
    """Validation during training, of the raw weights and of their average."""

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        metrics = self._evaluate('val')
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics


@LOOPS.register_module()
class TestLoop(_WithEMA, MMTestLoop):
    """Testing a checkpoint, its raw weights and their average."""

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        metrics = self._evaluate('test')
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics
