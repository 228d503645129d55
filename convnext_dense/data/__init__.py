"""Data sets, their transforms, and the samplers.

Importing this package imports neither torch nor mmcv. The registries find the data set for classification; the data
sets for detection and segmentation, which need mmcv, are imported by ``custom_imports`` in their configs.
"""

from typing import Any

__all__ = ['ImageFolder', 'SeededSampler']


def __getattr__(name: str) -> Any:
    if name == 'ImageFolder':
        from .classification.dataset import ImageFolder

        return ImageFolder
    if name == 'SeededSampler':
        from .sampler import SeededSampler

        return SeededSampler
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
