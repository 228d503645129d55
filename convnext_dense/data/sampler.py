"""The order in which samples are drawn, and the seeds of their augmentation."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler, get_worker_info

from ..registry import DATA_SAMPLERS

SeededIndex = tuple[int, int]
"""The index of a sample, and the seed of its augmentation."""


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Draws every sample once per epoch, each with a seed for its augmentation.

    The order depends on (seed, epoch), the augmentation on (seed, epoch, index), and neither on the number of
    processes or of loader workers. Process r of R takes the samples r, r + R, ... of the common order, so that R
    processes with batches of B draw together the batches that one process with batches of R x B draws.

    Args:
        dataset: the data set, or anything with a length.
        shuffle: draw in random order, a new one in every epoch.
        seed: the same on all processes; None takes a random one of the first process.
    """

    def __init__(self, dataset: Sized, shuffle: bool, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset: Any = dataset
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self._total_batch = 1
        self._done = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def use_seed(self, seed: int) -> None:
        """Draw as a sampler with this seed: the one of the run that is resumed."""
        self.seed = seed

    def use_whole_batches(self, total: int) -> None:
        """Leave out the samples at the end of each epoch that do not fill a total batch, of all processes."""
        self._total_batch = total

    def start_after(self, samples: int) -> None:
        """Start epochs after the samples that all processes together have drawn before a run was interrupted."""
        self._done = samples

    @property
    def done(self) -> int:
        """Samples of the epoch that all processes together have drawn before the sampler starts."""
        return self._done

    def __iter__(self) -> Iterator[SeededIndex]:
        return self.epoch_from(self._done)

    def epoch_from(self, skip: int) -> Iterator[SeededIndex]:
        """Draw this process's samples of the epoch, after the first ``skip`` ones, which all processes share."""
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for index in order[skip : self._used()][self.rank :: self.world_size].tolist():
            yield index, sample_seed(self.seed, self.epoch, index)

    def __len__(self) -> int:
        return len(range(self.rank, self._used(), self.world_size))

    def _used(self) -> int:
        """Return the number of samples that all processes draw per epoch, without an incomplete last batch."""
        return self.size // self._total_batch * self._total_batch


@DATA_SAMPLERS.register_module()
class AspectRatioBatches(Sampler[list[SeededIndex]]):
    """Batches of images that are all wide or all tall, which need less padding; only an epoch's last may mix them.

    (The sampler of mmdet leaves out one batch more than it should, now and then, so that the length of an epoch is not
    known.)

    Args:
        sampler: the sampler of a data set whose ``get_data_info`` gives ``width`` and ``height``.
        batch_size: images in a batch; an incomplete last batch is left out.
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
            info = self.sampler.dataset.get_data_info(key)
            batch = wide if info['width'] >= info['height'] else tall
            batch.append(key)
            if len(batch) == self.batch_size:
                yield batch.copy()
                batch.clear()
        rest = wide + tall
        if len(rest) >= self.batch_size:
            yield rest[: self.batch_size]


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """Hash the arguments to a number in [0, 2^32)."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators inside the block, and restore them after it.

    timm's augmentation draws from all three. In a loader worker, where nothing else draws, they are not restored,
    which would take longer than normalizing an image.
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
