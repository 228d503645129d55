"""The networks."""

from .classifier import ImageClassifier
from .convnext import SIZES, ConvNeXt
from .roadmap import RoadmapNet

__all__ = ['SIZES', 'ConvNeXt', 'ImageClassifier', 'RoadmapNet']
