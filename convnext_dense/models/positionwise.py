"""The part of a block that treats each position by itself, computed within a CPU's cache.

After its depthwise convolution a block is LayerNorm, pointwise layer, GELU, pointwise layer, LayerScale and the
residual, through a hidden tensor four times as wide as the others. Here a few thousand positions go through all of it
at a time: the hidden tensor stays in cache, and its memory is used again. Training keeps one copy of it and computes
LayerNorm and GELU anew in the backward pass, which halves the memory of activations. Results equal those of the plain
layers up to rounding.

``CONVNEXT_DENSE_PLAIN=1`` in the environment, or :func:`plain`, turns this off for debugging.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.ops import stochastic_depth

HIDDEN = 1 << 20  # elements of the hidden tensor at a time: 4 MB in float32
FEWEST = 1024  # positions at a time: with fewer, packing the weights costs oneDNN more than the cache gains
PACKING_PAYS = 512  # positions from which oneDNN's 1x1 convolution, which packs its weights, beats a matrix product

aten = torch.ops.aten
_on = os.environ.get('CONVNEXT_DENSE_PLAIN', '') in ('', '0')


@contextmanager
def plain() -> Iterator[None]:
    """Blocks compute layer by layer while this context lasts."""
    global _on
    before, _on = _on, False
    try:
        yield
    finally:
        _on = before


def pays(x: Tensor) -> bool:
    """Whether to compute in parts: eagerly on a CPU. Compilers and exporters are given the plain layers."""
    eager = not (torch.compiler.is_compiling() or torch.jit.is_tracing())
    return _on and eager and x.device.type == 'cpu' and torch.half not in (x.dtype, _autocast_to())


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer over the channels, by what is fastest on the device.

    Args:
        x: (N, in, H, W), channels_last.
        weight: (out, in).
        bias: (out,), or None.

    Returns:
        (N, out, H, W), channels_last.
    """
    if x.device.type == 'cpu' and (torch.compiler.is_compiling() or x[:, 0].numel() >= PACKING_PAYS):
        return F.conv2d(x, weight[:, :, None, None], bias)
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)


def residual(block: Any, x: Tensor, y: Tensor) -> Tensor:
    """What a block returns, from its input x and the output y of its depthwise convolution, all (N, C, H, W)."""
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
    out = torch.empty_like(x, dtype=_promoted(x, y, block.gamma))
    scale = None if block.gamma is None else block.gamma.view(-1, 1, 1)
    whole = not isinstance(block.grn, nn.Identity)  # GRN looks at all positions of a picture
    for x_part, y_part, out_part in _parts(block.pwconv1.out_features, whole, x, y, out):
        hidden = aten.gelu_(block.pwconv1(block.norm(y_part)))
        _add_scaled(x_part, block.pwconv2(block.grn(hidden)), scale, out_part)
    return out


def trained_residual(block: Any, x: Tensor, y: Tensor) -> Tensor:
    """The same with gradients, and with stochastic depth, for a block without GRN."""
    keep = None
    if block.drop_path > 0 and block.training:
        # in float32 at least: in bfloat16 1 / 0.7 would be 1.4297
        ones = torch.ones(len(x), 1, 1, 1, dtype=torch.promote_types(x.dtype, torch.float32))
        keep = stochastic_depth(ones, block.drop_path, 'row')
    layers = (block.norm, block.pwconv1, block.pwconv2)
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    return _Recomputed.apply(x, y, keep, block.norm.eps, *parameters, block.gamma)


