"""What weight decay pulls at."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

import convnext_dense  # noqa: F401 - registers the constructor
from convnext_dense.models import ConvNeXt

CONFIG = dict(
    type='OptimWrapper',
    constructor='convnext_dense.WeightDecayConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
)


@pytest.mark.parametrize('version', [1, 2])
def test_only_matrices_and_kernels_decay(version):
    model = nn.Sequential(ConvNeXt(dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16]), version=version, frozen_stages=0))
    wrapper = build_optim_wrapper(model, dict(CONFIG))
    decay = {id(p): g['weight_decay'] for g in wrapper.optimizer.param_groups for p in g['params']}
    for name, p in model.named_parameters():
        if name.startswith('0.downsample_layers.0.'):
            assert id(p) not in decay  # frozen
            continue
        kernel = name.endswith(('dwconv.weight', 'pwconv1.weight', 'pwconv2.weight'))
        kernel |= 'downsample_layers' in name and name.endswith('.1.weight')
        assert decay[id(p)] == (0.05 if kernel else 0.0), name
    assert [g['group_name'] for g in wrapper.optimizer.param_groups] == ['decay', 'no_decay']


def test_the_optimizer_is_the_configs():
    wrapper = build_optim_wrapper(nn.Linear(2, 2), dict(CONFIG))
    assert type(wrapper.optimizer) is torch.optim.AdamW
    assert wrapper.optimizer.defaults['lr'] == 1e-3
