"""Steps with a loss or a gradient that is NaN or infinite: no weights take them."""

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

ENDLESS = 30
"""So many steps in a row that the fp16 scaler skips are no search for a scale: it has been halved to a billionth."""
NAMED = 8  # images in a message
LIST = 'not_finite.csv'  # in the log folder: all of them


class GradientsOnly:
    """An optimizer wrapper as a model sees it, which computes the gradients and leaves the step to the train loop."""

    def __init__(self, wrapper: OptimWrapper) -> None:
        self.wrapper = wrapper

    def update_params(self, loss: Tensor) -> None:
        self.wrapper.backward(self.wrapper.scale_loss(loss))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapper, name)


class FiniteSteps:
    """Takes the optimizer's steps, but none with a loss or a gradient that is NaN or infinite.

    All processes decide alike. A step that is not taken leaves weights, buffers and the optimizer as they were before
    it; its images are named, and all of them are listed in ``not_finite.csv`` of the log folder. That the scaler of
    fp16 looks for its scale, skipping a step now and then, is no fault; that it never finds one is.

    Args:
        runner: the run's.
        skip: how many steps may be left out in a run, resumed ones included; the next one is an error.
    """

    def __init__(self, runner: Runner, skip: int = 0) -> None:
        self.runner = runner
        self.skip = skip
        self._scaler_skips = 0  # in a row
        self._buffers: list[Tensor] = []

    def begin(self) -> None:
        """To be called before the step's first forward pass, which changes the statistics of batch norms."""
        self._buffers = [buffer.detach().clone() for buffer in self.runner.model.buffers()]

    def gradient_norm(self) -> Tensor:
        """The L2 norm of all gradients, times the fp16 scaler's scale."""
        groups = self.runner.optim_wrapper.optimizer.param_groups
        grads = [p.grad for group in groups for p in group['params'] if p.grad is not None]
        return torch.nn.utils.get_total_norm(grads)

    def take(self, loss: Tensor, norm: Tensor, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]) -> bool:
        """Take the step, or don't; the gradients are gone either way.

        Args:
            loss: the mean over all processes, and so the same on all.
            norm: the gradient's, the same on all processes, too.
            losses: of this process's batches.
            paths: of the images of each.

        Returns:
            whether the step was taken.

        Raises:
            UserError: if it was not, and as many were skipped before as may be.
        """
        wrapper = self.runner.optim_wrapper
        loss_is_finite, norm_is_finite = torch.isfinite(torch.stack([loss.double(), norm.double()])).tolist()
        scaling = hasattr(wrapper, 'loss_scaler') and self._scaler_skips < ENDLESS
        finite = loss_is_finite and (norm_is_finite or scaling)
        if finite:
            self._scaler_skips = 0 if norm_is_finite else self._scaler_skips + 1
            wrapper.step()
        wrapper.zero_grad()
        if not finite:
            self._leave_out('gradient' if loss_is_finite else 'loss', norm if loss_is_finite else loss, losses, paths)
        return finite

    def _leave_out(self, what: str, value: Tensor, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]) -> None:
        for buffer, before in zip(self.runner.model.buffers(), self._buffers, strict=True):
            buffer.copy_(before)
        step = self.runner.iter + 1
        guilty = self._list(step, what, losses, paths)
        more = f' and {len(guilty) - NAMED} more (listed in {LIST} of the log folder)' if len(guilty) > NAMED else ''
        said = f'the {what} is {value.item()} at step {step} on {", ".join(guilty[:NAMED])}{more}'
        skipped = self.runner.message_hub.get_info('skipped_steps', 0)
        if skipped < self.skip:
            self.runner.message_hub.update_info('skipped_steps', skipped + 1)
            self.runner.message_hub.update_scalar('train/skipped_steps', skipped + 1)
            self.runner.logger.warning(f'{said}: the step is skipped, {skipped + 1} of {self.skip}')
            return
        earlier = f' ({skipped} such step{"s were" if skipped > 1 else " was"} skipped before)' if skipped else ''
        raise UserError(
            f'{said}{earlier}: the weights are still those before this step, and none were saved after them; look at '
            f'these images and their annotations, or go on without up to N such steps: --resume --skip-nan N'
        )

    def _list(self, step: int, what: str, losses: Sequence[Tensor], paths: Sequence[Sequence[str]]) -> list[str]:
        """Write down and return the images of all processes' batches: those whose loss it is, or else all."""
        own = [(loss.item(), list(of_batch)) for loss, of_batch in zip(losses, paths, strict=True)]
        batches = [(process, *batch) for process, part in enumerate(all_gather_object(own)) for batch in part]
        if what == 'loss':
            batches = [batch for batch in batches if not torch.isfinite(torch.tensor(batch[1]))] or batches
        if is_main_process():
            file = Path(self.runner.log_dir, LIST)
            new = not file.exists()
            with open(file, 'a', newline='') as lines:
                rows = csv.writer(lines)
                if new:
                    rows.writerow(('step', 'what', 'process', 'loss', 'path'))
                rows.writerows((step, what, process, loss, path) for process, loss, of in batches for path in of)
        return [path for *_, of_batch in batches for path in of_batch]
