"""Total batch of an optimizer step: choice of the gradient accumulation, and the loader that groups batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from ..compat import mmengine_private_names as internals
from ..counting import counted
from ..errors import UserError


class BatchPlan(NamedTuple):
    """Composition of the total batch of an optimizer step."""

    per_process: int
    processes: int
    accumulation: int
    wanted: int
    is_stated: bool = False
    """True if the wanted total batch is stated, rather than what comes of the accumulation."""

    @property
    def total(self) -> int:
        """Images per optimizer step, over all processes and accumulated batches."""
        return self.per_process * self.processes * self.accumulation

    @property
    def lr_factor(self) -> float:
        """Factor on the config's lr, which is for the wanted total batch; lr is proportional to the total batch."""
        return self.total / self.wanted

    def __str__(self) -> str:
        return (
            f'total batch {self.total} = {self.per_process} per process x '
            f'{counted(self.processes, "process", "processes")} x {self.accumulation} accumulated'
        )


def lr_for_batch(optimizer: Mapping[str, Any], batch: int, wanted: int) -> float:
    """Return the lr to suggest for another total batch than that of a config.

    The lr of SGD is proportional to the batch (arXiv 1706.02677), that of other optimizers to its square root, as for
    Adam (arXiv 2205.10287).

    Args:
        optimizer: the config's ``optim_wrapper.optimizer``, with its ``lr``.
        batch: the other total batch.
        wanted: total batch that the lr is for.
    """
    share = batch / wanted
    is_sgd = str(optimizer.get('type')).split('.')[-1] == 'SGD'
    return float(optimizer['lr'] * (share if is_sgd else math.sqrt(share)))


def accumulative_counts(runner: Any) -> int | None:
    """Return the ``accumulative_counts`` of a runner's optimizer wrapper, or None for mmengine's default, 1."""
    wrapper = runner.optim_wrapper
    built = isinstance(wrapper, OptimWrapper)
    counts = internals.accumulation_of(wrapper) if built else (wrapper or {}).get('accumulative_counts', 1)
    if isinstance(counts, bool) or not isinstance(counts, int) or counts < 1:
        raise UserError(f'optim_wrapper.accumulative_counts {counts!r}: take a whole number from 1')
    return counts if counts > 1 else None


def check_one_batch(images: int, per_process: int, processes: int = 1) -> None:
    """Raise a UserError if there are fewer training images than in one batch of all processes."""
    if images < 2 * processes:
        few = f'{counted(images, "training image")} {"is" if images == 1 else "are"} too few'
        raise UserError(f'{few}: there must be at least 2 for each process')
    if images < per_process * processes:
        most = max(2, images // processes // 2 * 2)
        raise UserError(
            f'{images} training images are fewer than one batch ({per_process} x {processes} processes): '
            f'take --batch {most} or less (train_dataloader.batch_size={most} in --cfg-options or a config)'
        )


def plan_batches(
    images: int,
    per_process: int,
    processes: int,
    total: int | None,
    accumulation: int | None = None,
    planned: int | None = None,
) -> BatchPlan:
    """Choose the accumulation that comes closest to the wanted total batch, with at least one step per epoch.

    Args:
        images: number of training images.
        per_process: batch size of one process.
        processes: number of processes.
        total: the wanted total batch; None for ``accumulation`` batches of all processes.
        accumulation: the wanted number of accumulated batches, or None.
        planned: another batch size of one process, whose total batch is kept as nearly as ``per_process`` can make it
            up; None for that of ``per_process`` itself.

    Raises:
        UserError: if there are fewer images than in one batch of all processes, or the two wishes differ.
    """
    if planned is not None:
        check_one_batch(images, per_process, processes)
        own = plan_batches(images, min(planned, images // processes), processes, total, accumulation)
        chosen = max(1, min(round(own.total / (per_process * processes)), images // (per_process * processes)))
        return own._replace(per_process=per_process, accumulation=chosen)
    check_one_batch(images, per_process, processes)
    at_once = per_process * processes
    asked = at_once * (accumulation or 1)
    wanted = asked if total is None else total
    chosen = min(max(1, round(wanted / at_once)), images // at_once)
    if accumulation is not None and accumulation != chosen:
        reason = (
            f'{images} images make {chosen} batches at most'
            if total is None
            else f'train_cfg.total_batch_size={total} makes it {chosen} of {per_process} x {processes} processes: '
            f'leave one out, or set train_cfg.total_batch_size={asked}'
        )
        raise UserError(f'optim_wrapper.accumulative_counts={accumulation}, but {reason}')
    return BatchPlan(per_process, processes, chosen, wanted, is_stated=total is not None)


def describe_batch_norms(model: nn.Module, batch: int, planned: int | None) -> str:
    """Describe what another batch than the config's changes in a model; empty where nothing is.

    Args:
        model: the model.
        batch: images that a process takes at once.
        planned: the config's own; None if it is that.
    """
    if planned is None or planned == batch:
        return ''
    norms = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm) and _learns(module)]
    parts = list(dict.fromkeys(name.split('.')[0] for name in norms))
    if not parts:
        return ''
    return (
        f'BatchNorm in {" and ".join(parts)} normalizes {batch} images at once, not {planned}: results differ a little'
    )


def _learns(norm: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in norm.parameters())


def prepend(first: dict, rest: Iterator[dict]) -> Iterator[dict]:
    """Yield a batch and then the others; unlike ``itertools.chain``, the first is not kept in memory until the end."""
    yield first
    del first
    yield from rest


class AccumulatedLoader:
    """Data loader wrapper that yields iterators over ``accumulation`` batches; other attributes are the loader's.

    An iterator fetches each batch only when it is needed, so that the total batch need not fit in memory. Batches at
    the end of an epoch that do not fill a step are dropped. Attributes that are set are the loader's too: hooks of
    mmdet that change the augmentation restart its workers so.
    """

    loader: DataLoader
    accumulation: int

    def __init__(self, loader: DataLoader, accumulation: int) -> None:
        super().__setattr__('loader', loader)
        super().__setattr__('accumulation', accumulation)

    def __len__(self) -> int:
        return len(self.loader) // self.accumulation

    def __iter__(self) -> Iterator[Iterator[dict]]:
        batches = iter(self.loader)
        for _ in range(len(self)):
            first = next(batches, None)  # fetched here, so that waiting for it counts as data time
            if first is None:
                return  # end of a resumed epoch
            of_step = prepend(first, islice(batches, self.accumulation - 1))
            del first  # or it would stay in memory for the whole step
            yield of_step

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.loader, name, value)
