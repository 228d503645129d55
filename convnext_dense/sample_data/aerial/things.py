"""Classes of things in large scenes, seen from above: a drawing function for each, and a table of all classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..pen import INK, WHITE, WOOD, Color, Pen, box, darker, ellipse, lighter, mix, paint, smooth

Draw = Callable[[Pen, np.random.Generator], None]
GLASS: Color = (70, 84, 100)


@dataclass(frozen=True)
class SmallThing:
    """A class of things.

    Args:
        name: the name of the class in all formats.
        draw: draws a thing into the frame -1 to 1.
        where: regions on which it stands.
        size: shortest and longest length in pixels.
        count: number in a scene of nine megapixels, where they find a place.
        kind: COCO's supercategory.
    """

    name: str
    draw: Draw
    where: tuple[str, ...]
    size: tuple[float, float]
    count: int
    kind: str


def draw_boat(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a boat with a white hull and a wooden deck, its bow to the right."""
    hull = [(-0.95, -0.3), (0.2, -0.38), (1, 0), (0.2, 0.38), (-0.95, 0.3)]
    pen.fill(hull, WHITE, 0.05)
    pen.fill([(0.85 * x - 0.02, 0.68 * y) for x, y in hull], lighter(WOOD, rng.uniform(0, 0.3)), 0)
    pen.fill(box(-0.5, -0.17, 0.1, 0.17), paint(rng.uniform(340, 380), 0.6, 0.8), 0.03)


def draw_car(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a car in a bright color, its front to the right."""
    color = paint(rng.uniform(0, 360), rng.uniform(0.55, 0.8), rng.uniform(0.75, 0.95))
    pen.fill(smooth([(-0.9, -0.46), (0.86, -0.48), (0.98, 0), (0.86, 0.48), (-0.9, 0.46), (-0.98, 0)]), color, 0.06)
    pen.fill(box(0.2, -0.38, 0.48, 0.38), GLASS, 0)
    pen.fill(box(-0.8, -0.36, -0.6, 0.36), GLASS, 0)
    pen.fill(box(-0.56, -0.34, 0.16, 0.34), lighter(color, 0.25), 0)


def draw_house(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a roof with two sides, a ridge and a chimney."""
    color = paint(rng.uniform(6, 22), rng.uniform(0.45, 0.65), rng.uniform(0.58, 0.78))
    wide = rng.uniform(0.62, 0.85)
    pen.fill(box(-1, -wide, 1, 0), lighter(color, 0.18), 0.04)
    pen.fill(box(-1, 0, 1, wide), darker(color, 0.25), 0.04)
    for x in (-0.6, -0.2, 0.2, 0.6):
        pen.line([(x, -wide), (x, wide)], darker(color, 0.12), 0.03)
    pen.line([(-1, 0), (1, 0)], darker(color, 0.5), 0.06)
    pen.fill(box(0.4, -0.45 * wide, 0.64, -0.1), (120, 110, 108), 0.03)


def draw_sheep(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a sheep, its dark head to the right."""
    pen.fill(ellipse(0.78, 0, 0.24, 0.2), INK, 0)
    pen.fill(ellipse(-0.12, 0, 0.84, 0.6), mix(WHITE, (214, 200, 176), rng.uniform(0, 0.5)), 0.05)


def draw_tank(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a round tank with a ring and a ladder."""
    color = paint(rng.uniform(190, 230), 0.06, rng.uniform(0.78, 0.92))
    pen.fill(ellipse(0, 0, 1, 1), color, 0.06)
    pen.line(ellipse(0, 0, 0.66, 0.66), darker(color, 0.3), 0.06)
    for x in (-0.09, 0.09):
        pen.line([(x, 0.1), (x, 0.95)], darker(color, 0.55), 0.05)
    pen.fill(ellipse(0, 0, 0.16, 0.16), darker(color, 0.4), 0)


def draw_tree(pen: Pen, rng: np.random.Generator) -> None:
    """Draw the crown of a tree."""
    color = paint(rng.uniform(96, 122), rng.uniform(0.5, 0.62), rng.uniform(0.4, 0.5))
    angles = np.arange(7) * 51.4 + rng.uniform(0, 50)
    edge = [ellipse(0, 0, 0.58, 0.58, 0, angle, angle + 1)[0] for angle in angles]
    for x, y in edge:
        pen.fill(ellipse(x, y, 0.42, 0.42), darker(color, 0.12), 0)
    pen.fill(ellipse(0, 0, 0.75, 0.75), color, 0)
    for x, y in edge[:4]:
        pen.fill(ellipse(x * 0.6 - 0.1, y * 0.6 - 0.1, 0.2, 0.2), lighter(color, 0.18), 0)


def draw_truck(pen: Pen, rng: np.random.Generator) -> None:
    """Draw a truck with a light trailer, its colored cab to the right."""
    color = paint(rng.uniform(0, 360), 0.65, 0.7)
    pen.fill(box(0.5, -0.33, 1, 0.33), color, 0.04)
    pen.fill(box(0.72, -0.27, 0.86, 0.27), GLASS, 0)
    load = paint(rng.uniform(30, 60), 0.05, rng.uniform(0.8, 0.95))
    pen.fill(box(-1, -0.38, 0.44, 0.38), load, 0.04)
    pen.line([(-1, 0), (0.44, 0)], darker(load, 0.25), 0.05)


THINGS = (
    SmallThing('boat', draw_boat, ('water',), (20, 34), 110, 'vehicle'),
    SmallThing('car', draw_car, ('road', 'town'), (15, 20), 170, 'vehicle'),
    SmallThing('house', draw_house, ('town', 'meadow'), (22, 31), 160, 'building'),
    SmallThing('sheep', draw_sheep, ('meadow',), (9, 13), 160, 'animal'),
    SmallThing('full tank', draw_tank, ('town', 'meadow'), (20, 34), 100, 'building'),
    SmallThing('empty tank', draw_tank, ('town', 'meadow'), (20, 34), 100, 'building'),
    SmallThing('tree', draw_tree, ('meadow', 'town', 'sand'), (16, 30), 170, 'plant'),
    SmallThing('truck', draw_truck, ('road', 'town'), (24, 34), 120, 'vehicle'),
)
BOAT, CAR, HOUSE, SHEEP, FULL_TANK, EMPTY_TANK, TREE, TRUCK = range(len(THINGS))
