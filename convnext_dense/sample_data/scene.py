"""Compose things and a landscape into a scene (for detection and segmentation) or a portrait (classification)."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..io.image_size import ImageSize
from .landscape import FRONT, MOUNTAIN, REGIONS, SKY, WATER, draw_landscape
from .page import Group, Page
from .pen import Pen, lighter
from .things import THINGS, Thing

FOOT = 0.94  # distance from the center of a thing down to its foot, in half sizes


def _draw_thing(thing: Thing, half: float, rng: np.random.Generator) -> Pen:
    """Draw a thing, ``half`` pixels from its center to its edge."""
    tilt, stretch = rng.uniform(-thing.tilt, thing.tilt), math.exp(rng.uniform(-0.12, 0.12))
    pen = Pen.fitted(half, tilt=tilt, stretch=stretch, mirror=rng.random() < 0.5)
    thing.draw(pen, thing.color(rng), rng)
    pen.shade(rng.uniform(0.06, 0.18))
    return pen


def _ground(page: Page, thing: Thing, x: float, foot: float, half: float) -> None:
    """Draw a shadow below a thing on land, ripples below one on water, and nothing below one in the air."""
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
    """Choose a kind of landscape that has a place for a thing in its foreground."""
    kinds = [kind for kind, front in FRONT.items() if front in thing.where or 'sky' in thing.where]
    return kinds[rng.integers(len(kinds))]


def _find_spot(thing: Thing, page: Page, rng: np.random.Generator) -> tuple[float, float, bool] | None:
    """Choose a spot (x, y) where a thing belongs, and tell whether it is in the air; None if the page has none."""
    rows, cols = page.region.shape
    for _ in range(25):
        x, y = rng.uniform(0.04, 0.96) * cols, rng.uniform(0.08, 0.97) * rows
        label = int(page.region[int(y), int(x)])
        if label and REGIONS[label - 1] in thing.where:
            return x, y, label in (SKY, MOUNTAIN)
    return None


def _crowd_places(half: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Choose up to 20 places of a crowd around (0, 0), from back to front, for things of this half size."""
    places: list[tuple[float, float]] = []
    reach = np.array([rng.uniform(5, 8), rng.uniform(2.2, 3.5)]) * half
    for x, y in rng.uniform(-reach, reach, (60, 2)).tolist():
        if len(places) < 20 and all(math.hypot(x - u, y - v) > 1.4 * half for u, v in places):
            places.append((x, y))
    return sorted(places, key=lambda place: place[1])


def draw_scene(size: ImageSize, rng: np.random.Generator, *, empty: bool = False) -> Page:
    """Draw a landscape with four to eight things, which may hide one another.

    The landscape is chosen for the first one, which in half of the scenes is large.

    Args:
        size: the size of the image.
        rng: random generator.
        empty: draw no things.
    """
    page = Page.blank(size)
    lead = int(rng.integers(len(THINGS)))
    draw_landscape(page, _surroundings(THINGS[lead], rng), rng)
    rows = page.region.shape[0]
    count = 0 if empty else int(rng.integers(4, 9))
    hero = 0 if rng.random() < 0.5 else -1
    crowd = int(rng.integers(1, count)) if count and rng.random() < 0.2 else -1
    cast: list[tuple[int, float, float, float, bool]] = []  # class, x, y of the center, half size, is a crowd
    for number in range(count):
        for _ in range(12):  # until something fits
            kind = int(rng.integers(len(THINGS))) if number else lead
            thing = THINGS[kind]
            spot = _find_spot(thing, page, rng)
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
    for kind, x, y, half, crowded in sorted(cast, key=lambda entry: entry[2] + entry[3]):  # by their feet
        group = Group(kind, 0, crowded)
        page.groups.append(group)
        for u, v in _crowd_places(half, rng) if crowded else [(0, 0)]:
            pen = _draw_thing(THINGS[kind], half, rng)
            _ground(page, THINGS[kind], x + u, y + v + FOOT * half, half)
            group.full_area += page.put(pen, x + u, y + v, len(page.groups))
    return page


def draw_portrait(thing: int, size: ImageSize, rng: np.random.Generator) -> Page:
    """Draw one thing (an index into ``THINGS``) that fills the image, at times with part of another beside it."""
    page = Page.blank(size)
    draw_landscape(page, _surroundings(THINGS[thing], rng), rng)
    rows, cols = page.region.shape
    side = min(rows, cols)
    half = side * rng.uniform(0.32, 0.5)
    x, y = cols * rng.uniform(0.4, 0.6), rows * rng.uniform(0.42, 0.6)
    guest = rng.random()
    if guest < 0.3:
        other = THINGS[rng.integers(len(THINGS))]
        turn, reach = rng.uniform(0, 2 * math.pi), side * rng.uniform(0.55, 0.66)
        other_half = side * rng.uniform(0.18, 0.3)
        visit = _draw_thing(other, other_half, rng), x + reach * math.cos(turn), y + reach * math.sin(turn), 2
    if 0.15 <= guest < 0.3:
        page.put(*visit)
    pen = _draw_thing(THINGS[thing], half, rng)
    _ground(page, THINGS[thing], x, y + FOOT * half, half)
    page.groups.append(Group(thing, page.put(pen, x, y, 1)))
    if guest < 0.15:
        page.put(*visit)
    return page
