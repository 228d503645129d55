"""Things in a landscape: the scenes of the dense formats and the portraits of the image folder."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .landscape import FRONT, MOUNTAIN, REGIONS, SKY, WATER, landscape
from .page import Group, Page
from .pen import Pen, lighter
from .things import THINGS, Thing

FOOT = 0.94  # how far below its middle a thing stands, in half sizes


def _pen(thing: Thing, half: float, rng: np.random.Generator) -> Pen:
    """One drawing of ``thing``, ``half`` pixels from its middle to its edge."""
    tilt, stretch = rng.uniform(-thing.tilt, thing.tilt), math.exp(rng.uniform(-0.12, 0.12))
    pen = Pen.fitted(half, tilt=tilt, stretch=stretch, mirror=rng.random() < 0.5)
    thing.draw(pen, thing.color(rng), rng)
    pen.shade(rng.uniform(0.06, 0.18))
    return pen


def _bind(page: Page, thing: Thing, x: float, foot: float, half: float) -> None:
    """Bind a thing to the place it stands in: a shadow on land, a ripple on water, nothing in the air."""
    rows, cols = page.region.shape
    label = int(page.region[int(np.clip(foot, 0, rows - 1)), int(np.clip(x, 0, cols - 1))])
    if not label or REGIONS[label - 1] not in thing.where or label in (SKY, MOUNTAIN):
        return
    if label != WATER:
        page.shadow(x + 0.12 * half, foot, 1.05 * half, 0.26 * half)
        return
    for reach, share in ((1.05, 0.35), (0.8, 0.6)):
        oval = (round(x), round(foot)), (round(reach * half), round(0.14 * half)), 0, 0, 360
        cv2.ellipse(page.color, *oval, lighter((120, 186, 206), share), max(1, round(half / 28)))


def _surroundings(thing: Thing, rng: np.random.Generator) -> str:
    """A kind of landscape with ``thing``'s place in its foreground."""
    kinds = [kind for kind, front in FRONT.items() if front in thing.where or 'sky' in thing.where]
    return kinds[rng.integers(len(kinds))]


def _home(thing: Thing, page: Page, rng: np.random.Generator) -> tuple[float, float, bool] | None:
    """A spot (x, y) where ``thing`` belongs and whether that is in the air; None where the page has none."""
    rows, cols = page.region.shape
    for _ in range(25):
        x, y = rng.uniform(0.04, 0.96) * cols, rng.uniform(0.08, 0.97) * rows
        label = int(page.region[int(y), int(x)])
        if label and REGIONS[label - 1] in thing.where:
            return x, y, label in (SKY, MOUNTAIN)
    return None


def _cluster(half: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Up to 20 places of a crowd around (0, 0), from back to front, for things of this half size."""
    places: list[tuple[float, float]] = []
    reach = np.array([rng.uniform(5, 8), rng.uniform(2.2, 3.5)]) * half
    for x, y in rng.uniform(-reach, reach, (60, 2)).tolist():
        if len(places) < 20 and all(math.hypot(x - u, y - v) > 1.4 * half for u, v in places):
            places.append((x, y))
    return sorted(places, key=lambda place: place[1])


def draw_scene(width: int, height: int, rng: np.random.Generator, *, bare: bool = False) -> Page:
    """A page with four to eight things, hidden by one another as they come.

    The first is the one the landscape was chosen for; on every other page it is a large one.

    Args:
        width, height: size of the image in pixels.
        rng: everything random about the page comes from it.
        bare: the landscape alone.
    """
    page = Page.blank(width, height)
    lead = int(rng.integers(len(THINGS)))
    landscape(page, _surroundings(THINGS[lead], rng), rng)
    rows = page.region.shape[0]
    count = 0 if bare else int(rng.integers(4, 9))
    hero = 0 if rng.random() < 0.5 else -1
    crowd = int(rng.integers(1, count)) if count and rng.random() < 0.2 else -1
    cast: list[tuple[int, float, float, float, bool]] = []  # class, x, y of the middle, half size, crowd?
    for number in range(count):
        for _ in range(12):  # until something fits
            kind = int(rng.integers(len(THINGS))) if number else lead
            thing = THINGS[kind]
            spot = _home(thing, page, rng)
            if spot is None:
                continue
            x, y, flying = spot
            near = 1 if flying else 0.6 + 0.7 * y / rows
            half = rows * 0.155 * thing.size * near * math.exp(rng.uniform(-0.45, 0.4))
            if number == hero:
                half = rows * rng.uniform(0.34, 0.46)
            if number == crowd:
                half = rows * rng.uniform(0.035, 0.05)
            y -= 0 if flying else FOOT * half
            apart = (math.hypot(x - u, y - v) > 0.7 * max(half, other) for _, u, v, other, _ in cast)
            if y > 0.75 * half and all(apart):
                cast.append((kind, x, y, half, number == crowd))
                break
    for kind, x, y, half, crowded in sorted(cast, key=lambda one: one[2] + one[3]):  # by their feet
        group = Group(kind, 0, crowded)
        page.groups.append(group)
        for u, v in _cluster(half, rng) if crowded else [(0, 0)]:
            pen = _pen(THINGS[kind], half, rng)
            _bind(page, THINGS[kind], x + u, y + v + FOOT * half, half)
            group.whole += page.put(pen, x + u, y + v, len(page.groups))
    return page


def draw_portrait(thing: int, width: int, height: int, rng: np.random.Generator) -> Page:
    """A page filled by one thing (an index into ``THINGS``), at times with another's edge beside it."""
    page = Page.blank(width, height)
    landscape(page, _surroundings(THINGS[thing], rng), rng)
    rows, cols = page.region.shape
    side = min(rows, cols)
    half = side * rng.uniform(0.32, 0.5)
    x, y = cols * rng.uniform(0.4, 0.6), rows * rng.uniform(0.42, 0.6)
    guest = rng.random()
    if guest < 0.3:
        other = THINGS[rng.integers(len(THINGS))]
        turn, reach = rng.uniform(0, 2 * math.pi), side * rng.uniform(0.55, 0.66)
        size = side * rng.uniform(0.18, 0.3)
        visit = _pen(other, size, rng), x + reach * math.cos(turn), y + reach * math.sin(turn), 2
    if 0.15 <= guest < 0.3:
        page.put(*visit)
    pen = _pen(THINGS[thing], half, rng)
    _bind(page, THINGS[thing], x, y + FOOT * half, half)
    page.groups.append(Group(thing, page.put(pen, x, y, 1)))
    if guest < 0.15:
        page.put(*visit)
    return page
