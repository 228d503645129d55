"""Find places for tags in drawings, where they cover no others."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..io.mask_box import box_around


def free_place(
    box: np.ndarray, width: int, height: int, placed: np.ndarray, right: int, bottom: int
) -> tuple[int, int, int, int]:
    """Find the place of a tag at a box: the first that covers no earlier tag, or else the one that covers least.

    Args:
        box: left, top, right and bottom edge in pixels, (4,).
        width, height: of the tag.
        placed: boxes of the earlier tags, (N, 4).
        right, bottom: width and height of the drawing.

    Returns:
        Left, top, right and bottom edge.
    """
    x1, y1, x2, y2 = box.tolist()
    corners = [(x1, y1 - height), (x1, y2 + 1), (x2 + 1 - width, y1 - height), (x2 + 1 - width, y2 + 1)]
    corners += [(x1, y1), (x1, y2 + 1 - height), (x2 + 1 - width, y1), (x2 + 1 - width, y2 + 1 - height)]
    return _freest(corners, width, height, placed, right, bottom)


def free_place_around(
    center: np.ndarray, width: int, height: int, placed: np.ndarray, right: int, bottom: int
) -> tuple[int, int, int, int]:
    """Find the place of a tag around a point, as near to it as no earlier tag is covered; see :func:`free_place`.

    Args:
        center: x and y of the point.
        width, height, placed, right, bottom: see there.
    """
    x, y = round(center[0] - width / 2), round(center[1] - height / 2)
    corners = [(x, y + rows * height) for rows in (0, 1, -1, 2, -2)]
    corners += [(x + side * width, y) for side in (1, -1)]
    return _freest(corners, width, height, placed, right, bottom)


def place_of(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a mask, bool (H, W), is: its box, and x and y of its pixel that is farthest from its border."""
    box = np.array(box_around(mask))
    part = mask[box[1] : box[3], box[0] : box[2]]
    distance = cv2.distanceTransform(np.pad(part.astype(np.uint8), 1), cv2.DIST_L2, 5)
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return box, box[:2] + (column - 0.5, row - 0.5)


def _freest(
    corners: Sequence[tuple[int, int]], width: int, height: int, placed: np.ndarray, right: int, bottom: int
) -> tuple[int, int, int, int]:
    """Return the first of several places, moved into the image, that covers no earlier tag, or covers least."""
    places = []
    for x, y in corners:
        x, y = max(0, min(x, right - width)), max(0, min(y, bottom - height))
        covered = np.minimum(placed[:, 2:], (x + width, y + height)) - np.maximum(placed[:, :2], (x, y))
        places.append((np.prod(covered.clip(0), axis=1).sum(), (x, y, x + width, y + height)))
        if not places[-1][0]:
            break
    return min(places, key=lambda place: place[0])[1]
