"""The encoder under a mask against a plain statement that loops over visible positions: a sparse network."""

import pytest
import torch

from convnext_dense.models.convnext import ConvNeXt
from convnext_dense.models.visible import VisiblePatches

SMALL = dict(depths=[1, 2, 1, 1], dims=[4, 6, 8, 10])


@pytest.mark.parametrize('version', [1, 2])
def test_both_ways_have_the_same_results(version):
    torch.manual_seed(0)
    network = ConvNeXt(SMALL, version=version, out_indices=(), layer_scale_init_value=1.0)
    images = torch.randn(2, 3, 64, 96)
    indices = torch.tensor([[0, 4], [2, 3]])
    outputs = [network(images, VisiblePatches(indices, stacked)) for stacked in (True, False)]
    torch.testing.assert_close(*outputs)
