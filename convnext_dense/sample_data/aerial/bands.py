"""Six bands of a large scene: red, green, blue, near and short-wave infrared, and heat.

They have 12 bits in 16, as many cameras do. The last three tell classes apart that look the same: wheat is brighter in
the near infrared than barley, and an empty tank is warmer than a full one.
"""

from __future__ import annotations

import cv2
import numpy as np

from .land import REGIONS
from .noise import smooth_noise
from .scene import AerialScene
from .things import THINGS

BANDS = ('red', 'green', 'blue', 'near infrared', 'short-wave infrared', 'heat')
HIGHEST = 4095
"""The largest value, of 12 bits."""
LEVELS_OF_COLOR = 14
"""Steps of a band for each of the 256 of a color."""
GLOW = {  # near infrared, short-wave infrared, heat
    'meadow': (2500, 1500, 1500),
    'wheat': (2900, 1300, 1700),
    'barley': (1500, 2300, 1700),
    'oaks': (2400, 900, 1300),
    'pines': (2300, 850, 1250),
    'water': (200, 100, 900),
    'sand': (1500, 2700, 2300),
    'road': (700, 1100, 2500),
    'town': (900, 1600, 2300),
    'boat': (1000, 1300, 1700),
    'car': (800, 900, 2900),
    'house': (1100, 1900, 2000),
    'sheep': (1600, 1500, 3000),
    'full tank': (1200, 1300, 900),
    'empty tank': (1200, 1300, 3000),
    'tree': (2800, 1000, 1300),
    'truck': (900, 1000, 2800),
}
"""Values of the regions and things in the bands beyond the colors."""


def six_bands(scene: AerialScene, rng: np.random.Generator) -> np.ndarray:
    """Make the bands of a scene, uint16 (H, W, 6), in the order of :data:`BANDS`.

    The red, green and blue ones have the scene's colors with finer steps. In the others, each region varies a bit from
    place to place and each thing from the next, and edges are soft.
    """
    values = np.empty((*scene.size, len(BANDS)), np.uint16)
    for band in range(3):
        steps = rng.integers(0, LEVELS_OF_COLOR, scene.size, np.uint16)
        values[..., band] = scene.color[..., band].astype(np.uint16) * LEVELS_OF_COLOR + steps
    lands, things = (
        np.array([GLOW[name] for name in names], np.float32) for names in (REGIONS, [t.name for t in THINGS])
    )
    of_things = things[scene.things] if scene.things else np.zeros((0, 3), np.float32)
    for band in range(3):
        own = of_things[:, band] * rng.uniform(0.9, 1.1, len(of_things)).astype(np.float32)
        table = np.concatenate([np.zeros(1, np.float32), own])
        ground = lands[:, band][scene.region - 1] * (
            np.float32(0.9) + np.float32(0.2) * smooth_noise(rng, scene.size, 70)
        )
        mixed = np.where(scene.owner > 0, table[scene.owner], ground).astype(np.uint16)
        grain = rng.integers(0, 80, scene.size, np.uint16)
        values[..., 3 + band] = np.minimum(cv2.blur(mixed, (3, 3)) + grain, HIGHEST)
    return values
