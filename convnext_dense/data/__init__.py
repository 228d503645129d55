"""Data sets, their transforms and the order in which they are drawn."""

from .classification import ImageFolder
from .sampler import SeededSampler

__all__ = ['ImageFolder', 'SeededSampler']
