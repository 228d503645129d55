"""Identities of networks and transforms: whatever changes features changes them, and nothing that does not."""

import copy
import json

import pytest
import torch
from torch import nn

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.probe.identity import identity_of
from tests.helpers.small_classifier import classifier

CHANGES = {
    'one weight': lambda network: network.stages[0][0].pwconv1.weight.data[0, 0].add_(1e-6),
    'eps of the final norm': lambda network: setattr(network.norm, 'eps', 1e-12),
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
