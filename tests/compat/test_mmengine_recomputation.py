"""mmengine's activation checkpointing: parts whose inputs need no gradient are trained, too."""

import mmengine.runner.runner
import pytest
import torch
from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing as of_mmengine
from torch import nn

from convnext_dense.compat.mmengine_recomputation import trained_checkpointing
from convnext_dense.errors import UserError


def gradients(turn_on, modules) -> list:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    turn_on(model, modules)
    model(torch.ones(2, 3)).sum().backward()
    return [None if p.grad is None else p.grad.tolist() for p in model.parameters()]


@pytest.mark.filterwarnings('ignore')
def test_mmengines_leaves_the_first_part_untrained_and_ours_does_not():
    plain = gradients(lambda *_: None, None)
    assert gradients(of_mmengine, '0')[:2] == [None, None]
    with trained_checkpointing():
        assert gradients(mmengine.runner.runner.turn_on_activation_checkpointing, '0') == plain
        assert gradients(mmengine.runner.runner.turn_on_activation_checkpointing, ['0', '1']) == plain
    assert mmengine.runner.runner.turn_on_activation_checkpointing is of_mmengine


def test_a_part_that_is_not_there_is_named():
    with (
        trained_checkpointing(),
        pytest.raises(UserError, match="activation_checkpointing: the model has no part 'head'"),
    ):
        gradients(mmengine.runner.runner.turn_on_activation_checkpointing, 'head')
