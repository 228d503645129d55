"""Guard against optimizer steps with a non-finite loss or gradient (NaN or infinity)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from ..errors import UserError
from .remembered import Values

MAX_SCALER_SKIPS = 30
"""Consecutive steps that the fp16 scaler may skip; each halves its scale, all together to a billionth."""
MAX_NAMED = 8  # images in a message
FILE_NAME = 'not_finite.csv'  # file in the log folder with all images of skipped steps


class BackwardOnlyWrapper:
    """Optimizer wrapper for ``model.train_step`` that computes gradients and leaves the step to the train loop.

    Args:
        wrapper: the real optimizer wrapper, which provides all other attributes.
    """

    def __init__(self, wrapper: OptimWrapper) -> None:
        self.wrapper = wrapper

    def update_params(self, loss: Tensor) -> None:
        self.wrapper.backward(self.wrapper.scale_loss(loss))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapper, name)


class NonFiniteGuard:
    """Takes the optimizer's steps, except those with a non-finite loss or gradient.

    All processes make the same decision. A skipped step leaves weights, buffers, what the model remembers
    (:mod:`.remembered`) and the optimizer unchanged; its images are logged, and all of them are listed in
    ``not_finite.csv`` in the log folder. The fp16 scaler may skip a
    step now and then to find its scale; more than :data:`MAX_SCALER_SKIPS` consecutive ones count as non-finite.

    Args:
        runner: the runner.
        skip: number of steps that may be skipped in a run, including before a resume; the next one is an error.
    """

    def __init__(self, runner: Runner, skip: int = 0) -> None:
        self.runner = runner
        self.skip = skip
        self._scaler_skips = 0  # in a row
        self._buffers: list[Tensor] = []
        self._remembered: Values = {}

    def before_step(self) -> None:
        """Save the buffers, such as BatchNorm's statistics, which the step's forward passes change."""
        if self.skip:
            self._remembered = self.runner.remembered.all()
        self._buffers = [buffer.detach().clone() for buffer in self.runner.model.buffers()]

    def gradient_norm(self) -> Tensor:
        """Return the L2 norm of all gradients, times the fp16 scaler's scale."""
        groups = self.runner.optim_wrapper.optimizer.param_groups
        grads = [p.grad for group in groups for p in group['params'] if p.grad is not None]
        return torch.nn.utils.get_total_norm(grads)

    def step_if_finite(
        self, loss: Tensor, norm: Tensor, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]
    ) -> bool:
        """Take the optimizer's step if loss and gradient are finite, and zero the gradients in any case.

        Args:
            loss: mean loss over all processes.
            norm: norm of the gradient, equal on all processes.
            losses: losses of this process's batches.
            paths: image paths of each batch.

        Returns:
            True if the step was taken.

        Raises:
            UserError: if the step was not taken and no more steps may be skipped.
        """
        wrapper = self.runner.optim_wrapper
        loss_is_finite, norm_is_finite = torch.isfinite(torch.stack([loss.double(), norm.double()])).tolist()
        scaling = hasattr(wrapper, 'loss_scaler') and self._scaler_skips < MAX_SCALER_SKIPS
        is_finite = loss_is_finite and (norm_is_finite or scaling)
        if is_finite:
            self._scaler_skips = 0 if norm_is_finite else self._scaler_skips + 1
            wrapper.step()
        wrapper.zero_grad()
        if not is_finite:
            self._skip_step('gradient' if loss_is_finite else 'loss', norm if loss_is_finite else loss, losses, paths)
        return is_finite

    def _skip_step(self, what: str, value: Tensor, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]) -> None:
        for buffer, before in zip(self.runner.model.buffers(), self._buffers, strict=True):
            buffer.copy_(before)
        self.runner.remembered.put_back(self._remembered)
        step = self.runner.iter + 1
        images = self._list_images(step, what, losses, paths)
        more = len(images) - MAX_NAMED
        rest = f' and {more} more (listed in {FILE_NAME} of the log folder)' if more > 0 else ''
        finding = f'the {what} is {value.item()} at step {step} on {", ".join(images[:MAX_NAMED])}{rest}'
        skipped = self.runner.message_hub.get_info('skipped_steps', 0)
        if skipped < self.skip:
            self.runner.message_hub.update_info('skipped_steps', skipped + 1)
            self.runner.message_hub.update_scalar('train/skipped_steps', skipped + 1)
            self.runner.logger.warning(f'{finding}: the step is skipped, {skipped + 1} of {self.skip}')
            return
        earlier = f' ({skipped} such step{"s were" if skipped > 1 else " was"} skipped before)' if skipped else ''
        advice = 'check these images and their annotations, or allow up to N skipped steps: --resume --skip-nan N'
        if step == 1 and what == 'gradient':
            advice = self._advice_on_pads() or advice
        raise UserError(f'{finding}{earlier}: no weights were changed or saved in this step; {advice}')

    def _advice_on_pads(self) -> str | None:
        """Return what to do about the pads of random weights; None for others.

        Without biases, features of pads of 0 have no variance, and each norm multiplies their gradient by 1000.
        """
        cfg, preprocessor = self.runner.cfg, getattr(self.runner.bare_model, 'data_preprocessor', None)
        key = next((name for name in ('pad_value', 'pad_val') if getattr(preprocessor, name, None) == 0), None)
        if key is None or cfg.get('pretrained') or cfg.get('load_from'):
            return None
        return (
            'random weights can have such gradients where images are padded with 0: start from others with '
            f'--pretrained WEIGHTS, or pad with --cfg-options model.data_preprocessor.{key}=1'
        )

    def _list_images(
        self, step: int, what: str, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]
    ) -> list[str]:
        """Write the images of all processes to the CSV file, or only those of batches with a non-finite loss."""
        own = [(loss.item(), list(of_batch)) for loss, of_batch in zip(losses, paths, strict=True)]
        batches = [(process, *batch) for process, part in enumerate(all_gather_object(own)) for batch in part]
        if what == 'loss':
            batches = [batch for batch in batches if not torch.isfinite(torch.tensor(batch[1]))] or batches
        if is_main_process():
            file = Path(self.runner.log_dir, FILE_NAME)
            new = not file.exists()
            with open(file, 'a', newline='') as lines:
                rows = csv.writer(lines)
                if new:
                    rows.writerow(('step', 'what', 'process', 'loss', 'path'))
                rows.writerows((step, what, process, loss, path) for process, loss, of in batches for path in of)
        return [path for *_, of_batch in batches for path in of_batch]
