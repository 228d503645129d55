"""The order of the samples and the seeds of their augmentation."""

import random

import numpy as np
import pytest
import torch

from convnext_dense.data import sampler as module
from convnext_dense.data.sampler import AspectRatioBatches, SeededSampler, sample_seed, seeded


def draw(size: int = 10, epoch: int = 0, seed: int = 3, shuffle: bool = True, total_batch: int = 1) -> list:
    sampler = SeededSampler(range(size), shuffle=shuffle, seed=seed)
    sampler.use_whole_batches(total_batch)
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert len(drawn) == len(sampler)
    return drawn


def indices(drawn: list) -> list[int]:
    return [index for index, _ in drawn]


def test_every_sample_comes_once_in_another_order_each_epoch():
    first, second = draw(epoch=0), draw(epoch=1)
    assert sorted(indices(first)) == sorted(indices(second)) == list(range(10))
    assert indices(first) != indices(second) != list(range(10))
    assert draw(epoch=1) == second
    assert indices(draw(shuffle=False)) == list(range(10))


def test_seeds_depend_on_seed_epoch_and_index():
    seeds = {sample_seed(s, e, i) for s in range(5) for e in range(5) for i in range(40)}
    assert len(seeds) == 5 * 5 * 40
    assert dict(draw(epoch=2))[4] == sample_seed(3, 2, 4)


@pytest.mark.parametrize('world_size', [2, 3])
def test_processes_together_draw_the_batches_of_one(monkeypatch, world_size):
    alone = indices(draw(size=12))
    parts = []
    for rank in range(world_size):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, world_size))
        parts.append(indices(draw(size=12)))
    batch = 2
    for start in range(0, 12 // world_size, batch):
        together = sorted(i for part in parts for i in part[start : start + batch])
        assert together == sorted(alone[start * world_size : (start + batch) * world_size])


def test_evaluation_counts_each_sample_once_on_uneven_processes(monkeypatch):
    parts = []
    for rank in range(4):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, 4))
        parts += indices(draw(size=10, shuffle=False))
    assert sorted(parts) == list(range(10))


def test_training_leaves_out_the_rest_of_the_last_total_batch(monkeypatch):
    assert len(draw(size=10, total_batch=4)) == 8
    monkeypatch.setattr(module, 'get_dist_info', lambda: (1, 2))
    assert len(draw(size=10, total_batch=4)) == 4


def test_seeded_gives_the_same_numbers_and_leaves_no_trace():
    def numbers() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    undisturbed = [numbers(), numbers()]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = numbers()
    with seeded(7):
        one = numbers()
    with pytest.raises(KeyError), seeded(7):
        two = numbers()
        raise KeyError
    assert one == two
    assert [before, numbers()] == undisturbed


class Images(list):
    """Shapes of images."""

    def get_data_info(self, key: tuple[int, int]) -> dict:
        return self[key[0]]


@pytest.mark.parametrize('tall', range(13))
def test_batches_are_all_wide_or_all_tall_and_as_many_as_they_say(tall):
    """Also where the rest of both is a whole batch, which mmdet's own sampler would leave out."""
    images = Images(dict(width=10, height=20 if i < tall else 5) for i in range(12))
    batches = list(AspectRatioBatches(SeededSampler(images, shuffle=True, seed=0), batch_size=4))
    assert len(batches) == 3
    assert sorted(index for batch in batches for index, _ in batch) == list(range(12))
    mixed = [len({images[index]['height'] for index, _ in batch}) > 1 for batch in batches]
    assert not any(mixed[:-1])


def test_a_cut_epoch_goes_on_with_the_samples_that_were_not_drawn():
    sampler = SeededSampler(range(10), shuffle=True, seed=3)
    whole = list(sampler)
    sampler.start_after(4)
    assert list(sampler) == whole[4:]


@pytest.mark.parametrize('world_size', [1, 2])
def test_a_cut_epoch_goes_on_with_the_batches_by_aspect_that_were_not_drawn(monkeypatch, world_size):
    monkeypatch.setattr(module, 'get_dist_info', lambda: (0, world_size))
    images = Images(dict(width=10, height=20 if i % 3 else 5) for i in range(24))
    sampler = SeededSampler(images, shuffle=True, seed=0)
    whole = list(AspectRatioBatches(sampler, batch_size=2))
    assert len(whole) == 12 // world_size
    for steps in range(len(whole) + 1):
        sampler.start_after(steps * 2 * world_size)
        assert list(AspectRatioBatches(sampler, batch_size=2)) == whole[steps:]
