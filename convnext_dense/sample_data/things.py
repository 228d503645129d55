"""Classes of things in the sample images: a drawing function for each, and a table of all classes.

To add a class, write a function ``draw_...(pen, color, rng)`` that fills the frame -1 to 1 (things that stand have
their foot at y = 1), add a line to ``THINGS``, and increase ``SAMPLE_VERSION``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .pen import INK, WHITE, WOOD, Color, Pen, box, darker, ellipse, lighter, mix, paint, smooth, symmetric

Draw = Callable[[Pen, Color, np.random.Generator], None]

GROUND = ('grass', 'sand', 'snow', 'road')
AIR = ('sky', 'mountain')
LEAF: Color = (104, 158, 76)
GLASS: Color = (190, 224, 238)
TYPICAL = 0.9  # share of the things that have the typical color of their class


@dataclass(frozen=True)
class Thing:
    """A class of things.

    Args:
        name: the name of the class in all formats.
        hue: degrees, lowest and highest, of the typical color.
        tone: typical saturation and value, in [0, 1].
        draw: draws a thing of this class.
        where: regions of a landscape in which it has its foot (or, in the air, its center).
        size: relative size; 1 is usual.
        tilt: largest rotation to either side, in degrees.
        kind: COCO's supercategory.
    """

    name: str
    hue: tuple[float, float]
    tone: tuple[float, float]
    draw: Draw
    where: tuple[str, ...]
    size: float
    tilt: float
    kind: str

    def color(self, rng: np.random.Generator) -> Color:
        """Draw a color at random: near the typical one, or, for one thing in ten, any."""
        hue = rng.uniform(*self.hue)
        saturation, value = self.tone[0] + rng.uniform(-0.08, 0.08), self.tone[1] + rng.uniform(-0.07, 0.07)
        if rng.random() > TYPICAL:
            hue, saturation = rng.uniform(0, 360), rng.uniform(0.35, 0.75)
        return paint(hue, saturation, value)


def draw_balloon(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a hot-air balloon with gores and a basket."""
    skin = smooth(symmetric([(0, -1), (0.52, -0.83), (0.73, -0.38), (0.56, 0.08), (0.2, 0.5)]))
    for x in (-0.17, 0.17):
        pen.line([(x, 0.48), (x * 0.9, 0.78)], INK, 0.03)
    pen.fill(skin, color)
    second = lighter(color, rng.uniform(0.55, 0.9))
    with pen.inside(skin):
        for number, width in enumerate((0.62, 0.44, 0.22)):
            pen.fill(ellipse(0, -0.25, width, 0.95), color if number % 2 else second, 0.02)
        if rng.random() < 0.6:
            band = smooth(symmetric([(0, -0.06), (0.9, -0.2), (0.9, -0.04), (0, 0.1)]))
            pen.fill(band, darker(color, 0.3), 0.02)
    pen.line(ellipse(-0.34, -0.5, 0.16, 0.28, 15, 150, 240), lighter(color, 0.8), 0.05)
    pen.fill([(-0.22, 0.74), (0.22, 0.74), (0.17, 1), (-0.17, 1)], WOOD)
    pen.line([(-0.2, 0.84), (0.2, 0.84)], darker(WOOD), 0.03)


