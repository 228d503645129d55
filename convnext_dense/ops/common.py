"""Helper functions shared by all ops."""

from __future__ import annotations

import torch
from torch import Tensor


def to_full_precision(*tensors: Tensor) -> list[Tensor]:
    """Convert to one dtype: float64 if any tensor has it, else float32 (torchvision's ops lack most others)."""
    dtype = torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32
    return [t.to(dtype) for t in tensors]
