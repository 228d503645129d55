"""Colors of classes and of objects: natural ones where a class has one, told apart from each other by all eyes.

Colors are uint8 (N, 3), RGB. Distances are in CIELAB, under normal vision and as the two common kinds of color
blindness see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

LEAST_DISTANCE = 20
"""Distance in CIELAB, of the colors of two segments."""
BLIND_WEIGHT = 4
"""Factor of distances as the color-blind see them, when colors are chosen: otherwise few are left for all others."""
FOR_ALL_EYES = 20
"""Number of colors that are chosen for the color-blind, too: more can't be told apart by them in any case."""
SHADES = (0, -16, 12, -28, 22)
"""Change of the lightness in CIELAB of the first, second, ... object of a class in an image, which then repeat."""

NATURAL: dict[tuple[str, ...], tuple[int, int, int]] = {
    ('sky',): (120, 185, 235),
    ('water', 'sea', 'lake', 'river', 'pool', 'ocean'): (25, 90, 170),
    ('grass', 'meadow', 'lawn', 'field', 'low vegetation'): (125, 190, 55),
    ('tree', 'trees', 'forest', 'vegetation', 'plant', 'bush'): (15, 85, 40),
    ('mountain', 'hill', 'rock'): (135, 100, 80),
    ('sand', 'beach', 'desert'): (235, 200, 120),
    ('earth', 'soil', 'ground', 'terrain', 'mud', 'bare soil'): (165, 115, 65),
    ('road', 'street', 'runway', 'impervious surfaces'): (105, 105, 115),
    ('sidewalk', 'path', 'pavement'): (180, 160, 170),
    ('snow', 'ice'): (225, 235, 245),
    ('building', 'house', 'skyscraper'): (220, 115, 85),
}
"""Colors of regions that everybody knows, by their names in common data sets."""

# What is seen of linear RGB in protanopia and deuteranopia (Machado, Oliveira and Fernandes, 2009, severity 1).
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)


def palette(count: int) -> np.ndarray:
    """Return distinct colors that are neither pale, dark nor gray; the first colors are the same for any count.

    After a red, each color is the one in a grid that is farthest from all previous ones, for the eyes that see
    least of the difference.

    Args:
        count: number of colors; after 255 they repeat.

    Returns:
        uint8 (count, 3), RGB.
    """
    return _grid()[0][np.resize(_farthest(min(count, 255), ()), count)]


def class_colors(names: Sequence[str]) -> np.ndarray:
    """Choose a color for each class: that of :data:`NATURAL` where it has one, such as blue for the sea.

    Of several classes with the same natural color, the first has it. The others get colors that are far from those.

    Args:
        names: the names of the K classes, in any case.

    Returns:
        uint8 (K, 3), RGB.
    """
    known = {name: color for same, color in NATURAL.items() for name in same}
    colors = np.zeros((len(names), 3), np.uint8)
    taken: list[tuple[int, int, int]] = []
    rest = []
    for place, name in enumerate(names):
        color = known.get(name.strip().lower().replace('_', ' '))
        if color is None or color in taken:
            rest.append(place)
        else:
            colors[place] = color
            taken.append(color)
    colors[rest] = _grid()[0][np.resize(_farthest(min(len(rest), 255), tuple(taken)), len(rest))]
    return colors


