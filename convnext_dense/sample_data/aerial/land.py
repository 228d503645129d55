"""Draw the regions of a large scene, seen from above: meadows, fields, forests, water, sand, roads and towns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from ...io.image_size import ImageSize
from ..pen import Color, lighter, paint
from .noise import level, smooth_noise, terrain

REGIONS = ('meadow', 'wheat', 'barley', 'oaks', 'pines', 'water', 'sand', 'road', 'town')
MEADOW, WHEAT, BARLEY, OAKS, PINES, WATER, SAND, ROAD, TOWN = range(1, len(REGIONS) + 1)
CROWNS = {OAKS: 17, PINES: 6}
"""Sizes of the crowns in forests, in pixels: of one color, they look the same where an image is shrunk."""
SHARES = {WATER: 0.17, SAND: 0.21}
"""Shares of a scene below the levels of the water and of the sand around it."""
PARCELS = 32
"""Number of parcels after which the pattern of fields repeats."""


class RoadSpot(NamedTuple):
    """A place on a road: the middle in pixels, the direction in degrees, and half the width in pixels."""

    x: float
    y: float
    turn: float
    half: float


@dataclass
class Land:
    """The ground of a scene of H x W pixels.

    Attributes:
        color: uint8 (H, W, 3), RGB.
        region: uint8 (H, W), 1 + index into :data:`REGIONS`.
        roads: places along the roads, some pixels apart.
        town_turn: direction of the streets of the towns, in degrees.
    """

    color: np.ndarray
    region: np.ndarray
    roads: list[RoadSpot] = field(default_factory=list)
    town_turn: float = 0


def draw_land(size: ImageSize, rng: np.random.Generator) -> Land:
    """Draw the ground of a scene; every region of :data:`REGIONS` is in it."""
    land = Land(np.zeros((*size, 3), np.uint8), np.full(size, MEADOW, np.uint8))
    mottle = smooth_noise(rng, size, 60) + smooth_noise(rng, size, 9)  # in [0, 2)
    _cover(land, np.ones(size, bool), paint(rng.uniform(84, 100), 0.42, 0.7), mottle, MEADOW)
    _draw_fields(land, rng, mottle)
    woods, mixture = terrain(rng, size), terrain(rng, size)
    forest, middle = woods > level(woods, 0.76), level(mixture, 0.5)
    leaves = paint(rng.uniform(112, 128), 0.5, 0.44)
    for region, side in ((OAKS, mixture < middle), (PINES, mixture >= middle)):
        _cover(land, forest & side, leaves, 2 * smooth_noise(rng, size, CROWNS[region]), region, 0.36)
    _draw_towns(land, rng, mottle)
    height = terrain(rng, size)
    shore, edge = (level(height, SHARES[region]) for region in (WATER, SAND))
    _cover(land, height < edge, paint(rng.uniform(38, 44), 0.32, 0.88), mottle, SAND)
    waves = smooth_noise(rng, size, 120) + smooth_noise(rng, size, 7)
    _cover(land, height < shore, paint(rng.uniform(196, 208), 0.55, 0.62), waves, WATER, 0.1)
    _draw_roads(land, rng)
    return land


def _cover(land: Land, where: np.ndarray, tone: Color, texture: np.ndarray, region: int, depth: float = 0.16) -> None:
    """Paint and label the pixels of a mask in a tone whose brightness varies with a texture in [0, 2)."""
    shade = np.float32(1 - depth) + np.float32(depth) * texture[where]
    land.color[where] = np.minimum(shade[:, None] * np.array(tone, np.float32), 255).astype(np.uint8)
    land.region[where] = region


def _draw_fields(land: Land, rng: np.random.Generator, mottle: np.ndarray) -> None:
    """Draw parcels of wheat and barley, which look the same: lines of one direction, and grass between them."""
    size = ImageSize.of(land.region)
    farms = terrain(rng, size)
    where = farms > level(farms, 0.6)
    rows, cols = (one.astype(np.float32) for one in np.nonzero(where))
    turn = rng.uniform(0, math.pi)
    c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    along, across = cols * c + rows * s, rows * c - cols * s
    along += np.float32(3) * size.width
    across += np.float32(3) * size.height
    strips = across / np.float32(rng.uniform(150, 190))
    strip = strips.astype(np.int64) % PARCELS
    starts = rng.integers(0, 400, PARCELS).astype(np.float32)
    shifted = (along + starts[strip]) / np.float32(rng.uniform(260, 340))
    parcel = strip * PARCELS + shifted.astype(np.int64) % PARCELS
    crop = np.where(rng.random(PARCELS**2) < 0.5, WHEAT, BARLEY).astype(np.uint8)
    tones = np.array(
        [paint(rng.uniform(42, 66), rng.uniform(0.36, 0.5), rng.uniform(0.7, 0.84)) for _ in range(PARCELS**2)],
        np.float32,
    )
    lines = (along if rng.random() < 0.5 else across) / np.float32(5)
    furrow = np.float32(0.93) + np.float32(0.07) * (lines.astype(np.int64) % 2)
    shade = furrow * (np.float32(0.92) + np.float32(0.08) * mottle[where])
    painted = np.minimum(shade[:, None] * tones[parcel], 255).astype(np.uint8)
    inside = (shifted % 1 > 0.02) & (strips % 1 > 0.03)
    spots = np.flatnonzero(where)[inside]
    land.color.reshape(-1, 3)[spots] = painted[inside]
    land.region.reshape(-1)[spots] = crop[parcel][inside]


def _draw_towns(land: Land, rng: np.random.Generator, mottle: np.ndarray) -> None:
    """Draw paved areas with streets of one direction, which are darker and have the same label."""
    size = ImageSize.of(land.region)
    towns = terrain(rng, size)
    where = towns > level(towns, 0.86)
    land.town_turn = rng.uniform(0, 90)
    _cover(land, where, paint(rng.uniform(20, 36), 0.1, 0.72), mottle, TOWN, 0.1)
    rows, cols = (one.astype(np.float32) for one in np.nonzero(where))
    turn = math.radians(land.town_turn)
    c, s = np.float32(math.cos(turn)), np.float32(math.sin(turn))
    spots = np.flatnonzero(where)
    for place, distance in ((cols * c + rows * s, 150), (rows * c - cols * s, 110)):
        street = np.abs(place) % np.float32(distance) < 13
        part = land.color.reshape(-1, 3)[spots[street]].astype(np.uint16)
        land.color.reshape(-1, 3)[spots[street]] = (part * 13 // 16).astype(np.uint8)


def _draw_roads(land: Land, rng: np.random.Generator) -> None:
    """Draw winding roads from one side of the scene to the other, with a dashed line in the middle."""
    size = ImageSize.of(land.region)
    for number in range(5):
        start, end = rng.uniform(0.1, 0.9, 2)
        bend = rng.uniform(-0.12, 0.12, 2)
        share = np.linspace(-0.02, 1.02, 121)
        swing = bend[0] * share * (1 - share) * 4 + bend[1] * share * (1 - share) * (1 - 2 * share) * 8
        other = start + (end - start) * share + swing
        x, y = (share, other) if number % 2 else (other, share)
        middle = np.column_stack([x * size.width, y * size.height])
        half = int(rng.integers(10, 15))
        points = [np.round(middle * 16).astype(np.int32)]
        tone = paint(0, 0.02, rng.uniform(0.42, 0.5))
        cv2.polylines(land.color, points, False, lighter(tone, 0.35), 2 * half + 5, cv2.LINE_8, 4)
        cv2.polylines(land.color, points, False, tone, 2 * half + 1, cv2.LINE_8, 4)
        cv2.polylines(land.region, points, False, ROAD, 2 * half + 3, cv2.LINE_8, 4)
        dashes = np.round(middle * 16).astype(np.int32)
        for first, second in zip(dashes[::2], dashes[1::2], strict=False):
            cv2.line(land.color, first.tolist(), second.tolist(), lighter(tone, 0.7), 2, cv2.LINE_8, 4)
        for (x0, y0), (x1, y1) in pairwise(middle):
            turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
            land.roads.append(RoadSpot(float(x0), float(y0), turn, half))
