"""Which picture comes when, and with which random numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from ..registry import DATA_SAMPLERS

SeededIndex = tuple[int, int]  # (index of the sample, seed of its augmentation)


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Draws every sample once per epoch and hands each one the seed of its augmentation.

    The order depends on (seed, epoch), the augmentation on (seed, epoch, index): neither depends on the
    number of processes or of loader workers. Process r of R takes the samples r, r + R, ... of the common
    order, so that R processes with batch B see together the batches that one process with R x B sees.

    Args:
        dataset: the data set, or anything with a length.
        shuffle: draw in random order, and another one every epoch.
        seed: the same on all processes; None takes one from the first process.
    """

    def __init__(self, dataset: Sized, shuffle: bool, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset  # mmdet's batch sampler asks it for the shapes of the pictures
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.multiple_of = 1
        self.skip = 0  # samples of the epoch that all processes together have drawn before, in a resumed run

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[SeededIndex]:
        order = np.arange(self.size)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        for index in order[self.skip : self._used()][self.rank :: self.world_size].tolist():
            yield index, sample_seed(self.seed, self.epoch, index)

    def __len__(self) -> int:
        return len(range(self.rank, self._used(), self.world_size))

    def _used(self) -> int:
        """Samples drawn per epoch by all processes: training leaves out the rest of the last total batch."""
        return self.size // self.multiple_of * self.multiple_of


def sample_seed(seed: int, epoch: int, index: int) -> int:
    """A number in [0, 2^32) that is as good as random in each of its arguments."""
    return int(np.random.SeedSequence([seed, epoch, index]).generate_state(1)[0])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators inside the block, and restore them after it.

    The augmentation of timm draws from all three.
    """
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
