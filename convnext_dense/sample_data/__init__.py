"""The drawn data set."""

from .sample import ensure_sample

__all__ = ['ensure_sample']
