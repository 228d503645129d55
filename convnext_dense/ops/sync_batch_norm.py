"""The parts of batch normalization around its exchange: replacements for the five compiled ops of mmcv's MMSyncBN.

mmcv exchanges means, variances and gradients between the processes itself. Maps are (N, C, positions); statistics are
float32.
"""

from __future__ import annotations

from torch import Tensor

from .common import to_full_precision


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Fill ``mean`` (C,) with the channels' means in this process."""
    (wide,) = to_full_precision(input)
    mean.copy_(wide.mean((0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Fill ``var`` (C,) with the channels' mean squared distances from ``mean`` (C,) in this process."""
    wide, mean = to_full_precision(input, mean)
    var.copy_((wide - mean[:, None]).square().mean((0, 2)))


def sync_bn_forward_output(
    input: Tensor,
    mean: Tensor,
    var: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    norm: Tensor,
    std: Tensor,
    output: Tensor,
    eps: float,
    momentum: float | Tensor,
    group_size: int,
) -> None:
    """Normalize, and move the running statistics.

    Args:
        input: (N, C, positions).
        mean, var: (C,), of all processes.
        weight, bias: (C,), or None.
        running_mean, running_var: (C,), moved by `momentum`, or None. The variance is the unbiased one.
        norm: like the input, filled with the normalized values.
        std: (C,), filled with the standard deviations.
        output: like the input, filled with the normalized values times the weight, plus the bias.
        eps: added to the variance.
        momentum: share of the new statistics.
        group_size: processes.
    """
    wide, mean, var = to_full_precision(input, mean, var)
    deviation = (var + eps).sqrt()
    normalized = (wide - mean[:, None]) / deviation[:, None]
    norm.copy_(normalized)
    std.copy_(deviation)
    output.copy_(normalized if weight is None or bias is None else normalized * weight[:, None] + bias[:, None])
    if running_mean is not None and running_var is not None:
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * count / (count - 1) if count > 1 else var
        running_mean.copy_(momentum * mean + (1 - momentum) * running_mean)
        running_var.copy_(momentum * unbiased + (1 - momentum) * running_var)


def sync_bn_backward_param(grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor) -> None:
    """Fill the gradients by weight and bias, (C,), in this process; `norm` is what the forward filled."""
    gradient, norm = to_full_precision(grad_output, norm)
    grad_weight.copy_((gradient * norm).sum((0, 2)))
    grad_bias.copy_(gradient.sum((0, 2)))


def sync_bn_backward_data(
    grad_output: Tensor,
    weight: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    norm: Tensor,
    std: Tensor,
    grad_input: Tensor,
) -> None:
    """Fill ``grad_input`` (N, C, positions), with gradients by weight and bias that are means over the processes."""
    gradient, norm = to_full_precision(grad_output, norm)
    of_statistics = (grad_weight[:, None] * norm + grad_bias[:, None]) / (gradient.shape[0] * gradient.shape[2])
    grad_input.copy_((weight / std)[:, None] * (gradient - of_statistics))
