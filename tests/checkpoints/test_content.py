"""The content of checkpoints."""

from collections import Counter

import numpy as np
import torch

from convnext_dense.checkpoints.content import RESUMABLE, Checkpoint, Meta, RunFacts, plain
from convnext_dense.weights.extraction import VERSION_KEY
from tests.helpers import toy


def test_plain_values_come_back_from_a_file_as_they_were(tmp_path):
    value = {'a': [1, (2.5, None)], 3: {'b': True}, 'milestones': Counter([6, 9]), 0.5: 'x'}
    torch.save(plain(value), tmp_path / 'x.pth')
    again = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert again == {'a': [1, [2.5, None]], 3: {'b': True}, 'milestones': {6: 1, 9: 1}, 0.5: 'x'}
    assert [type(key) for key in again['milestones']] == [int, int]


def test_what_is_not_plain_is_left_out_or_becomes_text():
    value = {'f': print, 'd': np.float64(0.1), ('a', 1): 2, 'l': [print, 1]}
    assert plain(value) == {'d': 0.1, "('a', 1)": 2, 'l': [1]}
    assert type(plain({'d': np.float64(0.1)})['d']) is float


def test_a_checkpoint_has_the_documented_keys(tmp_path):
    toy.runner(tmp_path, {}, scores=(1.0,)).train()
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert content.keys() == Checkpoint.__annotations__.keys() - {'remembered'}  # a model without a memory
    assert content['meta'].keys() == Meta.__annotations__.keys()
    assert VERSION_KEY in content['meta']
    assert content['meta']['run'].keys() == RunFacts.__annotations__.keys()
    assert set(RESUMABLE) <= content.keys()