class _Recomputed(torch.autograd.Function):
    """Keeps y and the input of GELU for the backward pass, and nothing else of their size."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        keep: Tensor | None,  # (N, 1, 1, 1): 0 where a picture skips the block
        eps: float,
        norm_weight: Tensor,
        norm_bias: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        gamma: Tensor | None,
    ) -> Tensor:
        x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
        dtype = _autocast_to() or y.dtype
        scale = torch.ones_like(bias2) if gamma is None else gamma
        out = torch.empty_like(x, dtype=_promoted(x, y, gamma))
        hiddens = []
        with torch.autocast('cpu', enabled=False):
            w1, b1, w2, b2 = (t.to(dtype) for t in (weight1, bias1, weight2, bias2))
            for x_part, y_part, keep_part, out_part in _parts(len(weight1), False, x, y, _like(keep, x), out):
                normed = F.layer_norm(_nhwc(y_part), norm_weight.shape, norm_weight, norm_bias, eps)
                hidden = pointwise(_nchw(normed).to(dtype), w1, b1)
                hiddens.append(hidden)
                result = pointwise(F.gelu(hidden), w2, b2)
                torch.addcmul(x_part, result * keep_part, scale.view(-1, 1, 1), out=out_part)
        ctx.save_for_backward(y, keep, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens)
        ctx.eps = eps
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast('cpu', enabled=False):  # it is as precise as the forward pass was
            return _Recomputed._gradients(ctx, grad)

    @staticmethod
    def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, keep, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        dtype = hiddens[0].dtype
        scale = torch.ones_like(bias2) if gamma is None else gamma
        to_hidden = (weight2 * scale[:, None]).t().to(dtype)
        to_normed = weight1.t().to(dtype)
        grad_y = torch.empty_like(y)
        sums = [torch.zeros_like(t) for t in (norm_weight, norm_bias, weight1, weight1[:, 0], weight2, bias2)]
        parts = _parts(len(weight1), False, y, grad, _like(keep, y), grad_y)
        for hidden, (y_part, grad_part, keep_part, grad_y_part) in zip(hiddens, parts, strict=True):
            normed, mean, rstd = aten.native_layer_norm(
                _nhwc(y_part), norm_weight.shape, norm_weight, norm_bias, ctx.eps
            )
            grad_result = (grad_part * keep_part).to(dtype)
            grad_hidden = aten.gelu_backward(pointwise(grad_result, to_hidden, None), hidden)
            grad_normed = pointwise(grad_hidden, to_normed, None)
            grad_in, *of_norm = aten.native_layer_norm_backward(
                *(_nhwc(grad_normed).to(normed.dtype), _nhwc(y_part), norm_weight.shape, mean, rstd),
                *(norm_weight, norm_bias, [True, True, True]),
            )
            grad_y_part.copy_(_nchw(grad_in))
            of_first = _of_pointwise(grad_hidden, _nchw(normed).to(dtype))
            of_second = _of_pointwise(grad_result, F.gelu(hidden))
            for total, part in zip(sums, (*of_norm, *of_first, *of_second), strict=True):
                total += part
        *of_norm_and_first, raw_weight2, raw_bias2 = sums
        # gamma scales the rows of the second layer, so what it scales need not be kept
        grad_gamma = None if gamma is None else (weight2 * raw_weight2).sum(1) + bias2 * raw_bias2
        of_second = (raw_weight2 * scale[:, None], raw_bias2 * scale)
        return grad, grad_y, None, None, *of_norm_and_first, *of_second, grad_gamma


def _of_pointwise(grad: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of a pointwise layer's weight and bias, from that of its output."""
    rows = _nhwc(grad).flatten(0, 2)
    return rows.t() @ _nhwc(x).flatten(0, 2), rows.sum(0)


def _like(keep: Tensor | None, x: Tensor) -> Tensor:
    """One factor for each position of each picture, 1 without stochastic depth: (N, 1, H, W)"""
    ones = x.new_ones(1, 1, 1, 1) if keep is None else keep
    return ones.expand(len(x), 1, *x.shape[2:]).contiguous(memory_format=torch.channels_last)


def _nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _promoted(*tensors: Tensor | None) -> torch.dtype:
    return reduce(torch.promote_types, (t.dtype for t in tensors if t is not None))


def _add_scaled(x: Tensor, y: Tensor, scale: Tensor | None, out: Tensor) -> None:
    """``out = x + scale * y``"""
    if scale is None:
        torch.add(x, y, out=out)
    else:
        torch.addcmul(x, y, scale, out=out)


def _parts(hidden: int, whole_pictures: bool, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Channels_last tensors (N, C, H, W) as views (n, C, h, w) of some of their positions."""
    positions = max(FEWEST, HIDDEN // hidden)
    if whole_pictures:
        pictures = max(1, positions // tensors[0][0, 0].numel())
        return zip(*(tensor.split(pictures) for tensor in tensors), strict=True)
    return zip(*(_flat(tensor).split(positions, dim=2) for tensor in tensors), strict=True)


def _flat(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (1, C, N * H * W, 1), a view"""
    return _nchw(_nhwc(x).view(1, -1, 1, x.shape[1]))


def _autocast_to() -> torch.dtype | None:
    return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else None
