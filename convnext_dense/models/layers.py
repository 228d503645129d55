"""Layers that several networks share, and their weight initialization."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of an NCHW tensor, with the paper's eps of 1e-6."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class GRN(nn.Module):
    """Global response normalization of V2 (arXiv 2301.00808, section 3.2), with the official parameter shapes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, H, W, C) -> (N, H, W, C)
        norms = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)  # (N, 1, 1, C)
        scaled = norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)
        return torch.addcmul(self.beta, x, 1 + self.gamma * scaled)  # gamma * (x * scaled) + beta + x in one pass


def init_conv_and_linear(module: nn.Module) -> None:
    """Initialize a convolution or linear layer as the official code does: truncated normal, std 0.02; bias 0."""
    if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.is_meta:  # meta tensors hold no values
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
