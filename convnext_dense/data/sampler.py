"""Samplers: the order of the samples, and the seeds of their augmentation."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler, get_worker_info

from ..errors import UserError
from ..registry import DATA_SAMPLERS
from .balance import Balance, changes_nothing, describe, draw, find_classes, names_of

SeededIndex = tuple[int, int]
"""The index of a sample, and the seed of its augmentation."""


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Sampler that yields every sample once per epoch, with a seed for its augmentation, or balances the classes.

    The order depends on (seed, epoch), the augmentation on (seed, epoch, index) and how often the sample
    came before in the epoch, and neither on the number of
    processes or loader workers. Process r of R takes the samples r, r + R, ... of the common order, so that R
    processes with batch size B together use the same batches as one process with batch size R x B.

    Args:
        dataset: the data set, or any object with a length.
        shuffle: use a new random order in every epoch.
        seed: the seed, equal on all processes; None for a random one from the first process.
        balance: strength, above 0 and up to 1, by which samples of rare classes come more often and others less, in
            epochs of the same length; None or 0 for every sample once. See :mod:`.balance`.
        balance_threshold: the share of the samples up to which a class counts as rare, where samples show several;
            None for the mean share of the classes.

    Raises:
        UserError: if the balance is out of range, or the data set does not tell the classes of its samples.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool,
        seed: int | None = None,
        balance: float | None = None,
        balance_threshold: float | None = None,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset: Any = dataset
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self._total_batch = 1
        self._done = 0
        self.balance = Balance.of(balance, balance_threshold)
        self._expected: np.ndarray | None = None  # how often each sample comes in an epoch; None for once
        self._groups: np.ndarray | None = None
        if self.balance is not None:
            self._find_balance(self.balance)

    def _find_balance(self, balance: Balance) -> None:
        """Find how often each sample comes, say what becomes of the classes, and tell a data set that mixes images."""
        if not self.shuffle:
            raise UserError('train_dataloader.sampler.balance draws samples at random: set its shuffle=True')
        shown = find_classes(self.dataset)
        expected = balance.expected(shown)
        print_log(describe(balance, shown, expected, names_of(self.dataset)), 'current')
        if changes_nothing(expected):
            return
        self._expected, self._groups = expected, shown.labels if shown.one_each else None
        if hasattr(self.dataset, 'draw_others_by'):
            self.dataset.draw_others_by(expected)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def use_seed(self, seed: int) -> None:
        """Set the seed, to that of a resumed run."""
        self.seed = seed

    def use_whole_batches(self, total: int) -> None:
        """Drop the samples at the end of each epoch that do not fill a total batch (over all processes)."""
        self._total_batch = total

    def start_after(self, samples: int) -> None:
        """Skip the first ``samples`` samples (over all processes) of each epoch, to resume an interrupted one."""
        self._done = samples

    @property
    def done(self) -> int:
        """Number of samples (over all processes) that are skipped at the start of an epoch."""
        return self._done

    def __iter__(self) -> Iterator[SeededIndex]:
        return self.epoch_from(self._done)

    def epoch_from(self, skip: int) -> Iterator[SeededIndex]:
        """Yield this process's samples of the epoch, without the first ``skip`` samples (over all processes)."""
        random = np.random.default_rng([self.seed, self.epoch])
        if self._expected is not None:
            order, copies = draw(self._expected, self._groups, random)
        else:
            order, copies = np.arange(self.size), np.zeros(self.size, int)
            if self.shuffle:
                random.shuffle(order)
        own = slice(skip + self.rank, self._used(), self.world_size)
        for index, copy in zip(order[own].tolist(), copies[own].tolist(), strict=True):
            yield index, sample_seed(self.seed, self.epoch, index, copy)

    def __len__(self) -> int:
        return len(range(self.rank, self._used(), self.world_size))

    def _used(self) -> int:
        """Return the number of samples per epoch (over all processes), without an incomplete last batch."""
        return self.size // self._total_batch * self._total_batch


@DATA_SAMPLERS.register_module()
class AspectRatioBatches(Sampler[list[SeededIndex]]):
    """Batch sampler that groups wide and tall images, to save padding; only an epoch's last batch may mix them.

    (mmdet's own sampler sometimes drops a batch too many, so that the length of an epoch is not known.)

    Args:
        sampler: the sampler of a data set whose ``get_data_info`` returns ``height`` and ``width``.
        batch_size: images per batch; an incomplete last batch is dropped.
    """

    def __init__(self, sampler: SeededSampler, batch_size: int) -> None:
        self.sampler = sampler
        self.batch_size = batch_size

    def __len__(self) -> int:
        return len(self.sampler) // self.batch_size

    def __iter__(self) -> Iterator[list[SeededIndex]]:
        done = self.sampler.done // self.sampler.world_size // self.batch_size
        return islice(self._batches_of_epoch(), done, None)  # the images of a batch depend on all batches before

    def _batches_of_epoch(self) -> Iterator[list[SeededIndex]]:
        wide: list[SeededIndex] = []
        tall: list[SeededIndex] = []
        for key in self.sampler.epoch_from(0):
            try:
                info = self.sampler.dataset.get_data_info(key)
                batch = wide if info['width'] >= info['height'] else tall
            except (AttributeError, KeyError):
                raise UserError(
                    'AspectRatioBatches needs the height and width of each image, which the data set does not tell: '
                    'set train_dataloader.batch_sampler to None'
                ) from None
            batch.append(key)
            if len(batch) == self.batch_size:
                yield batch.copy()
                batch.clear()
        rest = wide + tall
        if len(rest) >= self.batch_size:
            yield rest[: self.batch_size]


def sample_seed(seed: int, epoch: int, index: int, copy: int = 0) -> int:
    """Hash the arguments to a seed in [0, 2^32).

    Args:
        seed, epoch, index: of the run, the epoch and the sample.
        copy: how often the sample came in the epoch before.
    """
    return int(np.random.SeedSequence([seed, epoch, index, *([copy] if copy else [])]).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Context that seeds the random generators of Python, numpy and torch (CPU), and restores them at the end.

    timm's augmentation uses all three. In a loader worker, where nothing else uses them, they are not restored, since
    that takes longer than normalizing an image.
    """
    before = None if get_worker_info() else (random.getstate(), np.random.get_state(), torch.get_rng_state())
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        if before:
            random.setstate(before[0])
            np.random.set_state(before[1])
            torch.set_rng_state(before[2])
