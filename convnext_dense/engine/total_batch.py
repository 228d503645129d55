"""Total batch of an optimizer step: choice of the gradient accumulation, and the loader that groups batches."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from torch.utils.data import DataLoader

from ..counting import counted
from ..errors import UserError


class BatchPlan(NamedTuple):
    """Composition of the total batch of an optimizer step."""

    per_process: int
    processes: int
    accumulation: int
    wanted: int

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


def plan_batches(images: int, per_process: int, processes: int, total: int | None) -> BatchPlan:
    """Choose the accumulation that comes closest to the wanted total batch, with at least one step per epoch.

    Args:
        images: number of training images.
        per_process: batch size of one process.
        processes: number of processes.
        total: the wanted total batch; None for no accumulation.

    Raises:
        UserError: if there are fewer images than in one batch of all processes.
    """
    at_once = per_process * processes
    if images < 2 * processes:
        few = f'{counted(images, "training image")} {"is" if images == 1 else "are"} too few'
        raise UserError(f'{few}: there must be at least 2 for each process')
    if images < at_once:
        raise UserError(
            f'{images} training images are fewer than one batch ({per_process} x {processes} processes): '
            f'set --cfg-options train_dataloader.batch_size={max(2, images // processes // 2 * 2)} or less'
        )
    wanted = at_once if total is None else total
    accumulation = min(max(1, round(wanted / at_once)), images // at_once)
    return BatchPlan(per_process, processes, accumulation, wanted)


def prepend(first: dict, rest: Iterator[dict]) -> Iterator[dict]:
    """Yield a batch and then the others; unlike ``itertools.chain``, the first is not kept in memory until the end."""
    yield first
    del first
    yield from rest


class AccumulatedLoader:
    """Data loader wrapper that yields iterators over ``accumulation`` batches; other attributes are the loader's.

    An iterator fetches each batch only when it is needed, so that the total batch need not fit in memory. Batches at
    the end of an epoch that do not fill a step are dropped.
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
                return  # end of a resumed epoch
            of_step = prepend(first, islice(batches, self.accumulation - 1))
            del first  # or it would stay in memory for the whole step
            yield of_step

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)
