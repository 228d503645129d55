"""Inference: load a config and a checkpoint, and predict results for images."""

from .predictor import Predictor, load

__all__ = ['Predictor', 'load']