def object_shades(colors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give each object of a class a shade of its own of the class's color, as far as there are :data:`SHADES`.

    Args:
        colors: uint8 (K, 3), RGB, of the classes.
        labels: int (N,), the class of each object; below 0 it is none, and has the last color, in one shade.

    Returns:
        uint8 (N, 3), RGB.
    """
    lab = _as_lab(np.asarray(colors, np.uint8)[labels].reshape(-1, 3))
    for label in np.unique(labels[labels >= 0]):
        place = np.flatnonzero(labels == label)
        lab[place, 0] = (lab[place, 0] + np.resize(SHADES, len(place))).clip(20, 92)
    if not len(lab):
        return np.zeros((0, 3), np.uint8)
    shades = (cv2.cvtColor(lab[None], cv2.COLOR_LAB2RGB)[0].clip(0, 1) * 255).round().astype(np.uint8)
    first = np.unique(labels, return_index=True)[1]
    shades[first] = np.asarray(colors, np.uint8)[labels[first]]
    return shades


def segment_colors(colors: np.ndarray, are_things: np.ndarray) -> np.ndarray:
    """Choose a color for each segment of an image, such that things differ from each other and from the stuff.

    Stuff has the color of its class. So has the first thing of a class, unless another segment has a similar color;
    then it gets the one that is farthest in CIELAB from those of all others, as the other things do.

    Args:
        colors: uint8 (N, 3), RGB, the color of the class of each segment.
        are_things: bool (N,).

    Returns:
        uint8 (N, 3), RGB.
    """
    grid, lab = _grid()
    chosen = np.array(colors, np.uint8).reshape(-1, 3)
    things = np.flatnonzero(are_things)
    of_classes, first, kinds = np.unique(chosen[things], axis=0, return_index=True, return_inverse=True)
    candidates = np.concatenate([_as_lab(of_classes), lab])
    distances = np.full(len(candidates), np.inf)  # from each of these to the nearest color that is taken
    for stuff in np.unique(_as_lab(chosen[~are_things]), axis=0):
        distances = np.minimum(distances, np.linalg.norm(candidates - stuff, axis=1))
    for i in np.concatenate([np.sort(first), np.setdiff1d(np.arange(len(things)), first)]).tolist():
        place = int(np.ravel(kinds)[i])
        if distances[place] < LEAST_DISTANCE:
            of_grid = distances[len(of_classes) :]
            place = int(of_grid.argmax()) if of_grid.max() > 0 else i % len(grid)  # all are taken
            chosen[things[i]] = grid[place]
            place += len(of_classes)
        distances = np.minimum(distances, np.linalg.norm(candidates - candidates[place], axis=1))
    return chosen


@lru_cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of colors that are neither pale, dark nor gray, uint8 (N, 3), and the same in CIELAB."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing='ij'), axis=-1).reshape(-1, 3)
    lab = _as_lab(grid)
    vivid = (abs(lab[:, 0] - 60) < 25) & (np.hypot(lab[:, 1], lab[:, 2]) > 35)
    return grid[vivid], lab[vivid]


@lru_cache(maxsize=64)
def _farthest(count: int, taken: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Choose colors of the grid one after the other, each as far as possible from all before it and those taken."""
    seen = _as_seen(_grid()[0])
    others = [_as_seen(np.array([color], np.uint8))[:, 0] for color in taken]
    chosen: list[int] = []
    if not others:
        chosen.append(int(np.linalg.norm(_grid()[1] - (55, 70, 50), axis=1).argmin()))
        others.append(seen[:, chosen[0]])
    distance = np.min([_distance(seen, other) for other in others], axis=0)
    while len(chosen) < count:
        if len(chosen) == FOR_ALL_EYES:
            distance = np.min([_plain_distance(seen, other) for other in others], axis=0)
        chosen.append(int(distance.argmax()))
        others.append(seen[:, chosen[-1]])
        alike = _distance(seen, others[-1]) if len(chosen) < FOR_ALL_EYES else _plain_distance(seen, others[-1])
        distance = np.minimum(distance, alike)
    return np.array(chosen[:count], int)


def _as_seen(colors: np.ndarray) -> np.ndarray:
    """Convert colors, uint8 (N, 3), RGB, to CIELAB as three kinds of eyes see them, (3, N, 3)."""
    values = colors.astype(np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    kinds = [linear, *((linear @ matrix.T).clip(0, 1) for matrix in (PROTANOPIA, DEUTERANOPIA))]
    return np.stack([cv2.cvtColor(one[None].astype(np.float32), cv2.COLOR_LRGB2LAB)[0] for one in kinds])


def _distance(seen: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Return the distance of colors as seen, (3, N, 3), from one, (3, 3): the smallest of the three kinds of eyes."""
    distances = np.linalg.norm(seen - color[:, None], axis=2)
    return np.minimum(distances[0], BLIND_WEIGHT * distances[1:].min(axis=0))


def _plain_distance(seen: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Return the distance under normal vision alone."""
    return np.linalg.norm(seen[0] - color[0], axis=1)


def _as_lab(colors: np.ndarray) -> np.ndarray:
    """Convert colors, uint8 (N, 3), RGB, to CIELAB."""
    if not len(colors):
        return np.zeros((0, 3), np.float32)
    return cv2.cvtColor(colors[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
