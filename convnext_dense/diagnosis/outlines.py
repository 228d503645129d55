"""Outlines of masks as simplified polygons, which pages draw."""

from __future__ import annotations

import cv2
import numpy as np

from ..io.image_size import ImageSize
from ..io.mask_box import box_around
from ..io.shown_size import SHOWN_SIDE

TOLERANCE = 1.0
"""Pixels of the shown image by which an outline may be off."""
LEAST_AREA = 4.0
"""Pixels of the shown image that a part of a mask covers at least, unless it is the largest one."""
MOST_PARTS = 20
"""Parts of a mask that are drawn, the largest ones."""


def mask_outline(mask: np.ndarray, size: ImageSize, left: int = 0, top: int = 0) -> list[list[float]]:
    """Return the outline of a mask as polygons, without holes.

    They are up to half a pixel inside of the mask's edges, and simplified by about a pixel of the shown image.

    Args:
        mask: bool (h, w), of the image or of a part of it.
        size: of the image.
        left: where the part begins.
        top: where it begins.

    Returns:
        For each part of the mask, the largest first, x, y, x, y, ... in pixels of the image; empty for an empty mask.
    """
    x1, y1, x2, y2 = box_around(mask)
    mask, left, top = mask[y1:y2, x1:x2], left + x1, top + y1
    if not mask.size:
        return []
    scale = max(max(size) / SHOWN_SIDE, 1.0)
    fold = 2 if scale < 2 else 1  # in small images, half a pixel is seen
    large = np.repeat(np.repeat(mask.astype(np.uint8), fold, axis=0), fold, axis=1)
    contours, _ = cv2.findContours(np.pad(large, 1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contours = sorted(contours, key=cv2.contourArea, reverse=True)[:MOST_PARTS]
    outlines = []
    for number, contour in enumerate(contours):
        if number and cv2.contourArea(contour) < LEAST_AREA * (scale * fold) ** 2:
            break
        simple = cv2.approxPolyDP(contour, TOLERANCE * scale * fold, True)
        if len(simple) < 3:
            simple = _corners(contour)
        points = (simple[:, 0, :].astype(np.float64) - 0.5) / fold + (left, top)
        outlines.append([float(value) for value in np.round(points, 1 if fold > 1 else 0).ravel()])
    return outlines


def _corners(contour: np.ndarray) -> np.ndarray:
    """Return the box around a contour as a contour."""
    x, y, width, height = cv2.boundingRect(contour)
    return np.array(
        [[[x, y]], [[x + width - 1, y]], [[x + width - 1, y + height - 1]], [[x, y + height - 1]]], np.int32
    )
