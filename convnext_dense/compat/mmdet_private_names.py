"""No change: the private names of mmdet that this package sets, written for mmdet 3.5.1 (onedl-mmdetection)."""

from __future__ import annotations

from torch import nn


def resize_to_largest(module: nn.Module) -> None:
    """Have a step that resizes batches to a random size, such as BatchSyncRandomResize, take its largest size."""
    sizes: tuple[int, int] | None = getattr(module, '_random_size_range', None)
    if sizes is not None:
        module._random_size_range = (sizes[1], sizes[1])  # type: ignore[assignment]
