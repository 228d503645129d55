"""Helper functions shared by all ops."""

import torch
from torch import Tensor

from ..errors import UserError


def to_full_precision(*tensors: Tensor) -> list[Tensor]:
    """Convert to one dtype: float64 if any tensor has it, else float32 (torchvision's ops lack most others)."""
    dtype = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
    return [t.to(dtype) for t in tensors]


class MissingOp(UserError, NotImplementedError):
    """Error of an op that has no replacement."""


def not_available(op: str) -> MissingOp:
    """Return the error for an op that has no replacement."""
    return MissingOp(
        f"mmcv's compiled op {op} is not available: this mmcv was installed without its ops, and only nms, average "
        f'RoIAlign, sigmoid focal loss and deformable attention have a stand-in. To use it, build mmcv with its ops '
        f'for torch {torch.__version__}: pip install --force-reinstall --no-deps --no-build-isolation '
        f'--no-binary onedl-mmcv onedl-mmcv'
    )
