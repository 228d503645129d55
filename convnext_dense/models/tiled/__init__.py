"""Models of mmdet and mmseg on images of any size: the tiles are predicted and merged."""

from .model import TiledModel

__all__ = ['TiledModel']
