"""A pen that draws shapes in flat colors with ink outlines, and records their exact mask.

Drawings use coordinates in a frame with x to the right and y downward, both about -1 to 1; an affine matrix maps that
frame to the pixels of a layer.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np

Color = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

Points = np.ndarray | Sequence[tuple[float, float]]
"""Corners, shape (N, 2), in the frame of the drawing."""

WHITE: Color = (252, 248, 238)
INK: Color = (52, 44, 54)
WOOD: Color = (150, 104, 66)
_SHIFT = 4  # OpenCV takes 1/16 pixel steps
_STEPS = np.linspace(0, 1, 33)


def paint(hue: float, saturation: float, value: float) -> Color:
    """Make a color of a hue in degrees (taken modulo 360), a saturation and a value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue / 360 % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(color: Color, other: Color, share: float) -> Color:
    """Mix two colors; ``share``, in [0, 1], is the share of ``other``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def lighter(color: Color, share: float = 0.4) -> Color:
    """Mix a color with white."""
    return mix(color, WHITE, share)


def darker(color: Color, share: float = 0.35) -> Color:
    """Mix a color with a dark ink."""
    return mix(color, (30, 20, 40), share)


def ellipse(
    x: float, y: float, rx: float, ry: float, tilt: float = 0, start: float = 0, end: float = 360
) -> np.ndarray:
    """Return points (N, 2) of an ellipse, or of its arc from ``start`` to ``end``; angles in degrees."""
    turn = np.radians(start + (end - start) * _STEPS)
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    points = np.column_stack([np.cos(turn), np.sin(turn)]) @ np.array([[rx * c, rx * s], [-ry * s, ry * c]])
    return points + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Return the four corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def smooth(points: Points, steps: int = 6) -> np.ndarray:
    """Return a closed smooth curve through N points (a Catmull-Rom spline), shape (N * steps, 2)."""
    p1 = np.asarray(points, float)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    square, cube = 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * (p1 - p2) + p3 - p0
    path = p1 + 0.5 * ((p2 - p0) * t + square * t**2 + cube * t**3)
    return path.transpose(1, 0, 2).reshape(-1, 2)


def symmetric(points: Points) -> np.ndarray:
    """Complete an outline from its right half, given from top to bottom, by mirroring it."""
    right = np.asarray(points, float)
    left = right[right[:, 0] > 0][::-1] * (-1, 1)
    return np.vstack([right, left])


class Pen:
    """A layer of colors and its mask, drawn through an affine matrix.

    Args:
        matrix: shape (2, 3), from the frame of the drawing to pixels of the layer.
        height, width: size of the layer in pixels.

    Attributes:
        color: uint8 (height, width, 3), RGB; only meaningful where ``mask`` is set.
        mask: uint8 (height, width), 1 where something was drawn.
    """

    def __init__(self, matrix: np.ndarray, height: int, width: int) -> None:
        self.matrix = matrix
        self.unit = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
        self.color = np.zeros((height, width, 3), np.uint8)
        self.mask = np.zeros((height, width), np.uint8)

    @classmethod
    def fitted(cls, scale: float, *, tilt: float = 0, stretch: float = 1, mirror: bool = False) -> Pen:
        """Create a pen whose layer just holds the frame -1.1 to 1.1, centered.

        Args:
            scale: pixels per unit of the frame.
            tilt: rotation in degrees, clockwise.
            stretch: width over height of the frame, whose area stays the same.
            mirror: swap left and right.
        """
        c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
        across, down = scale * math.sqrt(stretch), scale / math.sqrt(stretch)
        turn = np.array([[c, -s], [s, c]]) @ np.diag([-across if mirror else across, down])
        half = np.ceil(1.1 * np.abs(turn).sum(1)).astype(int)
        return cls(np.column_stack([turn, half]), 2 * int(half[1]) + 1, 2 * int(half[0]) + 1)

    def _pixels(self, points: Points) -> list[np.ndarray]:
        placed = np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return [np.round(placed * (1 << _SHIFT)).astype(np.int32)]

    def fill(self, points: Points, color: Color, ink: float = 0.035) -> None:
        """Draw a filled shape, with an outline in a darker tone that is ``ink`` units wide (0 for none)."""
        corners = self._pixels(points)
        cv2.fillPoly(self.color, corners, color, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self.mask, corners, 1, cv2.LINE_8, _SHIFT)
        if ink:
            self._stroke(corners, darker(color, 0.5), ink, closed=True)

    def line(self, points: Points, color: Color, width: float) -> None:
        """Draw an open line that is ``width`` units wide."""
        self._stroke(self._pixels(points), color, width, closed=False)

    def _stroke(self, corners: list[np.ndarray], color: Color, width: float, *, closed: bool) -> None:
        thickness = max(1, round(width * self.unit))
        cv2.polylines(self.color, corners, closed, color, thickness, cv2.LINE_8, _SHIFT)
        cv2.polylines(self.mask, corners, closed, 1, thickness, cv2.LINE_8, _SHIFT)

    def cut(self, points: Points) -> None:
        """Cut a shape out of the drawing."""
        cv2.fillPoly(self.mask, self._pixels(points), 0, cv2.LINE_8, _SHIFT)

    @contextmanager
    def inside(self, points: Points) -> Iterator[None]:
        """Clip all that is drawn in this block to a shape."""
        color, mask = self.color.copy(), self.mask.copy()
        outside = np.ones_like(mask)
        cv2.fillPoly(outside, self._pixels(points), 0, cv2.LINE_8, _SHIFT)
        yield
        cv2.copyTo(color, outside, self.color)
        cv2.copyTo(mask, outside, self.mask)

    def shade(self, strength: float) -> None:
        """Light the drawing from the upper left: that side by ``strength``, in [0, 0.5], brighter."""
        corners = np.array([[1 + strength, 1], [1, 1 - strength]], np.float32)
        height, width = self.mask.shape
        light = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
        self.color = cv2.multiply(self.color, cv2.merge([light] * 3), dtype=cv2.CV_8U)
