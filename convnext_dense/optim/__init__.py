"""Optimizers and mixed precision."""

from .amp import BF16OptimWrapper
from .weight_decay import WeightDecayConstructor

__all__ = ['BF16OptimWrapper', 'WeightDecayConstructor']
