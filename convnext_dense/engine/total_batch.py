"""The total batch of an optimizer step: how many images it has, and the loader that yields its batches together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from torch.utils.data import DataLoader

from ..errors import UserError


class BatchPlan(NamedTuple):
    """How the total batch of one optimizer step is reached."""

    per_process: int
    processes: int
    accumulation: int
    wanted: int

    @property
    def total(self) -> int:
        """Images per optimizer step, of all processes and accumulated batches."""
        return self.per_process * self.processes * self.accumulation

    @property
    def lr_factor(self) -> float:
        """Factor on the config's lr, which is for the wanted total batch: lr grows linearly with the total."""
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
    """A data loader that yields ``accumulation`` batches at a time; every other attribute is the loader's own.

    They come as an iterator that fetches each batch when its turn comes: a total batch need not fit in memory. Batches
    that are left at the end of an epoch and fill no step are dropped.
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
                return  # the rest of an epoch that was interrupted
            of_step = chain([first], islice(batches, self.accumulation - 1))
            del first  # or it would stay in memory for the whole step
            yield of_step

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)
