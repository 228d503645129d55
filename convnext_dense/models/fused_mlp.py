"""Fast path for :class:`~convnext_dense.models.convnext.Block` on a CPU; results equal the block's up to rounding.

After its depthwise convolution a block runs LayerNorm, linear layer, GELU, linear layer, LayerScale and the residual
sum, with a hidden tensor four times as wide as its input. The fast path runs all of these on a few thousand positions
at a time, which reuses a small piece of memory, and at inference oneDNN fuses GELU with the matrix product before it.
Training saves the hidden tensor once and recomputes LayerNorm and GELU in the backward pass, which halves the
memory for activations, and computes nothing for images that stochastic depth drops.

:func:`forward` decides whether the fast path applies. ``CONVNEXT_DENSE_PLAIN=1`` in the environment, or
:func:`disabled`, turns it off for debugging.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules import module as torch_modules
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torchvision.ops import stochastic_depth

from .layers import GRN
from .visible import Stacked, Zeroed, convolve, hide

if TYPE_CHECKING:
    from .convnext import Block

# Both were chosen with benchmarks/fused_mlp.py on a CPU with AVX2.
HIDDEN_ELEMENTS = 1 << 22  # of the hidden tensor at a time: 16 MB in float32
# Use oneDNN's 1x1 convolution for linear layers where gradients are needed and GRN or BatchNorm forbids chunks.
# With AVX2, MKL's matrix product is as fast, and its time depends less on the shape. With AVX-512, an AMD processor
# reached 240 GFLOP/s per core in such convolutions and 62 to 109 in MKL; no script in this repository measures that.
LINEAR_AS_CONV2D = torch.backends.cpu.get_cpu_capability() != 'AVX2'

aten = torch.ops.aten
_enabled = ContextVar('fused_mlp enabled', default=os.environ.get('CONVNEXT_DENSE_PLAIN', '') in ('', '0'))


@contextmanager
def disabled() -> Iterator[None]:
    """Context in which blocks compute layer by layer, without the fast path."""
    token = _enabled.set(False)
    try:
        yield
    finally:
        _enabled.reset(token)


# -- where the fast path applies


def forward(block: Block, x: Tensor, places: Stacked | Zeroed | None = None) -> Tensor | None:
    """Compute a block's output (N, C, H, W) from its input (N, C, H, W) as fast as this CPU can.

    Args:
        block: the block.
        x: its input.
        places: the positions of visible patches; None if all are.

    Returns:
        The output, or None if the block must compute layer by layer: on other devices, in compilers, exporters and
        FLOP counters, in half precision, with hooked or replaced layers, with another norm than LayerNorm or another
        activation than exact GELU, and where the fast path is not faster.
    """
    if not (_applies_to(x) and _has_own_layers(block)):
        return None
    drops_images = block.training and block.drop_path > 0
    needs_grad = torch.is_grad_enabled() and (x.requires_grad or any(p.requires_grad for p in block.parameters()))
    has_grn = isinstance(block.grn, GRN)
    if not drops_images and not needs_grad and not (has_grn and isinstance(places, Zeroed)):
        return _hidden(_infer(block, x, places), places)
    if not has_grn:
        return _hidden(_train(block, x, places), places)
    return _train_with_grn(block, x, places) if LINEAR_AS_CONV2D else None


def _hidden(x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    return x if places is None else _nchw(places.hide(_nhwc(x)))


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer to the last dimension of x (N, H, W, in), on a CPU with the fastest kernel for it.

    Returns:
        (N, H, W, out)
    """
    if not (_applies_to(x) and isinstance(layer, nn.Linear) and _is_untouched(layer, nn.Linear)):
        return layer(x)
    if _onednn_applies_to(x, layer.weight):
        return _matmul(x, layer.weight, layer.bias)
    if LINEAR_AS_CONV2D:
        return _nhwc(F.conv2d(_nchw(x), layer.weight[:, :, None, None], layer.bias))
    return layer(x)


