"""The part of a block that treats each position by itself, as fast as a CPU can.

After its depthwise convolution a block is LayerNorm, pointwise layer, GELU, pointwise layer, LayerScale and the
residual, through a hidden tensor four times as wide as the others. Here some thousand positions go through all of it
at a time, in memory that is soon used again, and at inference oneDNN computes GELU with the product before it.
Training keeps one copy of the hidden tensor and computes LayerNorm and GELU anew in the backward pass, which halves
the memory of activations, and computes nothing for images that stochastic depth drops. Results equal those of the
plain layers up to rounding.

``CONVNEXT_DENSE_PLAIN=1`` in the environment, or :func:`plain`, turns this off for debugging.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torchvision.ops import stochastic_depth

# By benchmarks/parts.py, with AVX2.
HIDDEN = 1 << 22  # elements of the hidden tensor at a time: 16 MB in float32
# Then V2 trains as fast with MKL's products as with oneDNN's 1x1 convolutions, whose times depend on the shape more.
# With AVX-512, one AMD processor gave 240 GFLOP/s a core in such convolutions and 62 to 109 in MKL; no script here
# repeats that.
AVX2_AT_MOST = torch.backends.cpu.get_cpu_capability() == 'AVX2'

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
    """Whether to compute in parts: eagerly on a CPU. Compilers, exporters and counters are given the plain layers."""
    eager = not (torch.compiler.is_compiling() or torch.jit.is_tracing() or _get_current_dispatch_mode())
    return _on and eager and x.device.type == 'cpu' and torch.half not in (x.dtype, _autocast_to())


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
    """A linear layer over the channels, by what is fastest on the device, and GELU after it if that is wanted.

    Without gradients, that is oneDNN's linear layer on a CPU, which computes GELU with the product.

    Args:
        x: (N, in, H, W), channels_last.
        weight: (out, in).
        bias: (out,), or None.

    Returns:
        (N, out, H, W), channels_last.
    """
    if _fuses(x, weight):
        then = 'gelu' if gelu else 'none'  # by erf
        return _nchw(torch.ops.mkldnn._linear_pointwise(_nhwc(x), weight, bias, then, [], 'none'))
    if x.device.type == 'cpu' and not AVX2_AT_MOST and x.numel():
        y = F.conv2d(x, weight[:, :, None, None], bias)
    else:
        y = _nchw(F.linear(_nhwc(x), weight, bias))
    return F.gelu(y) if gelu else y


def _fuses(x: Tensor, weight: Tensor) -> bool:
    """Whether to call oneDNN as Inductor does, by an operator that has no gradients."""
    if torch.is_grad_enabled() or not pays(x):
        return False
    if not torch.backends.mkldnn.is_available() or not torch._C._get_mkldnn_enabled():
        return False
    if x.dtype != torch.float32 and not (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    return weight.dtype == x.dtype and _autocast_to() in (None, x.dtype)


def residual(block: Any, x: Tensor, y: Tensor) -> Tensor:
    """What a block returns, from its input x and the output y of its depthwise convolution, all (N, C, H, W)."""
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
    out = torch.empty_like(x, dtype=_promoted(x, y, block.gamma))
    dtype = _autocast_to() or y.dtype
    w1, b1, w2, b2 = (p.to(dtype) for layer in (block.pwconv1, block.pwconv2) for p in (layer.weight, layer.bias))
    whole = not isinstance(block.grn, nn.Identity)  # GRN looks at all positions of an image
    for x_part, y_part, out_part in _parts(len(w1), whole, x, y, out):
        hidden = pointwise(block.norm(y_part).to(dtype), w1, b1, gelu=True)
        _add_scaled(x_part, pointwise(block.grn(hidden).to(dtype), w2, b2), block.gamma, out_part)
    return out


def trained_residual(block: Any, x: Tensor, y: Tensor) -> Tensor:
    """The same with gradients, and with stochastic depth, for a block without GRN."""
    kept, factor = None, 1.0
    if block.drop_path > 0 and block.training:
        factors = stochastic_depth(torch.ones(len(x), 1, 1, 1), block.drop_path, 'row')
        kept = factors.flatten().nonzero().flatten()
        factor = 1 / (1 - block.drop_path)
        if len(kept) == len(x):
            kept = None
    layers = (block.norm, block.pwconv1, block.pwconv2)
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    return _Recomputed.apply(x, y, kept, factor, block.norm.eps, *parameters, block.gamma)


class _Recomputed(torch.autograd.Function):
    """Keeps y and the input of GELU for the backward pass, and nothing else of their size."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        kept: Tensor | None,  # the images that go through the block, all if None; nothing is computed for others
        factor: float,  # of what is added to them
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
        ctx.eps, ctx.factor = eps, factor
        dtype = _autocast_to() or y.dtype
        scale = _scale(gamma, bias2, factor)
        out = torch.empty_like(x, dtype=_promoted(x, y, gamma))
        x_kept, y, out_kept = x, y, out
        if kept is not None:
            x_kept, y = x[kept], y[kept]
            out_kept = torch.empty_like(x_kept, dtype=out.dtype)
        hiddens = []
        with torch.autocast('cpu', enabled=False):
            w1, b1, w2, b2 = (t.to(dtype) for t in (weight1, bias1, weight2, bias2))
            for x_part, y_part, out_part in _parts(len(weight1), False, x_kept, y, out_kept):
                normed = F.layer_norm(_nhwc(y_part), norm_weight.shape, norm_weight, norm_bias, eps)
                hidden = pointwise(_nchw(normed).to(dtype), w1, b1)
                hiddens.append(hidden)
                _add_scaled(x_part, pointwise(F.gelu(hidden), w2, b2), scale, out_part)
        if kept is not None:
            out.copy_(x).index_copy_(0, kept, out_kept)
        ctx.save_for_backward(y, kept, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast('cpu', enabled=False):  # it is as precise as the forward pass was
            return _Recomputed._gradients(ctx, grad)

    @staticmethod
    def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, kept, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_kept = grad if kept is None else grad[kept]
        dtype = hiddens[0].dtype
        scale = _scale(gamma, bias2, ctx.factor)
        to_hidden = (weight2 * scale[:, None]).t().to(dtype)
        to_normed = weight1.t().to(dtype)
        grad_y = torch.empty_like(y)
        of_norm = [torch.zeros_like(norm_weight), torch.zeros_like(norm_bias)]
        of_first = [torch.zeros_like(weight1), torch.zeros_like(weight1[:, 0])]
        of_second = [torch.zeros_like(weight2), torch.zeros_like(bias2)]
        active = torch.empty_like(hiddens[0])  # fresh memory for every part would take longer than GELU
        parts = _parts(len(weight1), False, y, grad_kept, grad_y)
        for hidden, (y_part, grad_part, grad_y_part) in zip(hiddens, parts, strict=True):
            normed, mean, rstd = aten.native_layer_norm(
                _nhwc(y_part), norm_weight.shape, norm_weight, norm_bias, ctx.eps
            )
            grad_result = grad_part.to(dtype)
            _add_gradients(of_second, grad_result, aten.gelu(hidden, out=active.narrow(2, 0, hidden.shape[2])))
            grad_hidden = pointwise(grad_result, to_hidden, None)
            aten.gelu_backward(grad_hidden, hidden, grad_input=grad_hidden)
            _add_gradients(of_first, grad_hidden, _nchw(normed).to(dtype))
            grad_normed = pointwise(grad_hidden, to_normed, None)
            grad_in, *of_part = aten.native_layer_norm_backward(
                *(_nhwc(grad_normed).to(normed.dtype), _nhwc(y_part), norm_weight.shape, mean, rstd),
                *(norm_weight, norm_bias, [True, True, True]),
            )
            grad_y_part.copy_(_nchw(grad_in))
            for total, part in zip(of_norm, of_part, strict=True):
                total += part
        if kept is not None:
            grad_y = torch.zeros_like(grad, dtype=y.dtype).index_copy_(0, kept, grad_y)
        raw_weight2, raw_bias2 = of_second
        # gamma scales the rows of the second layer, so what it scales need not be kept
        grad_gamma = None if gamma is None else ctx.factor * ((weight2 * raw_weight2).sum(1) + bias2 * raw_bias2)
        of_second = [raw_weight2.mul_(scale[:, None]), raw_bias2.mul_(scale)]
        return grad, grad_y, None, None, None, *of_norm, *of_first, *of_second, grad_gamma


def _scale(gamma: Tensor | None, bias: Tensor, factor: float) -> Tensor:
    """What the output of the second layer is multiplied by: (C,), in float32 at least, in which 1 / 0.7 is precise"""
    dtype = torch.promote_types(bias.dtype, torch.float32)
    return torch.full_like(bias, factor, dtype=dtype) if gamma is None else gamma.to(dtype) * factor


def _add_gradients(sums: Sequence[Tensor], grad: Tensor, x: Tensor) -> None:
    """Add the gradients of a pointwise layer's weight and bias, from that of its output, to their sums."""
    rows, of_weight, of_bias = _nhwc(grad).flatten(0, 2), *sums
    if of_weight.dtype == rows.dtype:
        of_weight.addmm_(rows.t(), _nhwc(x).flatten(0, 2))
    else:
        of_weight += rows.t() @ _nhwc(x).flatten(0, 2)
    of_bias += rows.sum(0)


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
        torch.addcmul(x, y, scale.view(-1, 1, 1), out=out)


def _parts(hidden: int, whole_images: bool, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Channels_last tensors (N, C, H, W) as views (n, C, h, w) of some of their positions."""
    positions = max(1, HIDDEN // hidden)
    if whole_images:
        images = max(1, positions // math.prod(tensors[0].shape[2:]))
        return zip(*(tensor.split(images) for tensor in tensors), strict=True)
    count = max(1, math.ceil(tensors[0][:, 0].numel() / positions))
    return zip(*(_flat(tensor).chunk(count, dim=2) for tensor in tensors), strict=True)


def _flat(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (1, C, N * H * W, 1), a view"""
    return _nchw(_nhwc(x).view(1, -1, 1, x.shape[1]))


def _autocast_to() -> torch.dtype | None:
    return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else None
