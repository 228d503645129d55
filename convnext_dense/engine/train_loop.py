"""Train loop in which one iteration is one optimizer step, with gradient accumulation up to the total batch.

So everything that counts iterations (EMA, schedules, logs, checkpoints) counts optimizer steps.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import all_reduce_dict, barrier, get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from ..compat import mmengine_private_names as internals
from ..data.sampler import sample_seed
from ..errors import Stopped, UserError
from ..registry import LOOPS
from .losses import explain_losses
from .non_finite import BackwardOnlyWrapper, NonFiniteGuard
from .signals import StopRequest
from .thin_images import explain_thin_images
from .total_batch import AccumulatedLoader, accumulative_counts, plan_batches, prepend


class StepRecord(NamedTuple):
    """Facts about all batches of an optimizer step, for hooks.

    Attributes:
        taken: False if the step was skipped because of a non-finite loss or gradient.
        paths: image paths of each of this process's batches.
        skipped_images: paths of unreadable images that are missing from the batches.
    """

    taken: bool
    paths: list[list[str]]
    skipped_images: list[str]


@LOOPS.register_module()
class TrainLoop(EpochBasedTrainLoop):
    """Train loop with gradient accumulation inside the iteration, for a number of epochs or optimizer steps.

    Order of one optimizer step (:meth:`run_iter`)::

        batch = first batch of the step               # waiting for it counts as data_time
        hooks.before_train_iter(batch_idx, data_batch=batch)
        seed random, numpy and torch from (seed, step)
        for batch in the step's batches:              # each is fetched when it is needed
            losses += model.train_step(batch)         # forward and backward; gradients add up
                                                      # and are averaged over processes in the last one
        losses /= number of batches
        all_reduce(losses, gradient norm, requests to stop)   # if there are several processes
        if loss and gradient norm are finite:
            optimizer.step()                          # clips gradients before
        optimizer.zero_grad()
        if they are not:
            restore buffers; count the step as skipped, or end the run with a UserError
        hooks.after_train_iter(batch_idx, data_batch=batch, outputs=losses)
            EMA, log, schedules, checkpoint           # by the hooks' priorities
        iter += 1
        raise Stopped if any process was asked to stop
        validate if it is due                         # counting steps; else after the epoch

    Hooks get the arguments that mmengine documents. ``data_batch`` is a batch of the data loader: the step's first one
    before the step and its last one after it; the others are no longer in memory. ``outputs`` is the dict of losses
    and other values that the model logs, averaged over all batches and processes. For a skipped step the values are
    those that were computed, possibly NaN or infinite. :attr:`last_step` has facts about all batches of the step.

    All random numbers of step s depend on (seed, s) only, so a run that is resumed after any step continues exactly
    like an uninterrupted one. A signal ends the loop after the step (:mod:`.signals`): the hooks' ``before_stop`` is
    called, and :class:`~convnext_dense.errors.Stopped` is raised. A hook that sets ``stop_training``, such as
    :class:`~.hooks.early_stopping.EarlyStopping`, ends the run after the epoch (or after the step if the loop counts
    steps) and a validation; the run is then finished, and ``--resume`` does nothing.

    Args:
        runner: the runner.
        dataloader: a data loader or its config, with a :class:`~convnext_dense.data.sampler.SeededSampler`.
        max_epochs: length of the run in epochs, or None.
        max_iters: length of the run in optimizer steps, or None; validation and checkpoints then count steps as well.
        total_batch_size: images per optimizer step for which the config's lr is meant; None for one batch per process,
            or as many as ``optim_wrapper.accumulative_counts`` says. The lr is scaled to the actual total batch.
        planned_batch_size: another batch size of one process, whose total batch is kept by another accumulation; None
            for that of the data loader.
        val_interval: epochs or steps between validations; there is always one at the end.
        val_begin: epoch or step before which there is no validation.
        dynamic_intervals: other intervals from a later epoch or step on: [(epoch or step, interval), ...].
        skip_nan: number of steps with a non-finite loss or gradient that may be skipped; the next one ends the run.

    Attributes:
        plan: composition of the total batch.
        last_step: facts about the last step.
        counts_steps: True if length, validation and checkpoints count steps rather than epochs.
        validated: True if the validation that is due after the last step is finished.
        request: the signal that this process received, if any.
        stop_training: set to True by a hook to end the run.
        stopped_by: name of that hook, if it tells.
        stop_reason: why, in words.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        max_epochs: int | None = None,
        max_iters: int | None = None,
        total_batch_size: int | None = None,
        val_interval: int = 1,
        skip_nan: int = 0,
        val_begin: int = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
        planned_batch_size: int | None = None,
    ) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise UserError('train_cfg takes either max_epochs or max_iters')
        if val_interval < 1:
            raise UserError(
                f'train_cfg.val_interval {val_interval}: take 1 or more; for no validation set val_dataloader, '
                'val_cfg and val_evaluator to None'
            )
        if isinstance(dataloader, dict):
            diff_rank_seed = internals.seeds_differ_between_processes(runner)
            dataloader = runner.build_dataloader(dataloader, seed=runner.seed, diff_rank_seed=diff_rank_seed)
        batches = dataloader.batch_sampler
        self.sampler: Any = getattr(batches, 'sampler', batches)
        if not hasattr(self.sampler, 'use_whole_batches'):
            raise UserError(
                f'train_dataloader.sampler: {type(self.sampler).__name__} does not go on where it was after a resume: '
                "take dict(type='convnext_dense.SeededSampler', shuffle=True)"
            )
        per_process = dataloader.batch_sampler.batch_size
        batch_settings = (total_batch_size, accumulative_counts(runner), planned_batch_size)
        self.plan = plan_batches(len(dataloader.dataset), per_process, get_world_size(), *batch_settings)
        self.sampler.use_whole_batches(self.plan.total)
        loader = AccumulatedLoader(dataloader, self.plan.accumulation)
        self.counts_steps = max_iters is not None
        epochs = max_epochs if max_iters is None else math.ceil(max_iters / len(loader))
        super().__init__(runner, loader, epochs, val_begin, val_interval, dynamic_intervals)
        if max_iters is not None:
            internals.set_max_iters(self, max_iters)
        self.non_finite = NonFiniteGuard(runner, skip_nan)
        self.last_step = StepRecord(taken=True, paths=[], skipped_images=[])
        self.validated = True
        self.request = StopRequest()
        self.stopped_by = ''
        self.stop_reason = 'a hook has set stop_training'

    def resume_after(self, epoch: int, step: int, sampler_seed: int | None) -> None:
        """Set the completed epochs and steps, and the sampler's seed, None for its own."""
        internals.set_progress(self, epoch, step)
        if sampler_seed is not None:
            self.sampler.use_seed(sampler_seed)

    @property
    def progress(self) -> str:
        """The steps that are done of those of the whole run, in words, and in a run by epochs those."""
        steps = f'step {self.iter} of {self.max_iters}'
        return steps if self.counts_steps else f'epoch {self.epoch} of {self.max_epochs} ({steps})'

    def run(self) -> torch.nn.Module:
        batches = self.plan.accumulation
        internals.set_accumulation(
            self.runner.optim_wrapper, self.runner.model, batches, self.iter * batches, self.max_iters * batches
        )
        self.runner.call_hook('before_train')
        with self.request:  # includes the save, since a launcher's copy of the signal may arrive late
            try:
                if not self.validated:
                    self._validate_at_boundary()
                while self.iter < self.max_iters and not self.stop_training:
                    self.run_epoch()
            except Stopped as stop:
                if not stop.at_once:
                    self.runner.call_hook('before_stop')
                    barrier()  # wait for the main process to save: the launcher ends all processes when one exits
                raise
        if self.iter < self.max_iters:
            self.runner.logger.info(f'training ends early, after {self.progress}: {self.stop_reason}')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self.iter - self.epoch * len(self.dataloader)  # steps of this epoch before the run was interrupted
        self.sampler.start_after(done * self.plan.total)
        for idx, batches in enumerate(self.dataloader, start=done):
            stop_requested = self.run_iter(idx, batches)
            if self.counts_steps or idx + 1 < len(self.dataloader):
                self.request.stop_if(stop_requested)
            if self.counts_steps:
                self._validate_if_due(self.iter, self.max_iters)
                if self.iter == self.max_iters or self.stop_training:
                    break
        self.sampler.start_after(0)
        self.runner.call_hook('after_train_epoch')
        internals.set_progress(self, self.epoch + 1, self.iter)
        if not self.counts_steps:
            self.request.stop_if_any_process_requested()
            self._validate_if_due(self.epoch, self.max_epochs)

    def _validate_at_boundary(self) -> None:
        """Run the validation before or during which the run was interrupted."""
        if self.counts_steps:
            self._validate_if_due(self.iter, self.max_iters)
        elif self.iter == self.epoch * len(self.dataloader):
            self._validate_if_due(self.epoch, self.max_epochs)

    def _validate_if_due(self, done: int, total: int) -> None:
        internals.set_val_interval(self, done)
        due = done % self.val_interval == 0 or done == total or self.stop_training
        if self.runner.val_loop is not None and done >= self.val_begin and due:
            self.runner.val_loop.run()
            self.runner.model.train()

    def run_iter(self, idx: int, data_batch: Iterator[dict]) -> bool:
        """Run one optimizer step, in the order described in the class's docstring.

        Args:
            idx: index of the step in its epoch.
            data_batch: the step's batches.

        Returns:
            True if any process was asked to stop.
        """
        first = next(data_batch)
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=first)
        batches = prepend(first, data_batch)
        del first  # or it would stay in memory for the whole step
        seed = sample_seed(self.runner.seed, self.iter, 0)  # Mixup and drop path draw from the global generators
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        sums: dict[str, Any] = defaultdict(float)
        losses_of_batches: list[Tensor] = []
        paths: list[list[str]] = []
        skipped_images: list[str] = []
        self.non_finite.before_step()
        for batch in batches:
            paths.append(batch.get('paths', []))
            skipped_images += batch.get('skipped', [])
            with explain_thin_images(batch), explain_losses(self.runner.bare_model):
                wrapper = BackwardOnlyWrapper(self.runner.optim_wrapper)
                logged = self.runner.model.train_step(batch, optim_wrapper=wrapper)
            for name, value in logged.items():
                sums[name] += value.detach()
            losses_of_batches.append(logged['loss'].detach())
        losses = {name: value / len(paths) for name, value in sums.items()}
        losses, norm, stop_requested = self._reduce_losses(losses, self.non_finite.gradient_norm())
        taken = self.non_finite.step_if_finite(losses['loss'], norm, losses_of_batches, paths)
        self.last_step = StepRecord(taken, paths, skipped_images)
        self.runner.call_hook('after_train_iter', batch_idx=idx, data_batch=batch, outputs=losses)
        internals.set_progress(self, self.epoch, self.iter + 1)
        alone = get_world_size() == 1  # then a signal may still arrive up to here
        return self.request.number > 0 if alone else stop_requested

    def _reduce_losses(self, losses: dict[str, Tensor], norm: Tensor) -> tuple[dict[str, Tensor], Tensor, bool]:
        """Average losses and gradient norm over all processes and combine stop requests, in a single reduction.

        Returns:
            The averages, and True if any process was asked to stop.
        """
        requested = self.request.number > 0
        processes = get_world_size()
        if processes == 1:
            return losses, norm, requested
        sums = {f'losses/{name}': value for name, value in losses.items()}
        sums |= {'gradient_norm': norm, 'stop_requests': norm.new_tensor(float(requested))}
        all_reduce_dict(sums, op='sum')
        means = {name: sums[f'losses/{name}'] / processes for name in losses}
        return means, sums['gradient_norm'] / processes, bool(sums['stop_requests'] > 0)
