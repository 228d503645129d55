"""Losses that do not fit their heads."""

import pytest
import torch
from torch import nn

from convnext_dense.engine.losses import explain_losses
from convnext_dense.errors import UserError


class Loss(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x):
        return self.compute(x)

    @staticmethod
    def scaled(error):
        raise error

    def compute(self, x):
        self.scaled(self.error)


def model_with(error: Exception, name: str = 'loss_bbox') -> nn.Module:
    model = nn.Module()
    model.bbox_head = nn.Module()
    model.bbox_head.add_module(name, Loss(error))
    return model


@pytest.mark.parametrize(
    'error', [AssertionError('\n(2, 4) against\n(2,)'), RuntimeError('size 3'), TypeError('bool')]
)
def test_the_loss_that_fails_is_named_by_its_key(error):
    model = model_with(error)
    said = r"the config's model.bbox_head.loss_bbox, a Loss, can't take what its head gives it: .*: is it a loss for"
    with pytest.raises(UserError, match=said) as raised, explain_losses(model):
        model.bbox_head.loss_bbox(torch.zeros(1))
    assert '\n' not in str(raised.value) and raised.value.__cause__ is error


@pytest.mark.parametrize(
    ('error', 'name'),
    [
        (torch.OutOfMemoryError('full'), 'loss_bbox'),
        (RuntimeError('CUDA error: device-side assert'), 'loss_bbox'),
        (UserError('its own'), 'loss_bbox'),
        (KeyError('x'), 'loss_bbox'),
        (RuntimeError('size 3'), 'conv'),
    ],
)
def test_other_errors_stay(error, name):
    model = model_with(error, name)
    with pytest.raises(type(error)) as raised, explain_losses(model):
        model.bbox_head.get_submodule(name)(torch.zeros(1))
    assert raised.value is error
