"""Hook that keeps an exponential moving average (EMA) of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from ...compat import mmengine_private_names as internals
from ...errors import UserError
from ...registry import HOOKS
from ...weights.loading import load_strictly


@HOOKS.register_module()
class EMA(Hook):
    """Hook that keeps a moving average of the weights, updated once per optimizer step.

    ``average = (1 - momentum) * average + momentum * weight``, starting from the initial weights. Buffers are copied
    without averaging. A checkpoint holds the raw weights as ``state_dict`` and the average as ``ema_state_dict``.

    Args:
        momentum: 1 - decay; 1e-4 is the recipe's decay 0.9999.
        gamma: number of steps over which the momentum comes down from 1, so that the initial weights are forgotten
            early: in step s, counted from 0, it is ``momentum + (1 - momentum) * exp(-(1 + s) / gamma)``, as that of
            mmdet's ``ExpMomentumEMA``. None for the same momentum in all steps.

    Raises:
        UserError: if ``gamma`` is not above 0.
    """

    priority = 'NORMAL'

    def __init__(self, momentum: float = 1e-4, gamma: float | None = None) -> None:
        if gamma is not None and not gamma > 0:
            raise UserError(f'default_hooks.ema.gamma {gamma!r}: take a number of steps above 0, or None')
        self.momentum = momentum
        self.gamma = gamma
        self.average: dict[str, Tensor] = {}
        self._parameter_names: set[str] = set()  # all other names are buffers

    def before_train(self, runner: Runner) -> None:
        model = _unwrapped(runner)
        self._parameter_names = {name for name, _ in model.named_parameters()}
        if not (internals.resume_setting(runner) and self.average):  # a new run starts a new average
            self.average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        steps = runner.max_iters
        if self.gamma is None and self.momentum * steps < 3:
            fitting = min(0.5, 10 / steps)
            other = f'default_hooks.ema.momentum={fitting:.2g} or ' if fitting > self.momentum else ''
            runner.logger.warning(
                f'EMA with momentum {self.momentum:g} averages over about {1 / self.momentum:.0f} steps, and this run '
                f'has {steps}, so that {(1 - self.momentum) ** steps:.0%} of it are the initial weights at the end: '
                f'judge it by its raw weights, or --cfg-options {other}default_hooks.ema=None'
            )

    @torch.no_grad()
    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        if not runner.train_loop.last_step.taken:
            return
        tensors = _unwrapped(runner).state_dict()
        averages = [self.average[name] for name in self._parameter_names]
        momentum = self._momentum_of(runner.iter)
        torch._foreach_lerp_(averages, [tensors[name] for name in self._parameter_names], momentum)
        for name in tensors.keys() - self._parameter_names:
            self.average[name].copy_(tensors[name])

    def _momentum_of(self, step: int) -> float:
        """Return the momentum of a step, counted from 0 over the whole run, also a resumed one."""
        if self.gamma is None:
            return self.momentum
        return self.momentum + (1 - self.momentum) * math.exp(-(1 + step) / self.gamma)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['ema_state_dict'] = {name: tensor.cpu() for name, tensor in self.average.items()}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if 'ema_state_dict' in checkpoint:
            own = _unwrapped(runner).state_dict()
            averages = checkpoint['ema_state_dict']
            self.average = {n: t.to(own[n].device, copy=True) if n in own else t for n, t in averages.items()}

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Context in which the model has the averaged weights."""
        raw = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        load_strictly(model, self.average, "the EMA's state")
        try:
            yield
        finally:
            model.load_state_dict(raw)


def _unwrapped(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
