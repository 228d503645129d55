"""Data sets, their transforms, and the order in which samples are drawn.

The package alone imports neither torch nor mmcv. The registries know where classification's data set lies; the data
sets of detection and segmentation, which need mmcv, are named in the ``custom_imports`` of their configs.
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
