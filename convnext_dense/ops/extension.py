"""Content of the replacement for ``mmcv._ext``: nms, average RoIAlign, focal loss and deformable attention.

Most detectors and segmentors of mmdet and mmseg call no other op. All other ops can be imported, so that mmdet and
mmseg load, and raise an error with their name when called.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from . import EXT
from .common import not_available
from .deformable_attention import ms_deform_attn_backward, ms_deform_attn_forward
from .focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from .nms import nms
from .roi_align import roi_align_backward, roi_align_forward

OPS = (
    *(nms, roi_align_forward, roi_align_backward),
    *(sigmoid_focal_loss_forward, sigmoid_focal_loss_backward),
    *(ms_deform_attn_forward, ms_deform_attn_backward),
)


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
        {op.__name__: op for op in OPS},
        get_compiler_version=lambda: 'n/a (ops served by torchvision)',
        get_compiling_cuda_version=lambda: 'n/a (ops served by torchvision)',
        __getattr__=_other_op,
    )


def _other_op(name: str) -> Callable[..., Any]:
    """Return a function that raises an error when called, for any op without a replacement."""
    if name.startswith('_'):
        raise AttributeError(f'module {EXT!r} has no attribute {name!r}')

    def op(*args: Any, **kwargs: Any) -> Any:
        raise not_available(name)

    op.__name__ = name
    return op
