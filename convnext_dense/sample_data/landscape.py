"""Draw landscapes, the background of the sample images: sky, mountains, grass, water, sand, roads and snow."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .page import SCALE, Page
from .pen import WHITE, WOOD, Color, Pen, box, darker, ellipse, lighter, mix, paint

REGIONS = ('sky', 'mountain', 'grass', 'water', 'sand', 'road', 'snow')
SKY, MOUNTAIN, GRASS, WATER, SAND, ROAD, SNOW = range(1, len(REGIONS) + 1)
FRONT = {
    'meadow': 'grass',
    'village': 'grass',
    'beach': 'sand',
    'lake': 'water',
    'sea': 'water',
    'winter': 'snow',
}
"""Region in the foreground of each kind of landscape."""

CLOUD: Color = (250, 250, 252)
SKIES = (  # colors at the top and at the horizon: three of day, dawn, dusk, night
    ((104, 176, 228), (206, 234, 246)),
    ((126, 190, 236), (236, 244, 240)),
    ((84, 154, 218), (190, 222, 240)),
    ((150, 150, 214), (252, 214, 190)),
    ((236, 160, 130), (254, 226, 176)),
    ((52, 62, 118), (142, 138, 184)),
)
# Small pen strokes, points (P, 2) in hundredths of the page.
_TURN = np.linspace(-1, 1, 15)
TUFT = np.array([(-1, -1.7), (0, 0), (0, -1.9), (0, 0), (1, -1.7)])
WAVE = np.column_stack([4.4 * _TURN, 1.4 * np.abs(np.sin(math.pi * _TURN))])
DRIFT = np.column_stack([3 * _TURN, 0.6 * _TURN**2])
DOT = np.zeros((2, 2))
# A cloud, as circles (x, y, radius).
PUFFS = ((-1.3, 0.2, 0.6), (-0.6, -0.2, 0.8), (0.2, -0.35, 0.9), (0.9, 0, 0.75), (1.5, 0.25, 0.5))


def _ridge(rng: np.random.Generator, page: Page, level: float, swing: float, waves: float = 2) -> np.ndarray:
    """Draw a wavy line at random: y in pixels for every column; ``level`` and ``swing`` in page heights."""
    rows, cols = page.region.shape
    x = np.linspace(0, 2 * math.pi, cols)
    line = sum(np.sin(x * waves * k / 2 + rng.uniform(0, 6.3)) / k for k in (1, 2, 3))
    return rows * (level + swing * line / 1.6)


def _peaks(rng: np.random.Generator, page: Page, level: float, height: float) -> np.ndarray:
    """Draw a jagged line of mountain tops at random: y in pixels for every column."""
    rows, cols = page.region.shape
    count = int(rng.integers(4, 8))
    x = np.linspace(-0.1, 1.1, 2 * count + 1) + rng.uniform(-0.2, 0.2, 2 * count + 1) / count
    y = np.where(
        np.arange(2 * count + 1) % 2,
        level - height * rng.uniform(0.55, 1, 2 * count + 1),
        level - height * rng.uniform(0, 0.35, 2 * count + 1),
    )
    return rows * np.interp(np.linspace(0, 1, cols), x, y)


def _below(page: Page, line: np.ndarray, top: Color, foot: Color, label: int) -> np.ndarray:
    """Paint and label the area below a line, shaded from ``top`` to ``foot``; return its mask, uint8 (3H, 3W)."""
    rows, cols = page.region.shape
    outline = np.vstack([np.column_stack([np.arange(cols), line]), [(cols, rows), (0, rows)]])
    corners = [np.round(outline).astype(np.int32)]
    where = cv2.fillPoly(np.zeros_like(page.region), corners, 1)
    cv2.fillPoly(page.region, corners, label)
    start = int(np.clip(line.min(), 0, rows - 1))
    wash = np.linspace(top, foot, rows - start)[:, None].astype(np.uint8)
    wash = cv2.resize(wash, (cols, rows - start), interpolation=cv2.INTER_NEAREST)
    cv2.copyTo(wash, where[start:], page.color[start:])
    return where


def _spots(rng: np.random.Generator, page: Page, label: int, tries: int) -> np.ndarray:
    """Choose random pixels (x, y) of a region, int (N, 2), N <= ``tries``."""
    rows, cols = page.region.shape
    spots = np.column_stack([rng.integers(0, cols, tries), rng.integers(0, rows, tries)])
    return spots[page.region[spots[:, 1], spots[:, 0]] == label]


def _scatter(rng: np.random.Generator, page: Page, label: int, tries: int, stroke: np.ndarray, tone: Color) -> None:
    """Scatter a small stroke over a region, smaller with distance; ``tries`` is for an image of 192 rows."""
    rows = page.region.shape[0]
    spots = _spots(rng, page, label, math.ceil(tries * min(1, rows / (192 * SCALE))))
    size = 0.01 * (0.3 * rows + 1.4 * spots[:, 1])
    strokes = np.round(16 * (spots[:, None] + size[:, None, None] * stroke)).astype(np.int32)
    cv2.polylines(page.color, list(strokes), False, tone, max(1, rows // 190), cv2.LINE_8, 4)


def _sky(rng: np.random.Generator, page: Page) -> None:
    rows, cols = page.region.shape
    top, foot = SKIES[rng.integers(len(SKIES))]
    _below(page, np.zeros(cols), top, mix(foot, top, 0.2), SKY)
    dark = sum(top) < 300
    if dark:
        _scatter(rng, page, SKY, 60, DOT, WHITE)
    if rng.random() < 0.45:  # sun or moon, a decoration without a label
        x, y = rng.uniform(0.08, 0.92) * cols, rng.uniform(0.06, 0.2) * rows
        pen = Pen.fitted(rng.uniform(0.05, 0.08) * rows)
        pen.fill(ellipse(0, 0, 1, 1), (246, 242, 220) if dark else (255, 224, 110), 0)
        page.put(pen, x, y, -1)
    for _ in range(rng.integers(0, 5)):
        x, y, size = rng.uniform(0, cols), rng.uniform(0.05, 0.32) * rows, rng.uniform(0.05, 0.1) * rows
        tone = mix(CLOUD, top, 0.45 if dark else 0.12)
        for dx, dy, r in PUFFS:
            cv2.circle(page.color, (round(x + dx * size), round(y + dy * size)), round(r * size), tone, -1)
        cv2.rectangle(
            page.color,
            (round(x - 1.4 * size), round(y + 0.25 * size)),
            (round(x + 1.5 * size), round(y + 0.76 * size)),
            tone,
            -1,
        )


def _mountains(rng: np.random.Generator, page: Page, level: float, white: float) -> None:
    hue, rows = rng.uniform(205, 285), page.region.shape[0]
    for layer in range(int(rng.integers(1, 3))):
        line = _peaks(rng, page, level, rng.uniform(0.24, 0.4) / (layer + 1))
        tone = paint(hue, 0.16 + 0.1 * layer, 0.7 - 0.12 * layer)
        where = _below(page, line, tone, lighter(tone, 0.35), MOUNTAIN)
        if rng.random() < white and not layer:
            x = np.arange(len(line))
            cap = line.min() + rows * (0.07 + 0.018 * np.sin(x / rows * 60))
            where[np.arange(rows)[:, None] >= cap[None]] = 0
            page.color[where > 0] = (240, 244, 250)


def _grass(rng: np.random.Generator, page: Page, level: float) -> None:
    hue = rng.uniform(78, 104)
    for layer in range(int(rng.integers(1, 4))):
        tone = paint(hue + rng.uniform(-8, 8), 0.42 + 0.05 * layer, 0.78 - 0.06 * layer)
        _below(page, _ridge(rng, page, level, 0.035), lighter(tone, 0.2), darker(tone, 0.12), GRASS)
        level += rng.uniform(0.12, 0.22)
    _scatter(rng, page, GRASS, 90, TUFT, darker(tone, 0.25))


def _waves(rng: np.random.Generator, page: Page, level: float, swing: float = 0) -> None:
    tone = paint(rng.uniform(184, 208), rng.uniform(0.42, 0.6), rng.uniform(0.7, 0.85))
    _below(page, _ridge(rng, page, level, swing), lighter(tone, 0.25), darker(tone, 0.25), WATER)
    _scatter(rng, page, WATER, 70, WAVE, lighter(tone, 0.4))


def _sand(rng: np.random.Generator, page: Page, level: float) -> None:
    rows = page.region.shape[0]
    tone = paint(rng.uniform(36, 44), rng.uniform(0.26, 0.38), 0.93)
    line = _ridge(rng, page, level, 0.03)
    cv2.polylines(
        page.color,
        [np.column_stack([np.arange(len(line)), line]).astype(np.int32)],
        False,
        WHITE,
        max(2, rows // 45),
    )
    _below(page, line, tone, darker(tone, 0.12), SAND)
    _scatter(rng, page, SAND, 160, DOT, darker(tone, 0.25))


def _snow(rng: np.random.Generator, page: Page, level: float) -> None:
    for layer in range(int(rng.integers(2, 4))):
        tone = mix((238, 243, 250), paint(rng.uniform(205, 235), 0.3, 0.86), 0.16 + 0.16 * layer)
        _below(page, _ridge(rng, page, level, 0.035), (246, 249, 253), tone, SNOW)
        level += rng.uniform(0.12, 0.22)
    _scatter(rng, page, SNOW, 50, DRIFT, (206, 216, 234))


def _road(rng: np.random.Generator, page: Page, level: float) -> None:
    """Draw a road from the front edge to the first hill, winding and narrowing."""
    rows, cols = page.region.shape
    y = np.linspace(rows * (level + 0.06), rows * 1.02, 40)
    near = (y - y[0]) / (y[-1] - y[0])
    middle = cols * (
        rng.uniform(0.3, 0.7)
        + rng.uniform(-0.25, 0.25) * near
        + rng.uniform(0.05, 0.16) * np.sin(near * rng.uniform(2.5, 5) + rng.uniform(0, 6))
    )
    half = cols * (0.012 + rng.uniform(0.13, 0.24) * near**1.2)
    edge = np.vstack([np.column_stack([middle - half, y]), np.column_stack([middle + half, y])[::-1]])
    tone = paint(rng.uniform(20, 50), rng.uniform(0.04, 0.14), rng.uniform(0.52, 0.66))
    mask = cv2.fillPoly(np.zeros_like(page.region), [edge.astype(np.int32)], 1) > 0
    mask &= page.region == GRASS
    page.color[mask] = tone
    page.region[mask] = ROAD
    for k in range(2, 38, 4):
        dash = np.array([(middle[k], y[k]), (middle[k + 1], y[k + 1])]).astype(np.int32)
        if page.region[min(dash[0, 1], rows - 1), np.clip(dash[0, 0], 0, cols - 1)] == ROAD:
            cv2.polylines(page.color, [dash], False, lighter(tone, 0.75), max(1, round(half[k] / 9)))


def _fence(pen: Pen, color: Color) -> None:
    for y in (-0.1, 0.25):
        pen.fill(box(-1, y, 1, y + 0.12), color, 0.03)
    for x in (-0.8, -0.4, 0, 0.4, 0.8):
        left, right = x - 0.09, x + 0.09
        pen.fill([(left, 0.6), (left, -0.3), (x, -0.42), (right, -0.3), (right, 0.6)], color, 0.03)


def _stones(pen: Pen, color: Color) -> None:
    for x, y, r in ((-0.5, 0.3, 0.4), (0.45, 0.32, 0.45), (0, 0.1, 0.5)):
        pen.fill(ellipse(x, y, r, r * 0.75), color, 0.05)
        pen.line(ellipse(x, y, r * 0.6, r * 0.45, 0, 200, 280), lighter(color), 0.06)


def _decorate(rng: np.random.Generator, page: Page) -> None:
    """Draw fences and stones, which get no label."""
    rows = page.region.shape[0]
    for draw, tone, labels in (
        (_fence, lighter(WOOD, 0.3), (GRASS, SNOW)),
        (_stones, (150, 148, 152), (GRASS, SAND, SNOW)),
    ):
        spots = _spots(rng, page, labels[rng.integers(len(labels))], 4) if rng.random() < 0.5 else ()
        for x, y in spots[:1]:
            pen = Pen.fitted(rows * (0.03 + 0.06 * y / rows), stretch=1.2)
            draw(pen, tone)
            page.put(pen, x, y, -1)


def draw_landscape(page: Page, kind: str, rng: np.random.Generator) -> None:
    """Fill a page with a landscape, of a kind in ``FRONT``."""
    _sky(rng, page)
    level = rng.uniform(0.3, 0.48)
    if kind not in ('beach', 'sea') and rng.random() < 0.75:
        _mountains(rng, page, level + 0.05, white=1 if kind == 'winter' else 0.5)
    if kind == 'winter':
        _snow(rng, page, level)
    elif kind in ('meadow', 'village'):
        _grass(rng, page, level)
        if kind == 'village':
            _road(rng, page, level)
    elif kind == 'lake':
        _grass(rng, page, level)
        _waves(rng, page, rng.uniform(0.6, 0.7), 0.05)
    else:
        _waves(rng, page, level)
        if kind == 'beach':
            _sand(rng, page, rng.uniform(0.6, 0.74))
    _decorate(rng, page)
