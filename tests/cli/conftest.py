"""A checkpoint of another model."""

import pytest
import torch


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """A small checkpoint that another model than atto would have written."""
    path = tmp_path_factory.mktemp('weights') / 'epoch_1.pth'
    block = {'gamma': torch.zeros(7), 'dwconv.weight': torch.zeros(7, 1, 7, 7)}
    state_dict = {f'backbone.stages.0.0.{name}': tensor for name, tensor in block.items()}
    torch.save({'meta': {'epoch': 1}, 'state_dict': state_dict}, path)
    return path
