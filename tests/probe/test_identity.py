"""Identities of networks and transforms: whatever changes features changes them, and nothing that does not."""

import copy
import json
from functools import partial

import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from torch import nn

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.errors import UserError
from convnext_dense.probe.identity import identity_of
from tests.helpers.small_classifier import classifier

CHANGES = {
    'one weight': lambda network: network.stages[0][0].pwconv1.weight.data[0, 0].add_(1e-6),
    'eps of the final norm': lambda network: setattr(network.norm, 'eps', 1e-12),
    'a buffer that is not saved': lambda network: network.register_buffer('mean', torch.ones(1), persistent=False),
    'a private attribute': lambda network: setattr(network, '_scale', 2),
    'a buffer': lambda network: network.register_buffer('mean', torch.zeros(1)),
    'another activation': lambda network: setattr(network, 'activation', nn.GELU(approximate='tanh')),
    'a function': lambda network: setattr(network, 'pooling', torch.amax),
    'a type of module': lambda network: setattr(network, 'norm', nn.Identity()),
}


@pytest.mark.parametrize('change', CHANGES)
def test_another_network_is_told_apart(change):
    network = classifier().backbone
    changed = copy.deepcopy(network)
    assert identity_of(changed) == identity_of(network)
    CHANGES[change](changed)
    assert identity_of(changed) != identity_of(network)


def test_two_runs_of_a_network_and_its_modes_are_the_same():
    network = classifier().backbone
    before = identity_of(network)
    json.dumps(before)
    network.eval()(torch.rand(1, 3, 32, 32))
    assert identity_of(network) == before


def test_transforms_are_told_apart_by_their_settings_to_the_last_digit():
    first, again, smaller, other_crop = (
        identity_of(eval_transform(*size)) for size in ((32,), (32,), (31,), (32, 0.9))
    )
    assert first == again
    assert first not in (smaller, other_crop)
    json.dumps(first)
    shifted = eval_transform(32)
    shifted.transforms[-1].mean = shifted.transforms[-1].mean + 1e-6
    assert identity_of(shifted) != first


@pytest.mark.parametrize(
    'other', [dict(mean=[1, 2, 4], std=[1, 1, 1]), dict(mean=[1, 2, 3], std=[1, 1, 2]), dict(bgr_to_rgb=True), {}]
)
def test_preprocessors_are_told_apart_by_mean_std_and_order_of_channels(other):
    """mmengine keeps the first two in buffers that no state_dict has, the third in a private attribute."""
    given = dict(mean=[1, 2, 3], std=[1, 1, 1])
    assert identity_of(ImgDataPreprocessor(**given)) == identity_of(ImgDataPreprocessor(**given).eval())
    assert identity_of(ImgDataPreprocessor(**given)) != identity_of(ImgDataPreprocessor(**other))
    assert identity_of(ImgDataPreprocessor()) != identity_of(ImgDataPreprocessor(bgr_to_rgb=True))


class Slots:
    __slots__ = ('size',)


class Private:
    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self) -> int:
        return self._size

    crop = __call__


def test_objects_are_told_apart_by_all_that_they_hold_or_are_refused():
    pairs = [
        (partial(int, base=2), partial(int, base=3)),
        (partial(round, 1.5), partial(round, 2.5)),
        (Private(1), Private(2)),
        (Private(1).crop, Private(2).crop),
        (torch.float16, torch.float32),
        (torch.tensor(1.0).numpy()[()], torch.tensor(2.0).numpy()[()]),
    ]
    for one, other in pairs:
        assert identity_of(one) == identity_of(copy.copy(one)) != identity_of(other)
        json.dumps(identity_of(one))
    with pytest.raises(UserError, match=r'test_identity\.Slots has no __dict__ .* without __slots__$'):
        identity_of([Slots()])
