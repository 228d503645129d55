"""Let mmcv's CARAFENaive have a gradient on every device. For mmcv 2.3.

Its backward asserts that the gradient is on a CUDA or MUSA device before it calls the op, and fails on a CPU without
saying so. Made when the stand-in of the op is first called, which only an mmcv without compiled ops does.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor


def allow_gradient_on_cpu() -> None:
    """Replace the backward of ``mmcv.ops.carafe.CARAFENaiveFunction``."""
    function = importlib.import_module('mmcv.ops.carafe').CARAFENaiveFunction
    function.backward = staticmethod(_backward)


def _backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
    features, masks = ctx.saved_tensors
    grad_features, grad_masks = torch.zeros_like(features), torch.zeros_like(masks)
    importlib.import_module('mmcv._ext').carafe_naive_backward(
        grad_output,
        features,
        masks,
        grad_features,
        grad_masks,
        kernel_size=ctx.kernel_size,
        group_size=ctx.group_size,
        scale_factor=ctx.scale_factor,
    )
    return grad_features, grad_masks, None, None, None
