"""Inference: from a config and a checkpoint to results for images."""

from .predictor import Predictor, load

__all__ = ['Predictor', 'load']
