"""bfloat16 mixed precision."""

import torch
from torch import nn

from convnext_dense.optim import BF16OptimWrapper


def test_forward_runs_in_bfloat16_and_weights_stay_float32():
    model = nn.Linear(4, 4)
    wrapper = BF16OptimWrapper(optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        out = model(torch.ones(2, 4))
    assert out.dtype == torch.bfloat16
    assert model(torch.ones(2, 4)).dtype == torch.float32
    wrapper.update_params(out.float().sum())
    assert model.weight.dtype == torch.float32
    assert torch.allclose(model.weight, before - 2.0)
