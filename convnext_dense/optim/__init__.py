"""Optimizers and mixed precision."""

from .amp import BF16OptimWrapper
from .layer_decay import LayerDecayConstructor

__all__ = ['BF16OptimWrapper', 'LayerDecayConstructor']
