"""Images of any size, bands and depth, read by windows of their stored values."""

from .opener import open_raster
from .raster import Raster

__all__ = ['Raster', 'open_raster']
