"""The networks."""

from .classifier import ImageClassifier
from .convnext import SIZES, ConvNeXt

__all__ = ['SIZES', 'ConvNeXt', 'ImageClassifier']
