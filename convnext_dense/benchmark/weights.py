"""Random weights with which every parameter affects the result."""

from __future__ import annotations

import torch
from torch import nn

# Standard deviations that keep boxes near their anchors and proposals, and give some classes a clear lead.
LAST = {'rpn_reg': 0.01, 'fc_reg': 0.002, 'fc_cls': 0.2}


@torch.no_grad()
def randomize(model: nn.Module) -> None:
    """Set random weights that keep the signal's magnitude, and add noise to norms, biases and LayerScale.

    A newly initialized model would hide misplaced weights, since its biases are 0 and LayerScale is tiny.
    """
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1:
            parameter.copy_(noise * LAST.get(name.split('.')[-2], parameter[0].numel() ** -0.5))
        else:
            parameter.add_(0.1 * noise)