def _applies_to(x: Tensor) -> bool:
    eager = not (torch.compiler.is_compiling() or torch.jit.is_tracing() or _get_current_dispatch_mode())
    return (
        eager
        and _enabled.get()
        and x.device.type == 'cpu'
        and x.numel() > 0
        and torch.half not in (x.dtype, _autocast_dtype())
    )


def _has_own_layers(block: Block) -> bool:
    layers: dict[nn.Module, tuple[type, ...]] = {
        block.norm: (nn.LayerNorm,),
        block.pwconv1: (nn.Linear,),
        block.act: (nn.GELU,),
        block.grn: (GRN, nn.Identity),
        block.pwconv2: (nn.Linear,),
    }
    return getattr(block.act, 'approximate', None) == 'none' and all(
        _is_untouched(layer, *kinds) and all(parameter is not None for parameter in layer._parameters.values())
        for layer, kinds in layers.items()
    )


def _is_untouched(layer: nn.Module, *kinds: type) -> bool:
    """Check that a layer's class is one of ``kinds`` and that its output depends on its own parameters alone.

    A layer must be called as a module if it was hooked, wrapped or quantized, if its ``forward`` was replaced, or if
    other tensors replace its parameters, as in ``torch.func.functional_call`` and weight quantization.
    """
    hooks = (
        *(layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks),
        *(torch_modules._global_forward_hooks, torch_modules._global_forward_pre_hooks),
        *(torch_modules._global_backward_hooks, torch_modules._global_backward_pre_hooks),
    )
    parameters = layer._parameters.values()
    return (
        type(layer) in kinds
        and not any(hooks)
        and 'forward' not in vars(layer)
        and all(parameter is None or type(parameter) is nn.Parameter for parameter in parameters)
    )


def _onednn_applies_to(x: Tensor, weight: Tensor) -> bool:
    """Check whether oneDNN's linear operator, the one Inductor calls, can compute a product; it has no gradients."""
    if torch.is_grad_enabled() or not _applies_to(x):
        return False
    if not torch.backends.mkldnn.is_available() or not torch._C._get_mkldnn_enabled():
        return False
    if x.dtype != torch.float32 and not (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    return weight.dtype == x.dtype and _autocast_dtype() in (None, x.dtype)


# -- without gradients


def _infer(block: Block, x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, convolve(block.dwconv, x, places)))
    out = torch.empty_like(x, dtype=_promoted_dtype(x, y, block.gamma))
    dtype = _autocast_dtype() or y.dtype
    w1, b1, w2, b2 = (p.to(dtype) for layer in (block.pwconv1, block.pwconv2) for p in (layer.weight, layer.bias))
    for x_part, y_part, out_part in _chunks(len(w1), x, y, out, whole_images=isinstance(block.grn, GRN)):
        hidden = _matmul(block.norm(y_part).to(dtype), w1, b1, gelu=True)
        _add_scaled(x_part, _matmul(block.grn(hidden).to(dtype), w2, b2), block.gamma, out_part)
    return out


# -- with gradients or stochastic depth


