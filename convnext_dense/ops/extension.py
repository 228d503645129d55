"""Content of the replacement for ``mmcv._ext``: the table of the ops that are served.

They are all ops that the configs of mmdet and mmseg reach. The other ones can be imported, so that mmdet and mmseg
load, and raise an error with their name when called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from ..errors import UserError
from . import (
    EXT,
    box_overlaps,
    carafe,
    deformable_attention,
    deformable_conv,
    deformable_roi_pool,
    focal_loss,
    masked_conv,
    nms,
    psa_mask,
    roi_align,
    roi_pool,
    sync_batch_norm,
)

# What mmcv calls a family, and its ops.
FAMILIES: dict[str, tuple[Callable[..., Any], ...]] = {
    'nms': (nms.nms,),
    'soft_nms': (nms.softnms,),
    'nms_match': (nms.nms_match,),
    'line_nms': (nms.line_nms_forward,),
    'bbox_overlaps': (box_overlaps.bbox_overlaps,),
    'RoIAlign': (roi_align.roi_align_forward, roi_align.roi_align_backward),
    'RoIPool': (roi_pool.roi_pool_forward, roi_pool.roi_pool_backward),
    'DeformRoIPool': (deformable_roi_pool.deform_roi_pool_forward, deformable_roi_pool.deform_roi_pool_backward),
    'SigmoidFocalLoss': (focal_loss.sigmoid_focal_loss_forward, focal_loss.sigmoid_focal_loss_backward),
    'SoftmaxFocalLoss': (focal_loss.softmax_focal_loss_forward, focal_loss.softmax_focal_loss_backward),
    'DeformConv2d': (
        deformable_conv.deform_conv_forward,
        deformable_conv.deform_conv_backward_input,
        deformable_conv.deform_conv_backward_parameters,
    ),
    'ModulatedDeformConv2d': (
        deformable_conv.modulated_deform_conv_forward,
        deformable_conv.modulated_deform_conv_backward,
    ),
    'MultiScaleDeformableAttention': (
        deformable_attention.ms_deform_attn_forward,
        deformable_attention.ms_deform_attn_backward,
    ),
    'CARAFE': (carafe.carafe_forward, carafe.carafe_backward),
    'CARAFENaive': (carafe.carafe_naive_forward, carafe.carafe_naive_backward),
    'MaskedConv2d': (masked_conv.masked_im2col_forward, masked_conv.masked_col2im_forward),
    'PSAMask': (psa_mask.psamask_forward, psa_mask.psamask_backward),
    'SyncBatchNorm': (
        sync_batch_norm.sync_bn_forward_mean,
        sync_batch_norm.sync_bn_forward_var,
        sync_batch_norm.sync_bn_forward_output,
        sync_batch_norm.sync_bn_backward_param,
        sync_batch_norm.sync_bn_backward_data,
    ),
}
OPS = {op.__name__: op for family in FAMILIES.values() for op in family}


class MissingOp(UserError, NotImplementedError):
    """Error of an op that has no replacement."""


def fill(module: ModuleType) -> None:
    """Put the ops into the module.

    Raises:
        RuntimeError: if torchvision can't be imported.
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
        OPS,
        get_compiler_version=lambda: 'n/a (ops served by torchvision)',
        get_compiling_cuda_version=lambda: 'n/a (ops served by torchvision)',
        __getattr__=_other_op,
    )


def _other_op(name: str) -> Callable[..., Any]:
    """Return a function that raises an error when called, for any op without a replacement."""
    if name.startswith('_'):
        raise AttributeError(f'module {EXT!r} has no attribute {name!r}')

    def op(*args: Any, **kwargs: Any) -> Any:
        raise MissingOp(
            f"mmcv's compiled op {name} is not available: this mmcv was installed without its ops, and of them only "
            f'those of {", ".join(FAMILIES)} have a stand-in, which are all that the configs of mmdet and mmseg need. '
            f'To use {name}, build mmcv with its ops for torch {torch.__version__}: pip install --force-reinstall '
            f'--no-deps --no-build-isolation --no-binary onedl-mmcv onedl-mmcv'
        )

    op.__name__ = name
    return op
