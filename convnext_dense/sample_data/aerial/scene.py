"""Put things on the land of a large scene."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from ...io.image_size import ImageSize
from ..pen import Pen
from .land import REGIONS, ROAD, Land, draw_land
from .noise import smooth_noise
from .things import BOAT, CAR, HOUSE, SHEEP, THINGS, TREE, TRUCK

ZOOM = 4
"""Height of a drawing of a thing over that in the scene."""
NORMAL_AREA = 9e6
"""Pixels of a scene with as many things as their table says."""
TRIES = 40
"""Tries for each thing to find a place."""


class Spot(NamedTuple):
    """A place for a thing: its center in pixels, its direction in degrees, and half its length in pixels."""

    thing: int
    x: float
    y: float
    turn: float
    half: float


@dataclass
class AerialScene:
    """A large scene of H x W pixels.

    Attributes:
        color: uint8 (H, W, 3), RGB.
        region: uint8 (H, W), 1 + index into :data:`.land.REGIONS`.
        owner: int16 (H, W), 0 for the land, k for the k-th thing.
        things: index into :data:`.things.THINGS` of each thing.
    """

    color: np.ndarray
    region: np.ndarray
    owner: np.ndarray
    things: list[int] = field(default_factory=list)

    @property
    def size(self) -> ImageSize:
        """Height and width."""
        return ImageSize.of(self.region)


def draw_aerial(size: ImageSize, rng: np.random.Generator, density: float = 1) -> AerialScene:
    """Draw a large scene: no thing hides another, and all are whole.

    Args:
        size: its size.
        rng: random generator.
        density: number of things over the usual one.
    """
    land = draw_land(size, rng)
    scene = AerialScene(land.color, land.region, np.zeros(size, np.int16))
    for thing, kind in enumerate(THINGS):
        places = _places(thing, land, rng)
        for _ in range(round(kind.count * density * size.height * size.width / NORMAL_AREA)):
            for _ in range(TRIES):
                spot = next(places)
                if _is_free(scene, spot):
                    _put(scene, spot, rng)
                    break
    _light(scene, rng)
    return scene


def _places(thing: int, land: Land, rng: np.random.Generator) -> Iterator[Spot]:
    """Yield places for a class of things without an end: along roads, in herds and groups, or anywhere."""
    kind = THINGS[thing]
    rows, cols = land.region.shape
    middle, left = (0.0, 0.0), 0
    while True:
        half = rng.uniform(*kind.size) / 2
        turn = rng.uniform(0, 360)
        x, y = rng.uniform(0, cols), rng.uniform(0, rows)
        if thing in (CAR, TRUCK) and rng.random() < 0.6:
            road = land.roads[rng.integers(len(land.roads))]
            side = 1 if rng.random() < 0.5 else -1
            ahead, aside = rng.uniform(-8, 8), side * road.half * 0.5
            c, s = math.cos(math.radians(road.turn)), math.sin(math.radians(road.turn))
            x, y = road.x + ahead * c - aside * s, road.y + ahead * s + aside * c
            turn = road.turn + (180 if side < 0 else 0) + rng.uniform(-4, 4)
        elif thing in (CAR, TRUCK, HOUSE):
            if thing != HOUSE and land.region[int(y), int(x)] == ROAD:
                continue  # on roads they follow them
            turn = land.town_turn + 90 * int(rng.integers(4)) + rng.uniform(-4, 4)
        elif thing not in (BOAT, TREE):  # herds of sheep, groups of tanks
            if not left:
                middle, left = (x, y), int(rng.integers(24, 72))
            left -= 1
            reach = 110 if thing == SHEEP else 80
            x, y = middle[0] + rng.uniform(-reach, reach), middle[1] + rng.uniform(-reach, reach)
        yield Spot(thing, x, y, turn, half)


def _is_free(scene: AerialScene, spot: Spot) -> bool:
    """Whether a thing would be whole, on its regions alone, and a bit apart from all others."""
    rows, cols = scene.region.shape
    reach = math.ceil(spot.half * 1.1) + 2
    x, y = round(spot.x), round(spot.y)
    layer = math.ceil(spot.half * 1.6) + 3  # half a side of the drawing, whatever its direction
    if not (layer <= x < cols - layer and layer <= y < rows - layer):
        return False
    place = slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1)
    if scene.owner[place].any():
        return False
    near = reach if spot.thing not in (CAR, TRUCK) else reach // 3  # roads are narrow
    step = max(near // 2, 1)
    around = scene.region[y - near : y + near + 1 : step, x - near : x + near + 1 : step]
    return all(REGIONS[label - 1] in THINGS[spot.thing].where for label in np.unique(around).tolist())


def _put(scene: AerialScene, spot: Spot, rng: np.random.Generator) -> None:
    """Draw a thing with its shadow; its mask has the pixels that it covers at least half."""
    kind = THINGS[spot.thing]
    pen = Pen.fitted(spot.half * ZOOM, tilt=spot.turn)
    kind.draw(pen, rng)
    height, width = (-(-side // ZOOM) for side in pen.mask.shape)
    mask = np.zeros((height * ZOOM, width * ZOOM), np.uint16)
    mask[: pen.mask.shape[0], : pen.mask.shape[1]] = pen.mask
    color = np.zeros((*mask.shape, 3), np.uint16)
    color[: pen.mask.shape[0], : pen.mask.shape[1]] = pen.color
    color *= mask[..., None]
    covered = mask.reshape(height, ZOOM, width, ZOOM).sum((1, 3), dtype=np.uint16)
    inks = color.reshape(height, ZOOM, width, ZOOM, 3).sum((1, 3), dtype=np.uint16)
    top, left = round(spot.y - height / 2), round(spot.x - width / 2)
    shift = 1 if spot.half < 8 else 2
    dark = scene.color[top + shift : top + height + shift, left + shift : left + width + shift]
    part = covered[: dark.shape[0], : dark.shape[1], None]
    dark[:] = (dark * (48 - part) // 48).astype(np.uint8)
    under = scene.color[top : top + height, left : left + width]
    under[:] = ((under * (ZOOM**2 - covered[..., None]) + inks) // ZOOM**2).astype(np.uint8)
    scene.things.append(spot.thing)
    scene.owner[top : top + height, left : left + width][covered * 2 >= ZOOM**2] = len(scene.things)


def _light(scene: AerialScene, rng: np.random.Generator) -> None:
    """Soften the edges of the land, light the scene unevenly, and add the grain of a camera."""
    soft = cv2.GaussianBlur(scene.color, (3, 3), 0)
    land = scene.owner == 0
    scene.color[land] = soft[land]
    light = np.float32(0.9) + np.float32(0.14) * smooth_noise(rng, scene.size, 1400)
    grain = rng.integers(-4, 5, scene.region.shape, np.int8).astype(np.float32)
    for channel in range(3):
        lit = scene.color[..., channel] * light + grain
        scene.color[..., channel] = np.clip(lit, 0, 255).astype(np.uint8)
