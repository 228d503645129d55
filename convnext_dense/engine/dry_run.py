"""Run the parts of a model once without computing anything, before data are read.

Parts that do not fit each other, and norms that get too little to normalize by, fail in the first step: after data
sets have been read and workers started, with an error from inside torch. Here the same parts run on torch's meta
device, which has shapes and no values, so it takes a fraction of a second whatever the size of the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import gcd
from typing import Any, Protocol

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import UserError, describe_error
from ..io.out_of_memory import is_out_of_memory

FAILURES = (RuntimeError, IndexError, ValueError, AssertionError, TypeError)
"""Errors of parts that do not fit; others are for the first step itself to raise."""
OF_DEVICE = re.compile(r'cuda|triton|for device|not implemented', re.IGNORECASE)
"""What messages have that are of the device rather than of the parts, such as those of operators for GPUs alone."""
SIDE = 128
"""Sides in pixels of the images with values: whether parts fit hardly ever depends on it."""


class Part(Protocol):
    """A part of a model and what it gets in training; see :class:`convnext_dense.tasks.records.Part`."""

    @property
    def key(self) -> str: ...
    @property
    def inputs(self) -> Sequence[Tensor]: ...


class ChecksModels(Protocol):
    """The methods of a :class:`~convnext_dense.tasks.Task` that the check needs."""

    def check_model(self, model: Any, settings: Mapping[str, Any]) -> None: ...
    def training_size(self, cfg: Config) -> tuple[int, int]: ...
    def training_parts(self, model: Any, image: Tensor) -> Iterator[Any]: ...


def check_first_step(model: nn.Module, cfg: Config, task: ChecksModels) -> None:
    """Check that the parts of a model fit each other, the loss, and the batch of one process.

    Where a part needs values, which the meta device lacks, at most two images are computed on the CPU, small ones if
    that decides. A part that does not run there at all is not checked.

    Args:
        model: the model that the config describes, on any device; it is in training mode afterwards.
        cfg: the config of a run that trains.
        task: the config's task.

    Raises:
        UserError: if a part can't take what another gives, if a BatchNorm would get one value per channel, or if the
            task finds a setting that does not fit (:meth:`~convnext_dense.tasks.Task.check_model`).
    """
    task.check_model(model, cfg.model)
    channels = getattr(getattr(model, 'backbone', None), 'in_channels', 3)
    batch, size = cfg.train_dataloader.batch_size, task.training_size(cfg)
    parts = _Parts(model.train(), task.training_parts)
    with _norms_checked(model, parts, batch):
        _run(parts, batch, channels, size)


def check_parts_fit(model: nn.Module, task: ChecksModels, size: tuple[int, int]) -> None:
    """Check that the parts of a model fit each other, as far as :func:`check_first_step` does, for one image.

    Args:
        model: the model, on any device but meta; it is in evaluation mode afterwards.
        task: its task.
        size: height and width of the image in pixels.

    Raises:
        UserError: if a part can't take what another gives.
    """
    channels = getattr(getattr(model, 'backbone', None), 'in_channels', 3)
    parts = _Parts(model.eval(), task.training_parts)
    try:
        _run(parts, 1, channels, size)
    except UserError:
        if parts.current.key != 'model':  # of a model whose parts are not known, it would say nothing
            raise


def _run(parts: _Parts, batch: int, channels: int, size: tuple[int, int]) -> None:
    try:
        parts.run(torch.empty((batch, channels, *size), device='meta'))
    except UserError:
        raise
    except Exception:  # a part of the user's own may be unable to run without values
        _run_with_values(parts, min(batch, 2), channels, size)


def _run_with_values(parts: _Parts, batch: int, channels: int, size: tuple[int, int]) -> None:
    """Run the parts on as few values as decide: a norm needs two, which two images have, whatever their size."""
    small = (min(size[0], SIDE), min(size[1], SIDE))
    for tried in [small, size] if batch > 1 and small != tuple(size) else [size]:
        try:
            parts.run(torch.zeros(batch, channels, *tried))
        except UserError:
            raise
        except FAILURES as error:
            if not hasattr(parts, 'current'):  # an image of this size can't be made
                return
            if isinstance(error, NotImplementedError) or OF_DEVICE.search(str(error)) or is_out_of_memory(error):
                return
            if tuple(tried) == tuple(size):  # a part may be for images of this size
                raise UserError(_misfit(parts.current, error)) from error
        except Exception:
            return
        else:
            return


class _Parts(nn.Module):
    """The parts of a model that training runs, as one module.

    Attributes:
        current: the part that runs, or ran last.
    """

    current: Part

    def __init__(self, model: nn.Module, parts: Callable[[nn.Module, Tensor], Iterator[Part]]) -> None:
        super().__init__()
        self.model = model
        self.parts = parts

    def forward(self, image: Tensor) -> None:
        for part in self.parts(self.model, image):
            self.current = part

    def run(self, image: Tensor) -> None:
        """Run the parts on a batch of images; neither weights, statistics nor random generators change."""
        tensors = dict(_own_tensors(self))
        copy_of = {
            tensor: torch.empty_like(tensor, device='meta') if image.is_meta else tensor.detach().cpu().clone()
            for tensor in tensors.values()
        }
        copies = {name: copy_of[tensor] for name, tensor in tensors.items()}
        with torch.no_grad(), torch.random.fork_rng(devices=[]), torch.compiler.set_stance('force_eager'):
            # torch's own tying would leave the copies in modules that are shared
            functional_call(self, copies, (image,), tie_weights=False)


def _own_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of each module, shared tensors for each module that has them."""
    for prefix, module in model.named_modules():
        for tensors in (module.named_parameters, module.named_buffers):
            yield from tensors(prefix, recurse=False, remove_duplicate=False)


