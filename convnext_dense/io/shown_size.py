"""Images and label maps at the size at which pages show them."""

from __future__ import annotations

import cv2
import numpy as np

from .image_size import ImageSize

SHOWN_SIDE = 480
"""Pixels of the longer side of images on a page, at most."""


def shown_size(size: ImageSize, side: int = SHOWN_SIDE) -> ImageSize:
    """Return the size at which an image is shown: within ``side`` pixels, in proportion, never enlarged."""
    scale = min(1.0, side / max(size))
    return ImageSize(*(max(round(one * scale), 1) for one in size))


def shown_image(image: np.ndarray, size: ImageSize) -> np.ndarray:
    """Shrink an image, uint8 (H, W, 3), to a size, each pixel the mean of those that it covers."""
    if ImageSize.of(image) == size:
        return image
    return cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA)


def shown_labels(labels: np.ndarray, size: ImageSize) -> np.ndarray:
    """Shrink a label map (H, W) to a size: each pixel is the one in the middle of those that it covers."""
    rows, columns = (
        ((np.arange(count) + 0.5) * (side / count)).astype(np.int64)
        for count, side in zip(size, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]
