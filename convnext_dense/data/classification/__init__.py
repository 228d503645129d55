"""Classification: image folders."""

from .dataset import ImageFolder

__all__ = ['ImageFolder']
