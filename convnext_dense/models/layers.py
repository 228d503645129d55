"""Layers that several networks share, and their weight initialization."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of an NCHW tensor, by default with the paper's eps of 1e-6."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class RMSNorm2d(nn.RMSNorm):
    """RMSNorm over the channels of an NCHW tensor: x / sqrt(mean(x ** 2) + eps) * weight."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SimpleNorm(nn.RMSNorm):
    """timm's SimpleNorm over the last dimension: x / sqrt(var(x) + eps) * weight, with the unbiased variance.

    The mean is not subtracted.
    """

    def forward(self, x: Tensor) -> Tensor:  # (..., C) -> (..., C)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # as torch's own norms compute
        scaled = wide * torch.rsqrt(wide.var(dim=-1, keepdim=True) + self.eps)  # type: ignore[operator]
        return (scaled * self.weight).to(torch.promote_types(x.dtype, self.weight.dtype))


class SimpleNorm2d(SimpleNorm):
    """SimpleNorm over the channels of an NCHW tensor."""

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    'layer_norm': (nn.LayerNorm, LayerNorm2d),
    'rms_norm': (nn.RMSNorm, RMSNorm2d),
    'simple_norm': (SimpleNorm, SimpleNorm2d),
}
"""Kinds of norms, each over the last dimension and over the channels of an NCHW tensor."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    'gelu': nn.GELU,
    'gelu_tanh': partial(nn.GELU, approximate='tanh'),
    'silu': nn.SiLU,
    'relu': nn.ReLU,
    'leaky_relu': nn.LeakyReLU,
    'mish': nn.Mish,
    'hard_swish': nn.Hardswish,
}
"""Activations of a block; ``'gelu'`` is the exact one, by erf."""


class GRN(nn.Module):
    """Global response normalization of V2 (arXiv 2301.00808, section 3.2), with the official parameter shapes.

    Norms and what is computed of them are in float32 where the input is in half precision.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, H, W, C) -> (N, H, W, C)
        is_half = x.dtype in (torch.bfloat16, torch.float16)
        # on a CPU the gradient of a copy's norm is computed faster than that of a norm in another dtype
        wide = x.float() if is_half and x.device.type == 'cpu' else x
        dtype = torch.float32 if is_half else None
        norms = torch.linalg.vector_norm(wide, dim=(1, 2), keepdim=True, dtype=dtype)  # (N, 1, 1, C)
        scaled = norms / (norms.mean(dim=-1, keepdim=True) + 1e-6)
        if is_half:
            scaled = scaled.to(torch.promote_types(x.dtype, self.gamma.dtype))
        return torch.addcmul(self.beta, x, 1 + self.gamma * scaled)  # gamma * (x * scaled) + beta + x in one pass


def init_conv_and_linear(module: nn.Module) -> None:
    """Initialize a convolution or linear layer as the official code does: truncated normal, std 0.02; bias 0."""
    if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.is_meta:  # meta tensors hold no values
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
