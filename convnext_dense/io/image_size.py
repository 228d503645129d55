"""The type for image sizes, used everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the command line parses sizes before numpy and Pillow are imported
    import numpy as np
    from PIL import Image

TOTAL_STRIDE = 32
"""Pixels: the stride of the networks' last stage, and the shortest side of an image that they take."""


class ImageSize(NamedTuple):
    """Height and width of an image in pixels, printed as ``480 x 640``, height first."""

    height: int
    width: int

    @classmethod
    def of(cls, image: np.ndarray | Image.Image) -> ImageSize:
        """Return the size of an array (H, W, ...) or a Pillow image (whose own ``size`` is width first)."""
        return cls(*image.shape[:2]) if hasattr(image, 'shape') else cls(image.height, image.width)

    @property
    def transposed(self) -> ImageSize:
        """The size after rotation by 90 degrees."""
        return ImageSize(self.width, self.height)

    def __str__(self) -> str:
        return f'{self.height} x {self.width}'