def draw_bird(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a round bird with a lifted wing, looking right."""
    pen.fill([(-0.5, 0.1), (-1, -0.12), (-0.94, 0.14), (-1, 0.34), (-0.45, 0.36)], darker(color, 0.2))
    for x in (-0.05, 0.15):
        pen.line([(x, 0.5), (x + 0.05, 0.82), (x + 0.17, 0.82)], (216, 140, 60), 0.05)
    back, belly = (
        [(-0.66, 0.14), (-0.2, -0.3), (0.25, -0.62), (0.62, -0.55)],
        [(0.55, 0.3), (0.12, 0.62), (-0.36, 0.5)],
    )
    body = smooth([*back, (0.74, -0.22), *belly])
    pen.fill([(0.68, -0.42), (1.02, -0.24), (0.68, -0.12)], (240, 164, 62))
    pen.fill(body, color)
    with pen.inside(body):
        pen.fill(ellipse(0.36, 0.36, 0.5, 0.42, -30), lighter(color, 0.65), 0)
    lift = rng.uniform(-0.3, 0.25)
    tip = [(-0.62, -0.36 - lift), (-0.56, -0.66 - lift), (-0.16, -0.34 - lift / 2)]
    pen.fill(smooth([(0.2, -0.1), (0.05, 0.24), (-0.34, 0.16), *tip]), darker(color, 0.28))
    for step in (0.25, 0.5):
        quill = [(-0.5 + step, -0.4 - lift + step * 0.5), (-0.26 + step * 0.8, 0.1)]
        pen.line(quill, darker(color, 0.6), 0.03)
    pen.fill(ellipse(0.46, -0.32, 0.13, 0.13), WHITE, 0.02)
    pen.fill(ellipse(0.49, -0.31, 0.065, 0.065), INK, 0)


def draw_boat(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a sailing boat with two white sails and a colored stripe."""
    pen.line([(0, -0.98), (0, 0.5)], darker(WOOD), 0.06)
    sail, jib = [(0.06, -0.86), (0.74, 0.34), (0.06, 0.34)], [(-0.07, -0.72), (-0.66, 0.34), (-0.07, 0.34)]
    pen.fill(sail, WHITE)
    with pen.inside(sail):
        stripe = lighter(color, 0.1)
        top = rng.uniform(-0.2, 0.05)
        pen.fill(box(0, top, 1, top + 0.2), stripe, 0)
    pen.fill(jib, lighter(color, 0.72))
    pen.fill([(0, -1), (0.3, -0.93), (0, -0.84)], paint(rng.uniform(0, 360), 0.7, 0.9), 0.02)
    hull = smooth(symmetric([(0, 0.51), (0.5, 0.5), (0.96, 0.44), (0.73, 0.84), (0.4, 1)]))
    pen.fill(hull, color)
    with pen.inside(hull):
        pen.fill(box(-1, 0.82, 1, 1.1), darker(color, 0.45), 0)
        pen.line([(-1, 0.63), (1, 0.6)], lighter(color, 0.7), 0.06)
    for x in (-0.38, 0, 0.38):
        pen.fill(ellipse(x, 0.72, 0.07, 0.07), GLASS, 0.03)


def draw_car(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a little car from the side, driving right."""
    back = rng.uniform(-0.62, -0.5)
    cabin = smooth([(back - 0.12, 0.2), (back, -0.28), (-0.2, -0.46), (0.22, -0.42), (0.5, 0.2), (0.2, 0.3)])
    pen.fill(cabin, darker(color, 0.12))
    pen.fill([(back + 0.04, 0.1), (back + 0.13, -0.2), (-0.1, -0.3), (-0.1, 0.1)], GLASS, 0.03)
    pen.fill([(0, 0.1), (0, -0.31), (0.19, -0.28), (0.36, 0.1)], GLASS, 0.03)
    body = smooth(symmetric([(0, 0.1), (0.62, 0.11), (0.92, 0.22), (0.98, 0.5), (0.9, 0.66), (0, 0.68)]))
    pen.fill(body, color)
    with pen.inside(body):
        pen.fill(box(-1.1, 0.5, 1.1, 0.8), darker(color, 0.2), 0)
        if rng.random() < 0.5:
            pen.line([(-1, 0.36), (1, 0.36)], WHITE, 0.08)
    pen.line([(-0.06, 0.12), (-0.06, 0.62)], darker(color, 0.5), 0.025)
    pen.line([(0.04, 0.24), (0.16, 0.24)], WHITE, 0.045)
    pen.fill(ellipse(0.88, 0.34, 0.08, 0.09), (255, 232, 140), 0.02)
    for x in (-0.54, 0.54):
        pen.fill(ellipse(x, 0.7, 0.25, 0.27), (58, 54, 62), 0.03)
        pen.fill(ellipse(x, 0.7, 0.12, 0.13), (206, 206, 204), 0.02)


def draw_fish(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a striped fish swimming right."""
    fin = darker(color, 0.22)
    tail = [(-0.5, 0), (-0.84, -0.5), (-1, -0.52), (-0.86, 0), (-1, 0.52), (-0.84, 0.5)]
    pen.fill(smooth(tail), fin)
    pen.fill(smooth([(-0.3, -0.4), (-0.1, -0.82), (0.28, -0.72), (0.42, -0.36)]), fin)
    pen.fill(smooth([(-0.1, 0.4), (-0.22, 0.76), (0.1, 0.64), (0.26, 0.42)]), fin)
    back, belly = (
        [(-0.68, 0), (-0.3, -0.44), (0.22, -0.56), (0.72, -0.36)],
        [(0.7, 0.36), (0.2, 0.52), (-0.3, 0.4)],
    )
    body = smooth([*back, (0.98, 0.02), *belly])
    pen.fill(body, color)
    with pen.inside(body):
        pen.fill(ellipse(0.3, 0.5, 0.8, 0.26), lighter(color, 0.5), 0)
        for x in np.linspace(-0.36, 0.24, rng.integers(2, 4)):
            pen.line(ellipse(x - 0.3, 0, 0.34, 0.8, 0, -60, 60), WHITE, 0.12)
    pen.line(ellipse(0.34, 0, 0.16, 0.34, 0, -70, 70), darker(color, 0.5), 0.035)
    pen.fill(ellipse(0.16, 0.14, 0.17, 0.1, 25), fin, 0.03)
    pen.fill(ellipse(0.68, -0.12, 0.12, 0.12), WHITE, 0.02)
    pen.fill(ellipse(0.71, -0.11, 0.06, 0.06), INK, 0)
    pen.line(ellipse(0.86, 0.1, 0.1, 0.08, 0, 40, 150), darker(color, 0.6), 0.035)


def draw_flower(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a flower with five to eight petals, a stem and two leaves."""
    bend = rng.uniform(-0.12, 0.12)
    pen.line(smooth([(0, -0.3), (bend, 0.35), (0, 1), (bend, 0.35)]), darker(LEAF, 0.2), 0.09)
    pen.fill(smooth([(bend * 0.6, 0.74), (0.3, 0.36), (0.62, 0.3), (0.42, 0.64)]), LEAF)
    pen.fill(smooth([(bend * 0.6, 0.86), (-0.3, 0.52), (-0.6, 0.46), (-0.42, 0.8)]), LEAF)
    petals, turn = int(rng.integers(5, 9)), rng.uniform(0, 360)
    for number in range(petals):
        angle = turn + 360 * number / petals
        x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        pen.fill(ellipse(0.38 * x, -0.36 + 0.38 * y, 0.27, 1.25 / petals, angle), color)
        pen.line([(0.3 * x, -0.36 + 0.3 * y), (0.52 * x, -0.36 + 0.52 * y)], darker(color, 0.25), 0.03)
    pen.fill(ellipse(0, -0.36, 0.2, 0.2), (250, 206, 76))
    for x, y in rng.uniform(-0.1, 0.1, (6, 2)):
        pen.fill(ellipse(x, -0.36 + y, 0.025, 0.025), (196, 130, 40), 0)


def draw_house(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a house with a tiled roof, a door, two windows and a chimney."""
    roof, door = paint(rng.uniform(4, 22), 0.62, 0.68), paint(rng.uniform(0, 360), 0.5, 0.55)
    pen.fill(box(0.3, -0.9, 0.52, -0.3), mix(roof, INK, 0.25))
    pen.fill(box(-0.76, -0.14, 0.76, 1), color)
    for y in (0.16, 0.44, 0.72):
        pen.line([(-0.73, y), (0.73, y)], darker(color, 0.14), 0.02)
    gable = [(-0.98, -0.1), (-0.16, -0.96), (0.16, -0.96), (0.98, -0.1)]
    pen.fill(gable, roof, 0.045)
    with pen.inside(gable):
        x = np.linspace(-1, 1, 91)
        for row, y in enumerate(np.arange(-0.84, 0, 0.19)):
            tiles = 0.12 * np.abs(np.cos(math.pi * (x / 0.22 + row / 2)))
            pen.line(np.column_stack([x, y + tiles]), darker(roof, 0.35), 0.025)
    side = 0.36 if rng.random() < 0.5 else -0.36
    pen.fill([(side - 0.2, 1), (side - 0.2, 0.46), (side, 0.34), (side + 0.2, 0.46), (side + 0.2, 1)], door)
    pen.fill(ellipse(side + 0.1, 0.7, 0.03, 0.03), (250, 214, 110), 0)
    light = GLASS if rng.random() < 0.6 else (255, 226, 130)
    pen.fill(box(-side - 0.24, 0.16, -side + 0.24, 0.62), light, 0.05)
    pen.line([(-side, 0.16), (-side, 0.62)], WHITE, 0.04)
    pen.line([(-side - 0.22, 0.39), (-side + 0.22, 0.39)], WHITE, 0.04)
    pen.fill(ellipse(0, -0.5, 0.14, 0.14), light, 0.05)


def draw_kite(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a diamond kite of four panels with a tail of bows."""
    x, y = np.array([0, 0.14, -0.12, 0.1, -0.06]), np.linspace(0.34, 0.98, 5)
    pen.line(np.stack([x, y], 1), INK, 0.035)
    bow = paint(rng.uniform(0, 360), 0.65, 0.95)
    for cx, cy in zip(x[1:], y[1:] - 0.03, strict=True):
        for side in (-1, 1):
            pen.fill([(cx, cy), (cx + side * 0.15, cy - 0.09), (cx + side * 0.15, cy + 0.08)], bow, 0.02)
    left, right, top, foot, cross = (-0.68, -0.3), (0.68, -0.3), (0, -1), (0, 0.42), (0, -0.3)
    second = mix(color, (255, 224, 92), rng.uniform(0.55, 0.85))
    rim = [top, right, foot, left, top]
    for number, (start, end) in enumerate(pairwise(rim)):
        pen.fill([start, end, cross], second if number % 2 else color, 0.025)
    pen.line([left, right], darker(WOOD), 0.04)
    pen.line([top, foot], darker(WOOD), 0.04)
    pen.line(rim, darker(color, 0.55), 0.045)


def draw_mushroom(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a mushroom with white dots on its cap."""
    stalk = smooth(symmetric([(0.2, 0), (0.22, 0.5), (0.36, 0.9), (0, 1)]))
    pen.fill(stalk, (244, 228, 198))
    pen.line([(0.1, 0.3), (0.14, 0.8)], (206, 182, 150), 0.04)
    skirt = smooth(symmetric([(0.34, 0.2), (0.28, 0.36), (0, 0.42)]))
    pen.fill(skirt, (232, 208, 172), 0.025)
    height = rng.uniform(-1, -0.78)
    cap = smooth(symmetric([(0, height), (0.34, height + 0.1), (0.78, -0.42), (0.96, 0.1), (0.5, 0.26), (0, 0.3)]))
    pen.fill(cap, color)
    with pen.inside(cap):
        left = (-0.62, -0.04), (-0.28, -0.42), (-0.72, -0.4)
        for x, y in (*left, (0.06, -0.02), (0.2, -0.64), (0.54, -0.26), (0.78, 0.06)):
            pen.fill(ellipse(x, y, rng.uniform(0.09, 0.17), rng.uniform(0.08, 0.14)), WHITE, 0.02)


def draw_ring(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a swimming ring with white segments: the class with a hole."""
    outer, inner = ellipse(0, 0, 0.92, 0.92), ellipse(0, 0, 0.44, 0.44)
    pen.fill(outer, color)
    turn, segments = rng.uniform(0, 90), int(rng.integers(3, 6))
    with pen.inside(outer):
        for number in range(segments):
            start = turn + 360 * number / segments
            rim = ellipse(0, 0, 1.2, 1.2, 0, start, start + 170 / segments)
            pen.fill(np.vstack([[(0, 0)], rim]), WHITE, 0.025)
    pen.line(ellipse(0, 0, 0.7, 0.7, 0, 195, 260), WHITE, 0.07)
    pen.line(ellipse(0, 0, 0.92, 0.92), darker(color, 0.5), 0.04)
    pen.cut(inner)
    pen.line(inner, darker(color, 0.5), 0.04)


def draw_tree(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw a leafy tree, or a fir in three storeys."""
    pen.fill([(-0.13, 0.2), (0.13, 0.2), (0.2, 1), (-0.2, 1)], WOOD)
    pen.line([(0.03, 0.6), (0.06, 0.9)], darker(WOOD), 0.03)
    if rng.random() < 0.35:
        for top, foot, half in ((-0.35, 0.62, 0.78), (-0.68, 0.2, 0.62), (-1, -0.25, 0.44)):
            pen.fill(symmetric([(0, top), (half, foot), (half * 0.5, foot - 0.07), (0, foot)]), color)
            pen.line([(-half * 0.4, foot - 0.26), (-half * 0.6, foot - 0.12)], lighter(color), 0.04)
        return
    lobes = (-0.46, 0.08, 0.4), (0.46, 0.08, 0.4), (-0.52, -0.34, 0.38), (0.52, -0.34, 0.38), (0, -0.56, 0.44)
    crown = [(x + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.05, 0.05), r) for x, y, r in lobes]
    for x, y, r in crown:
        pen.fill(ellipse(x, y, r, r), color, 0.07)
    for x, y, r in [*crown, (0, -0.1, 0.5)]:
        pen.fill(ellipse(x, y, r, r), color, 0)
    leaves = ((-0.5, -0.4), (0, -0.62), (0.44, -0.36), (-0.2, -0.06), (0.5, 0.1), (-0.56, 0.1), (0.16, -0.26))
    for x, y in leaves:
        pen.line(ellipse(x, y, 0.14, 0.12, 0, 190, 320), darker(color, 0.3), 0.035)
    if rng.random() < 0.35:
        for x, y in rng.uniform((-0.6, -0.6), (0.6, 0.2), (5, 2)):
            pen.fill(ellipse(x, y, 0.075, 0.075), (214, 62, 52), 0.02)


def draw_umbrella(pen: Pen, color: Color, rng: np.random.Generator) -> None:
    """Draw an open umbrella with a scalloped edge and a crooked handle."""
    pen.line([(0, -0.95), (0, 0.8)], darker(WOOD), 0.06)
    pen.line(ellipse(0.14, 0.8, 0.14, 0.17, 0, 0, 180), darker(WOOD), 0.07)
    panels = int(rng.integers(4, 7))
    edges = np.linspace(-0.98, 0.98, panels + 1)
    hem = np.vstack([ellipse((a + b) / 2, 0.1, (b - a) / 2, 0.13, 0, 180, 360) for a, b in pairwise(edges)])
    canopy = np.vstack([ellipse(0, 0.1, 0.98, 0.98, 0, 180, 360), hem[::-1]])
    pen.fill(canopy, color)
    second = lighter(color, rng.uniform(0.35, 0.75))
    with pen.inside(canopy):
        for number in range(0, panels, 2):
            left, right = (
                ellipse(0, 0.1, abs(x), 0.98, 0, 180 if x < 0 else 360, 270) for x in edges[number : number + 2]
            )
            pen.fill(np.vstack([left, right[::-1]]), second, 0.025)
    pen.line(canopy, darker(color, 0.5), 0.04)
    pen.line([(0, -0.86), (0, -1)], darker(WOOD), 0.06)


THINGS: tuple[Thing, ...] = (
    Thing('balloon', (348, 368), (0.72, 0.88), draw_balloon, AIR, 1.25, 10, 'toy'),
    Thing('bird', (192, 210), (0.62, 0.82), draw_bird, (*AIR, 'grass', 'snow'), 0.8, 22, 'animal'),
    Thing('boat', (12, 24), (0.66, 0.62), draw_boat, ('water',), 1.05, 7, 'vehicle'),
    Thing('car', (222, 240), (0.68, 0.78), draw_car, ('road', 'grass', 'sand', 'snow'), 1.05, 5, 'vehicle'),
    Thing('fish', (22, 34), (0.8, 0.95), draw_fish, ('water',), 0.85, 28, 'animal'),
    Thing('flower', (312, 334), (0.55, 0.92), draw_flower, ('grass',), 0.95, 14, 'plant'),
    Thing('house', (38, 50), (0.32, 0.92), draw_house, ('grass', 'snow', 'sand'), 1.35, 3, 'building'),
    Thing('kite', (158, 176), (0.62, 0.76), draw_kite, AIR, 0.95, 35, 'toy'),
    Thing('mushroom', (352, 366), (0.8, 0.82), draw_mushroom, ('grass', 'snow'), 0.8, 12, 'plant'),
    Thing('ring', (50, 60), (0.72, 0.95), draw_ring, ('water', 'sand'), 0.75, 90, 'toy'),
    Thing('tree', (92, 130), (0.52, 0.6), draw_tree, ('grass', 'snow'), 1.3, 4, 'plant'),
    Thing('umbrella', (264, 284), (0.5, 0.74), draw_umbrella, GROUND, 1.0, 18, 'toy'),
)
