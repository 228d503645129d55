"""Data sets, their transforms and the order in which they are drawn.

The data sets of detection and segmentation are in modules of their own, which configs name in ``custom_imports``: they
import mmcv, which classification does without.
"""

from .classification.dataset import ImageFolder
from .sampler import SeededSampler

__all__ = ['ImageFolder', 'SeededSampler']
