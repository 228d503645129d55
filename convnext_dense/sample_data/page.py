"""Canvas of an image with the labels of everything drawn on it.

A page is three times as large as its image. Shrinking smooths the image; a label map takes the center of each block of
nine pixels, so that labels of different things never overlap or blend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from ..io.image_size import ImageSize
from .pen import Pen

SCALE = 3  # height of a page over that of its image; odd, so that every pixel of the image has a center


@dataclass
class Page:
    """A canvas for an image of H x W pixels, three times as large.

    Attributes:
        color: uint8 (3H, 3W, 3), RGB.
        region: uint8 (3H, 3W), the landscape behind the things: 0 for unlabeled, else 1 + index into ``REGIONS``.
        owner: int16 (3H, 3W): 0 for the landscape, k for the k-th group, -1 for decoration, which has no label.
        groups: the annotated things and crowds, in the order of drawing.
    """

    color: np.ndarray
    region: np.ndarray
    owner: np.ndarray
    groups: list[Group] = field(default_factory=list)

    @classmethod
    def blank(cls, size: ImageSize) -> Page:
        """Create an empty page for an image of this size."""
        shape = (size.height * SCALE, size.width * SCALE)
        return cls(np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8), np.zeros(shape, np.int16))

    def put(self, pen: Pen, x: float, y: float, owner: int) -> int:
        """Put a drawing on the page with its center at (x, y); return the number of pixels of its mask."""
        rows, cols = self.region.shape
        height, width = pen.mask.shape
        left, top = round(x - width / 2), round(y - height / 2)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + width, cols), min(top + height, rows)
        if x0 < x1 and y0 < y1:
            part = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
            cv2.copyTo(pen.color[part], pen.mask[part], self.color[y0:y1, x0:x1])
            self.owner[y0:y1, x0:x1][pen.mask[part] > 0] = owner
        return int(np.count_nonzero(pen.mask))

    def shadow(self, x: float, y: float, rx: float, ry: float, depth: float = 0.42) -> None:
        """Draw a soft dark oval on the ground, with radii in pixels and a depth in [0, 1]."""
        rows, cols = self.region.shape
        x0, x1 = (int(np.clip(v, 0, cols)) for v in (x - rx, x + rx))
        y0, y1 = (int(np.clip(v, 0, rows)) for v in (y - ry, y + ry))
        if x0 >= x1 or y0 >= y1:
            return
        across = ((np.arange(x0, x1, dtype=np.float32) - np.float32(x)) / np.float32(rx)) ** 2
        down = ((np.arange(y0, y1, dtype=np.float32) - np.float32(y)) / np.float32(ry)) ** 2
        dim = 1 - np.float32(depth) * np.clip(1 - across[None] - down[:, None], 0, 1)
        part = self.color[y0:y1, x0:x1]
        part[:] = cv2.multiply(part, cv2.merge([dim] * 3), dtype=cv2.CV_8U)


@dataclass
class Group:
    """A thing on a page, or a crowd of one class, which shares a mask."""

    thing: int
    """Index into ``THINGS``."""
    full_area: int
    """Pixels of the page that it would cover without occlusion or truncation."""
    is_crowd: bool = False


def render(page: Page, rng: np.random.Generator) -> np.ndarray:
    """Shrink a page to its image and light it: uint8 (H, W, 3), RGB.

    The light has a brightness, a color temperature, a direction in which it falls off, and smooth random variation.
    """
    rows, cols = page.region.shape
    height, width = rows // SCALE, cols // SCALE
    image = cv2.resize(page.color, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    turn, fall = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.14)
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
    slope = (across * math.cos(turn) + down * math.sin(turn)).astype(np.float32)
    wash = cv2.resize(
        rng.uniform(-0.05, 0.05, (5, 7)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    light = rng.uniform(0.84, 1.06) * (1 + fall * slope + wash)
    warmth = rng.uniform(-0.06, 0.06)
    image *= light[..., None] * np.array([1 + warmth, 1, 1 - warmth], np.float32)
    image += rng.normal(0, 1.2, (height, width, 1))  # the grain of the paper
    return np.clip(image, 0, 255).astype(np.uint8)


def subsample(labels: np.ndarray) -> np.ndarray:
    """Reduce a label map of a page to the size of the image, (H, W), by the center pixel of each block."""
    return labels[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]


def region_labels(page: Page) -> np.ndarray:
    """Return the labels of the landscape at the size of the image, uint8 (H, W); 0 where two regions meet."""
    label = subsample(page.region).copy()
    around = np.ones((3, 3), np.uint8)
    label[cv2.dilate(label, around) != cv2.erode(label, around)] = 0
    return label
