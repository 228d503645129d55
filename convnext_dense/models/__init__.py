"""Backbones, the image classifier, and parts of detectors and segmentors."""

from ..archs import ARCHS, ISOTROPIC_ARCHS
from .classifier import ImageClassifier
from .convnext import ConvNeXt
from .fcmae import FCMAE
from .isotropic import IsotropicConvNeXt

__all__ = ['ARCHS', 'FCMAE', 'ISOTROPIC_ARCHS', 'ConvNeXt', 'ImageClassifier', 'IsotropicConvNeXt']
