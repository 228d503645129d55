"""The samples that a trial takes: the largest, the widest, the highest, and those with most objects."""

from types import SimpleNamespace

import pytest
import torch

from convnext_dense.engine.batch_trial import bytes_of, largest_samples
from convnext_dense.errors import UserError


class Images:
    """Images of one color whose sizes depend on the index alone; a few can't be read."""

    def __init__(self, sizes, objects=None, unreadable=()):
        self.sizes, self.objects, self.unreadable = sizes, objects or {}, unreadable

    def __len__(self):
        return len(self.sizes)

    def get_data_info(self, index):
        return {'instances': [None] * self.objects.get(index, 0)}

    def __getitem__(self, key):
        index, _ = key
        image = None if index in self.unreadable else torch.zeros(3, *self.sizes[index])
        objects = SimpleNamespace(gt_instances=[None] * self.objects.get(index, 0))
        return {'inputs': image, 'data_samples': objects, 'index': index}


def test_each_extreme_is_in_the_batch_and_the_size_is_what_it_is_padded_to():
    sizes = [(10, 10)] * 200
    sizes[199], sizes[0] = (10, 40), (25, 25)
    samples, size = largest_samples(Images(sizes, objects={77: 9, 5: 3}), seed=0)
    assert {sample['index'] for sample in samples} >= {199, 0, 77}
    assert size == (25, 40)


def test_images_that_can_not_be_read():
    samples, _ = largest_samples(Images([(8, 8), (9, 9)], unreadable=(1,)), seed=0)
    assert [sample['index'] for sample in samples] == [0]
    with pytest.raises(UserError, match=r'none of .* can be read'):
        largest_samples(Images([(8, 8)], unreadable=(0,)), seed=0)


def test_data_that_do_not_tell_their_objects():
    images = Images([(8, 8)] * 5)
    images.get_data_info = None
    assert largest_samples(images, seed=0)[1] == (8, 8)


def test_bytes_of_batches():
    assert bytes_of({'inputs': torch.zeros(2, 3, 4, 4)}) == 2 * 3 * 16 * 4
    assert bytes_of({'inputs': [torch.zeros(3, 4, 4, dtype=torch.uint8)] * 3}) == 3 * 3 * 16
