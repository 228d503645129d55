"""The train loop: one iteration is one optimizer step, of as many batches as it takes to reach the total batch.

So everything that counts iterations (EMA, schedules, logs, checkpoints) counts optimizer steps.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import all_reduce_dict, barrier, get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import Tensor

from ..compat import mmengine_internals as internals
from ..data.sampler import sample_seed
from ..errors import Stopped, UserError
from ..registry import LOOPS
from .non_finite import BackwardOnlyWrapper, NonFiniteGuard
from .signals import StopRequest
from .total_batch import AccumulatedLoader, plan_batches


class StepRecord(NamedTuple):
    """Facts about an optimizer step, for hooks that ask for more than its last batch.

    Attributes:
        taken: False where the step was skipped for a loss or gradient that is NaN or infinite.
        paths: paths of the images in each of this process's batches.
        skipped_images: paths of images that could not be read and are missing in the batches.
    """

    taken: bool
    paths: list[list[str]]
    skipped_images: list[str]


@LOOPS.register_module()
class TrainLoop(EpochBasedTrainLoop):
    """Training with gradient accumulation inside the iteration, for a number of epochs or of steps.

    One optimizer step (:meth:`run_iter`), in its order::

        batch = first batch of the step               # waiting for it counts as data_time
        hooks.before_train_iter(batch_idx, data_batch=batch)
        seed random, numpy and torch from (seed, step)
        for batch in the step's batches:              # each is fetched when its turn comes
            losses += model.train_step(batch)         # forward and backward; gradients add up
                                                      # and are averaged over processes in the last one
        losses /= number of batches
        all_reduce(losses, gradient norm, requests to stop)   # where there are several processes
        if loss and gradient norm are finite:
            optimizer.step()                          # clips gradients before
        optimizer.zero_grad()
        if they are not:
            restore buffers; count the step as skipped, or end the run with a UserError
        hooks.after_train_iter(batch_idx, data_batch=batch, outputs=losses)
            EMA, log, schedules, checkpoint           # by the hooks' priorities
        iter += 1
        raise Stopped if any process has a request to stop
        validate if it is due                         # counting steps; else after the epoch

    Hooks get what mmengine documents: ``data_batch`` is a batch as the data loader yields it, the first of the step
    before it and the last one after it; the others are gone by then, since a total batch need not fit in memory.
    ``outputs`` is the dict of losses and other numbers that the model logs, averaged over all batches and processes.
    In a step that was skipped they are as they were computed, with a NaN or an infinity among them, or with finite
    losses where only a gradient was not. :attr:`last_step` has what hooks may ask about all batches of the step.

    Every random number of step s comes from (seed, s), so a run that is resumed after any step continues exactly as it
    would have. A signal to stop ends the loop after the step (:mod:`.signals`): the hooks' ``before_stop`` is called,
    and :class:`~convnext_dense.errors.Stopped` raised. A hook that sets ``stop_training``, such as mmengine's
    ``EarlyStoppingHook``, ends the run in good order after the epoch, or after the step where the loop counts steps,
    and after a validation; the run is then finished, also for ``--resume``. (That hook's own counter is not in the
    checkpoint: after ``--resume`` of an interrupted run it counts from the beginning.)

    Args:
        runner: the runner.
        dataloader: a data loader or its config, with a :class:`~convnext_dense.data.sampler.SeededSampler`.
        max_epochs: length of the run in epochs, or None.
        max_iters: its length in optimizer steps instead; then validation and checkpoints count steps too.
        total_batch_size: images per optimizer step that the config's lr is made for; None takes what the
            processes have at once. The lr follows the total that is really reached.
        val_interval: epochs, or steps, between two validations; there is one at the end in any case.
        skip_nan: number of steps that may be skipped for a loss or a gradient that is NaN or infinite; the next one
            ends the run.

    Attributes:
        plan: how the total batch is reached.
        last_step: facts about the last step, all batches of this process together.
        counts_steps: whether length, validation and checkpoints count steps rather than epochs.
        validated: whether the validation that is due after the last step is done.
        request: the signal to stop that this process got, if any.
        stop_training: set to True by a hook that wants the run to end.
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
    ) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise UserError('train_cfg takes either max_epochs or max_iters')
        if isinstance(dataloader, dict):
            diff_rank_seed = internals.seeds_differ_between_processes(runner)
            dataloader = runner.build_dataloader(dataloader, seed=runner.seed, diff_rank_seed=diff_rank_seed)
        self.sampler = dataloader.batch_sampler.sampler
        per_process = dataloader.batch_sampler.batch_size
        self.plan = plan_batches(len(dataloader.dataset), per_process, get_world_size(), total_batch_size)
        self.sampler.use_whole_batches(self.plan.total)
        loader = AccumulatedLoader(dataloader, self.plan.accumulation)
        self.counts_steps = max_iters is not None
        epochs = max_epochs if max_iters is None else math.ceil(max_iters / len(loader))
        super().__init__(runner, loader, epochs, val_interval=val_interval)
        if max_iters is not None:
            internals.set_max_iters(self, max_iters)
        self.non_finite = NonFiniteGuard(runner, skip_nan)
        self.last_step = StepRecord(taken=True, paths=[], skipped_images=[])
        self.validated = True
        self.request = StopRequest()

    def resume_after(self, epoch: int, step: int, sampler_seed: int | None) -> None:
        """Continue after so many epochs and steps, drawing images as the sampler with this seed would have."""
        internals.set_progress(self, epoch, step)
        if sampler_seed is not None:
            self.sampler.use_seed(sampler_seed)

    def run(self) -> torch.nn.Module:
        batches = self.plan.accumulation
        internals.set_accumulation(
            self.runner.optim_wrapper, self.runner.model, batches, self.iter * batches, self.max_iters * batches
        )
        self.runner.call_hook('before_train')
        with self.request:  # around the save too: a launcher's copy of the signal may come that late
            try:
                if not self.validated:
                    self._validate_at_boundary()
                while self.iter < self.max_iters and not self.stop_training:
                    self.run_epoch()
            except Stopped as stop:
                if not stop.at_once:
                    self.runner.call_hook('before_stop')
                    barrier()  # the first process saves: a process that ends makes the launcher end the others
                raise
        if self.iter < self.max_iters:
            self.runner.logger.info(
                f'training ends early, after step {self.iter} of {self.max_iters}: a hook has set stop_training'
            )
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
        """Do the validation that the run was interrupted before or in."""
        if self.counts_steps:
            self._validate_if_due(self.iter, self.max_iters)
        elif self.iter == self.epoch * len(self.dataloader):
            self._validate_if_due(self.epoch, self.max_epochs)

    def _validate_if_due(self, done: int, total: int) -> None:
        if self.runner.val_loop is not None and (
            done % self.val_interval == 0 or done == total or self.stop_training
        ):
            self.runner.val_loop.run()
            self.runner.model.train()

    def run_iter(self, idx: int, data_batch: Iterator[dict]) -> bool:
        """Do one optimizer step, in the order that the class's docstring draws.

        Args:
            idx: number of the step in its epoch.
            data_batch: the step's batches.

        Returns:
            Whether any of the processes has a request to stop.
        """
        first = next(data_batch)
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=first)
        batches = chain([first], data_batch)
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
            logged = self.runner.model.train_step(batch, optim_wrapper=BackwardOnlyWrapper(self.runner.optim_wrapper))
            for name, value in logged.items():
                sums[name] += value.detach()
            losses_of_batches.append(logged['loss'].detach())
        losses = {name: value / len(paths) for name, value in sums.items()}
        losses, norm, stop_requested = self._over_processes(losses, self.non_finite.gradient_norm())
        taken = self.non_finite.step_if_finite(losses['loss'], norm, losses_of_batches, paths)
        self.last_step = StepRecord(taken, paths, skipped_images)
        self.runner.call_hook('after_train_iter', batch_idx=idx, data_batch=batch, outputs=losses)
        internals.set_progress(self, self.epoch, self.iter + 1)
        return stop_requested

    def _over_processes(self, losses: dict[str, Tensor], norm: Tensor) -> tuple[dict[str, Tensor], Tensor, bool]:
        """Average losses and gradient norm over all processes and collect requests to stop, in one reduction.

        Returns:
            The averages, and whether any of the processes has a request to stop.
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