@contextmanager
def _norms_checked(model: nn.Module, parts: _Parts, batch: int) -> Iterator[None]:
    """Context in which a BatchNorm that gets one value per channel of a batch is an error.

    SyncBN normalizes by the batches of all processes on GPUs, where it is not checked, and does not run elsewhere.
    """
    joined = is_distributed() and torch.cuda.is_available()
    handles, synced = [], []
    for name, module in model.named_modules():
        if isinstance(module, nn.SyncBatchNorm) and module.training:
            synced.append(module.eval())
        if isinstance(module, _BatchNorm) and (module.training or (module in synced and not joined)):
            handles.append(module.register_forward_pre_hook(_check_norm(name, model, parts, batch)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module in synced:
            module.train()


def _check_norm(
    name: str, model: nn.Module, parts: _Parts, batch: int
) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def check(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        _, channels, *sides = inputs[0].shape
        if inputs[0].numel() != channels or not channels:
            return
        maps = f' and its map is {" x ".join(map(str, sides))}' if sides else ''
        key = parts.current.key
        other = 'take norms that need no batch'
        if 'norm_cfg' in vars(model.get_submodule(key.removeprefix('model.'))):
            groups = gcd(channels // 2, 32)  # of two channels or more, or 1 x 1 maps have one value in each
            other = (
                f"take GroupNorm: --cfg-options '{key}.norm_cfg=dict(_delete_=True, type=GN, num_groups={groups}, "
                "requires_grad=True)'"
            )
        raise UserError(
            f'BatchNorm model.{name} has one value per channel to normalize by, since the batch of a process is '
            f'{batch}{maps}: set train_dataloader.batch_size to 2 or more, or train on several GPUs, whose batches '
            f'SyncBN joins, or {other}'
        )

    return check


def _misfit(part: Part, error: Exception) -> str:
    sizes = [f'{tensor.shape[1]} channels ({" x ".join(map(str, tensor.shape[2:]))})' for tensor in part.inputs]
    got = f', which gets {", ".join(sizes)},' if sizes else ''
    return (
        f"the config's {part.key}{got} does not fit the parts before it: {describe_error(error)}: compare its "
        "in_channels, in_index and the like with the backbone's out_indices and dims"
    )
