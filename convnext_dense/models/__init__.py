"""The networks."""

from .classifier import ImageClassifier
from .convnext import SIZES, ConvNeXt
from .isotropic import ISOTROPIC_SIZES, IsotropicConvNeXt

__all__ = ['ISOTROPIC_SIZES', 'SIZES', 'ConvNeXt', 'ImageClassifier', 'IsotropicConvNeXt']
