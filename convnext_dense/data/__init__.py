"""Data sets, their transforms and the order in which they are drawn."""

from .classification import ImageFolder
from .detection import CocoDataset
from .sampler import SeededSampler

__all__ = ['CocoDataset', 'ImageFolder', 'SeededSampler']