def _train_with_grn(block: Block, x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    """Compute layer by layer, since GRN needs all positions of an image, but with the faster matrix product."""
    y = block.norm(_nhwc(convolve(block.dwconv, x, places)))
    y = block.grn(hide(_gelu(linear(block.pwconv1, y)), places))
    y = hide(linear(block.pwconv2, y), places)
    y = y if block.gamma is None else y * block.gamma
    return x + stochastic_depth(_nchw(y), block.drop_path, 'row', block.training)


def _train(block: Block, x: Tensor, places: Stacked | Zeroed | None) -> Tensor:
    y = convolve(block.dwconv, x, places)
    kept, kept_scale = None, 1.0
    if block.drop_path > 0 and block.training:
        scales = stochastic_depth(torch.ones(len(x), 1, 1, 1), block.drop_path, 'row')
        kept = scales.flatten().nonzero().flatten()
        kept_scale = 1 / (1 - block.drop_path)
        if len(kept) == len(x):
            kept = None
    layers = (block.norm, block.pwconv1, block.pwconv2)
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    return _FusedMLP.apply(x, y, kept, kept_scale, block.norm.eps, *parameters, block.gamma)


class _FusedMLP(torch.autograd.Function):
    """Residual sum of a block's input x and its branch, computed from y, the output of the depthwise convolution.

    The only large tensors that it saves for the backward pass are y and the input of GELU.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,  # (N, C, H, W)
        y: Tensor,  # (N, C, H, W)
        kept: Tensor | None,  # indices of the images that stochastic depth keeps, or None for all
        kept_scale: float,  # factor on the branch of these images
        eps: float,
        norm_weight: Tensor,
        norm_bias: Tensor,
        weight1: Tensor,
        bias1: Tensor,
        weight2: Tensor,
        bias2: Tensor,
        gamma: Tensor | None,
    ) -> Tensor:  # (N, C, H, W)
        x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
        ctx.eps, ctx.kept_scale = eps, kept_scale
        dtype = _autocast_dtype() or y.dtype
        scale = _branch_scale(gamma, bias2, kept_scale)
        out = torch.empty_like(x, dtype=_promoted_dtype(x, y, gamma))
        kept_x, kept_out = x, out
        if kept is not None:
            kept_x, y = x[kept], y[kept]
            kept_out = torch.empty_like(kept_x, dtype=out.dtype)
        hiddens = []
        with torch.autocast('cpu', enabled=False):
            w1, b1, w2, b2 = (t.to(dtype) for t in (weight1, bias1, weight2, bias2))
            for x_part, y_part, out_part in _chunks(len(weight1), kept_x, y, kept_out):
                normed = F.layer_norm(y_part, norm_weight.shape, norm_weight, norm_bias, eps)
                hidden = _matmul(normed.to(dtype), w1, b1)
                hiddens.append(hidden)
                _add_scaled(x_part, _matmul(_gelu(hidden), w2, b2), scale, out_part)
        if kept is not None:
            out.copy_(x).index_copy_(0, kept, kept_out)
        ctx.save_for_backward(y, kept, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast('cpu', enabled=False):  # the dtypes of the forward pass are saved with its tensors
            return _FusedMLP._gradients(ctx, grad)

    @staticmethod
    def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, kept, norm_weight, norm_bias, weight1, weight2, bias2, gamma, *hiddens = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        kept_grad = grad if kept is None else grad[kept]
        dtype = hiddens[0].dtype
        scale = _branch_scale(gamma, bias2, ctx.kept_scale)
        scaled_weight2_t = (weight2 * scale[:, None]).t().to(dtype)
        weight1_t = weight1.t().to(dtype)
        grad_y = torch.empty_like(y)
        norm_grads = [torch.zeros_like(norm_weight), torch.zeros_like(norm_bias)]
        linear1_grads = [torch.zeros_like(weight1), torch.zeros_like(weight1[:, 0])]
        linear2_grads = [torch.zeros_like(weight2), torch.zeros_like(bias2)]
        activated = torch.empty_like(hiddens[0])  # allocating it for every chunk would take longer than GELU
        chunks = _chunks(len(weight1), y, kept_grad, grad_y)
        for hidden, (y_part, grad_part, grad_y_part) in zip(hiddens, chunks, strict=True):
            normed, mean, rstd = aten.native_layer_norm(y_part, norm_weight.shape, norm_weight, norm_bias, ctx.eps)
            grad_branch = grad_part.to(dtype)
            _add_linear_gradients(linear2_grads, grad_branch, _gelu(hidden, out=activated[: len(hidden)]))
            grad_hidden = _matmul(grad_branch, scaled_weight2_t)
            aten.gelu_backward(grad_hidden.mT, hidden.mT, grad_input=grad_hidden.mT)  # as in _gelu
            _add_linear_gradients(linear1_grads, grad_hidden, normed.to(dtype))
            grad_normed = _matmul(grad_hidden, weight1_t)
            grad_input, *part_grads = aten.native_layer_norm_backward(
                *(grad_normed.to(normed.dtype), y_part, norm_weight.shape, mean, rstd),
                *(norm_weight, norm_bias, [True, True, True]),
            )
            grad_y_part.copy_(grad_input)
            for total, part_grad in zip(norm_grads, part_grads, strict=True):
                total += part_grad
        if kept is not None:
            grad_y = torch.zeros_like(grad, dtype=y.dtype).index_copy_(0, kept, grad_y)
        # These are gradients of the unscaled second layer. Gamma scales its rows, so its gradient follows from them.
        grad_weight2, grad_bias2 = linear2_grads
        grad_gamma = None if gamma is None else ctx.kept_scale * ((weight2 * grad_weight2).sum(1) + bias2 * grad_bias2)
        linear2_grads = [grad_weight2.mul_(scale[:, None]), grad_bias2.mul_(scale)]
        return grad, grad_y, None, None, None, *norm_grads, *linear1_grads, *linear2_grads, grad_gamma


def _branch_scale(gamma: Tensor | None, bias: Tensor, kept_scale: float) -> Tensor:
    """Return the factor (C,) on the second linear layer's output, in float32 or wider so that 1 / 0.7 is precise."""
    dtype = torch.promote_types(bias.dtype, torch.float32)
    return torch.full_like(bias, kept_scale, dtype=dtype) if gamma is None else gamma.to(dtype) * kept_scale


def _add_linear_gradients(sums: Sequence[Tensor], grad: Tensor, x: Tensor) -> None:
    """Add a linear layer's gradients to the sums for its weight (out, in) and bias (out,).

    Args:
        sums: the two sums, changed in place.
        grad: gradient of the layer's output, (P, out).
        x: the layer's input, (P, in).
    """
    weight_sum, bias_sum = sums
    if weight_sum.dtype == grad.dtype:
        weight_sum.addmm_(grad.t(), x)
    else:
        weight_sum += grad.t() @ x
    bias_sum += grad.sum(0)


# -- shared parts


def _matmul(x: Tensor, weight: Tensor, bias: Tensor | None = None, gelu: bool = False) -> Tensor:
    """Apply a linear layer to the last dimension of x (..., in) -> (..., out), and GELU (by erf) if ``gelu``."""
    if _onednn_applies_to(x, weight):
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, 'gelu' if gelu else 'none', [], 'none')
    y = F.linear(x, weight, bias)
    return _gelu(y) if gelu else y


