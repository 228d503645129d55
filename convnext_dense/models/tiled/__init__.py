"""Models of mmdet and mmseg on images of any size: the tiles are predicted and merged."""

from .model import TiledModel, UnreadableTile

__all__ = ['TiledModel', 'UnreadableTile']
