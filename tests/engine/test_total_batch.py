"""The plan of the total batch and the accumulation it leads to."""

import pytest
from torch import nn
from torch.utils.data import DataLoader

from convnext_dense.engine.total_batch import AccumulatedLoader, describe_batch_norms, plan_batches
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('images', 'per_process', 'processes', 'total', 'accumulation', 'reached'),
    [
        (1_281_167, 128, 8, 4096, 4, 4096),  # the paper's, on one node
        (1_281_167, 64, 64, 4096, 1, 4096),
        (1_281_167, 128, 1, 4096, 32, 4096),
        (1_281_167, 96, 8, 4096, 5, 3840),  # 4096 can't be reached: the nearest
        (1_281_167, 512, 16, 4096, 1, 8192),  # more at once than wanted
        (1000, 128, 1, 4096, 7, 896),  # at least one step per epoch
        (1000, 100, 2, None, 1, 200),
    ],
)
def test_plan_comes_as_near_to_the_total_as_it_can(images, per_process, processes, total, accumulation, reached):
    plan = plan_batches(images, per_process, processes, total)
    assert (plan.accumulation, plan.total) == (accumulation, reached)
    assert plan.lr_factor == reached / (total or reached)


def test_plan_says_itself_in_one_line():
    plan = plan_batches(10_000, 128, 8, 4096)
    assert str(plan) == 'total batch 4096 = 128 per process x 8 processes x 4 accumulated'


def test_one_image_is_too_few():
    with pytest.raises(UserError, match='at least 2 for each process'):
        plan_batches(3, 128, 2, 4096)


def test_fewer_images_than_a_batch_is_an_error_with_a_batch_that_fits():
    with pytest.raises(UserError, match=r'20 training images are .*--batch 10 or less \(train_dataloader.batch_'):
        plan_batches(20, 128, 2, 4096)


def test_loader_fetches_each_batch_when_its_turn_has_come():
    class Loader(list):
        def __iter__(self):
            for item in super().__iter__():
                fetched.append(item)
                yield item

    fetched: list[int] = []
    batches = iter(next(iter(AccumulatedLoader(Loader(range(6)), 3))))
    assert [next(batches), len(fetched), next(batches), len(fetched)] == [0, 1, 1, 2]


def test_loader_groups_and_drops_an_incomplete_one():
    loader = AccumulatedLoader(range(7), 3)
    assert [list(batches) for batches in loader] == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2
    assert loader.start == 0  # everything else is the loader's own


def test_attributes_are_set_on_the_loader():
    """mmdet's hooks have it start its workers anew this way."""
    loader = DataLoader(list(range(8)), batch_size=2)
    accumulated = AccumulatedLoader(loader, 2)
    accumulated._iterator = 'none'
    assert (loader._iterator, accumulated._iterator) == ('none', 'none')
    assert '_iterator' not in vars(accumulated)


@pytest.mark.parametrize(
    ('images', 'per_process', 'planned', 'processes', 'total', 'accumulation', 'reached', 'factor'),
    [
        (100_000, 4, 16, 1, 16, 4, 16, 1),  # the recipe's total, from smaller batches
        (100_000, 16, 2, 1, 16, 1, 16, 1),  # and from larger ones
        (100_000, 2, 8, 4, None, 4, 32, 1),  # none is stated: that of the config's batch
        (180, 32, 128, 1, 4096, 4, 128, 128 / 4096),  # few images: 128 with the config's batch as well
        (60, 8, 128, 1, 4096, 7, 56, 56 / 4096),  # fewer than the config's batch: as near as can be
        (100_000, 12, 16, 1, 16, 1, 12, 12 / 16),  # 16 can't be reached: the lr follows
    ],
)
def test_another_batch_keeps_the_total_of_the_planned_one(
    images, per_process, planned, processes, total, accumulation, reached, factor
):
    plan = plan_batches(images, per_process, processes, total, planned=planned)
    assert (plan.accumulation, plan.total, plan.lr_factor) == (accumulation, reached, pytest.approx(factor))


def test_accumulated_batches_are_counted_in_planned_ones():
    assert plan_batches(1000, 2, 1, None, accumulation=3, planned=4).accumulation == 6


def test_batch_norms_are_said_to_depend_on_the_batch():
    model = nn.ModuleDict({'backbone': nn.Linear(2, 2), 'decode_head': nn.Sequential(nn.BatchNorm2d(2))})
    said = 'BatchNorm in decode_head normalizes 2 images at once, not 8: results differ a little'
    assert describe_batch_norms(model, 2, 8) == said
    assert describe_batch_norms(model, 8, 8) == describe_batch_norms(model, 8, None) == ''
    model.requires_grad_(False)
    assert describe_batch_norms(model, 2, 8) == ''