def _gelu(x: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute GELU of x (..., C) with torch's own kernel.

    The transposed views are not contiguous: for contiguous tensors torch calls oneDNN, whose last digits differ.
    """
    if out is None:
        return F.gelu(x.mT).mT
    aten.gelu(x.mT, out=out.mT)
    return out


def _add_scaled(x: Tensor, y: Tensor, scale: Tensor | None, out: Tensor) -> None:
    """Compute ``out = x + scale * y``, with the scale (C,) along the last dimension."""
    if scale is None:
        torch.add(x, y, out=out)
    else:
        torch.addcmul(x, y, scale, out=out)


def _chunks(hidden_width: int, *tensors: Tensor, whole_images: bool = False) -> Iterator[tuple[Tensor, ...]]:
    """Split channels_last tensors (N, C, H, W) so that a chunk's hidden tensor has at most HIDDEN_ELEMENTS elements.

    Yields:
        Views (P, C) of P positions, or (n, H, W, C) of n >= 1 whole images.
    """
    positions = max(1, HIDDEN_ELEMENTS // hidden_width)
    views = [_nhwc(tensor) for tensor in tensors]
    if whole_images:
        images = max(1, positions // math.prod(views[0].shape[1:3]))
        return zip(*(view.split(images) for view in views), strict=True)
    rows = [view.view(-1, view.shape[-1]) for view in views]
    count = max(1, math.ceil(len(rows[0]) / positions))
    return zip(*(row.chunk(count) for row in rows), strict=True)


def _nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def _promoted_dtype(*tensors: Tensor | None) -> torch.dtype:
    return reduce(torch.promote_types, (t.dtype for t in tensors if t is not None))


def _autocast_dtype() -> torch.dtype | None:
    return torch.get_autocast_dtype('cpu') if torch.is_autocast_enabled('cpu') else None
