"""The functions of the stand-in for ``mmcv._ext``.

Served are nms and RoIAlign (average pooling), which is all that Cascade and Mask R-CNN and UPerNet call. Any other op
can be imported, so that the packages load, and says so by name when it is called.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from . import EXT


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Greedy non-maximum suppression: indices of the kept boxes, highest score first.

    Args:
        boxes: (N, 4), x1 y1 x2 y2 in pixels.
        scores: (N,).
        iou_threshold: a box goes when its IoU with a kept one is greater.
        offset: 0 or 1, added to every width and height.
    """
    from torchvision.ops import nms as torchvision_nms

    boxes, scores = _full_precision(boxes, scores)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    # compared in the boxes' own precision, as mmcv does: an IoU of exactly 0.6 is not above 0.6
    return torchvision_nms(boxes, scores, torch.tensor(iou_threshold, dtype=boxes.dtype).item())


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (K, C, aligned_height, aligned_width) with the means of bilinear samples.

    Args:
        input: (N, C, H, W) features.
        rois: (K, 5), image index and x1 y1 x2 y2 in pixels of the image.
        argmax_y, argmax_x: used by maximum pooling only.
        spatial_scale: feature cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 takes as many as the bin has cells.
        pool_mode: 1 for the average; the maximum, 0, is not served.
        aligned: shift by half a cell, so that cell centers lie at integers.
    """
    if pool_mode != 1:
        raise _not_served("roi_align_forward (pool_mode='max')")
    wide, rois = _full_precision(input, rois)
    shape = (float(spatial_scale), aligned_height, aligned_width)
    output.copy_(torch.ops.torchvision.roi_align(wide, rois, *shape, sampling_ratio, aligned))


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (N, C, H, W); the other arguments are as in :func:`roi_align_forward`."""
    if pool_mode != 1:
        raise _not_served("roi_align_backward (pool_mode='max')")
    wide, rois = _full_precision(grad_output, rois)
    shape = (float(spatial_scale), aligned_height, aligned_width, *grad_input.shape)
    backward = torch.ops.torchvision._roi_align_backward
    grad_input.copy_(backward(wide, rois, *shape, sampling_ratio, aligned))


def _full_precision(*tensors: Tensor) -> list[Tensor]:
    """One dtype for all: float64 where one of them has it, else float32 (torchvision lacks most others)."""
    dtype = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
    return [t.to(dtype) for t in tensors]


def _not_served(op: str) -> NotImplementedError:
    return NotImplementedError(
        f"mmcv's compiled op {op} is not available: this mmcv was installed without its ops, and torchvision "
        f'stands in for nms and average RoIAlign only. To use it, build mmcv with its ops for torch '
        f'{torch.__version__}: pip install --force-reinstall --no-deps --no-build-isolation '
        f'--no-binary onedl-mmcv onedl-mmcv'
    )


def _other_op(name: str) -> Callable[..., Any]:
    """The stand-in's ``__getattr__``: any other op exists, and raises when it is called."""
    if name.startswith('_'):
        raise AttributeError(f'module {EXT!r} has no attribute {name!r}')

    def op(*args: Any, **kwargs: Any) -> Any:
        raise _not_served(name)

    op.__name__ = name
    return op


def fill(module: ModuleType) -> None:
    """Give the stand-in for ``mmcv._ext`` its functions.

    Raises:
        RuntimeError: if torchvision does not import.
    """
    try:
        importlib.import_module('torchvision.ops')
    except (ImportError, RuntimeError) as error:
        # not an ImportError: mmdet would swallow it and fail later, far from the cause
        raise RuntimeError(
            f'torchvision, which serves the ops that this mmcv lacks, does not import ({error}); '
            f'install the torchvision that belongs to torch {torch.__version__}'
        ) from error
    vars(module).update(
        nms=nms,
        roi_align_forward=roi_align_forward,
        roi_align_backward=roi_align_backward,
        get_compiler_version=lambda: 'n/a (ops served by torchvision)',
        get_compiling_cuda_version=lambda: 'n/a (ops served by torchvision)',
        __getattr__=_other_op,
    )
