"""Images that are almost the same: with different labels, or both in training and in validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from .suspects import Suspect, SuspectKind, ranked

HASH_SIDE = 8
SAMPLES_PER_BIT = 4
"""A hash of 8 x 8 bits is taken from 32 x 32 pixels."""
MAX_DISTANCE = 6
"""Differing bits, of 64, up to which images are almost the same."""
MAX_COLOR_DISTANCE = 16
"""Mean difference of colors, in levels of 255, up to which images are almost the same."""
PAIRS_AT_ONCE = 4_000_000
"""Pairs of images that are compared at once: what bounds the memory."""
COLORS_AT_ONCE = 50_000
"""Pairs whose colors are compared at once."""
MOST_PAIRS = 10_000
"""Pairs that are listed at most: frames of videos have millions."""
MAX_DISTANCE_OF_OBJECTS, MAX_COLOR_DISTANCE_OF_OBJECTS = 2, 4
"""The same as the two distances for images with objects, which may come and go between images that look alike."""


class Fingerprint(NamedTuple):
    """A perceptual hash of an image, and its colors at a size of 8 x 8.

    Attributes:
        bits: the hash, 64 bits.
        colors: uint8 (8, 8, 3), RGB.
    """

    bits: int
    colors: np.ndarray


class Pair(NamedTuple):
    """Two images that are almost the same, and their distance in bits; ``first`` < ``second`` in one data set."""

    first: int
    second: int
    distance: int


def fingerprint(image: np.ndarray) -> Fingerprint:
    """Compute the fingerprint of an image, which compression, another size and some more brightness hardly change.

    The hash is pHash as the library ImageHash computes it (``imagehash.phash``): the discrete cosine transform of the
    gray image at a size of 32 x 32; which of its 8 x 8 lowest frequencies are above their median. Images without much
    structure may share a hash, so that the colors are compared as well.

    Args:
        image: uint8 (H, W, 3), RGB, or (H, W), gray.
    """
    from scipy.fft import dctn

    shown = Image.fromarray(image).convert('RGB')
    side = HASH_SIDE * SAMPLES_PER_BIT
    gray = np.asarray(shown.convert('L').resize((side, side), Image.Resampling.LANCZOS), np.float64)
    lowest = dctn(gray, type=2)[:HASH_SIDE, :HASH_SIDE]
    bits = (lowest > np.median(lowest)).ravel()
    colors = np.asarray(shown.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX))
    return Fingerprint(int.from_bytes(np.packbits(bits).tobytes(), 'big'), colors)


def near_duplicates(
    images: Sequence[Fingerprint], others: Sequence[Fingerprint] | None = None, max_distance: int = MAX_DISTANCE
) -> list[Pair]:
    """Find pairs of images that are almost the same.

    Hashes differ in at most ``max_distance`` bits, and colors by at most 16 levels of 255 in the mean. All pairs are
    compared, some 100 million in a second; memory is bounded but for the pairs that are found.

    Args:
        images: M fingerprints.
        others: those of another data set, with which they are compared rather than with each other.
        max_distance: bits, of 64.

    Returns:
        Pairs by their distance, the smallest first.
    """
    return _nearest(_close(images, others, max_distance), None)


def count_copies(images: Sequence[Fingerprint]) -> int:
    """Count the images that are almost the same as another one."""
    has_copy = np.zeros(len(images), bool)
    for found in _close(images, None, MAX_DISTANCE):
        has_copy[found[:, :2].ravel()] = True
    return int(has_copy.sum())


def contradicting_duplicates(
    paths: Sequence[str], images: Sequence[Fingerprint], labels: Sequence[int], most: int = MOST_PAIRS
) -> list[Suspect]:
    """List pairs of classified images that are almost the same and have different classes, the most alike first.

    One of the two labels is probably wrong: ``label`` is that of ``path``, ``suggested`` that of ``other_path``.

    Args:
        paths: of N images.
        images: their fingerprints.
        labels: their classes.
        most: pairs, at most.
    """
    classes = np.asarray(labels)
    differing = (found[classes[found[:, 0]] != classes[found[:, 1]]] for found in _close(images, None, MAX_DISTANCE))
    pairs = _nearest(differing, most)
    return _suspects('duplicate', pairs, paths, paths, [(labels[pair.first], labels[pair.second]) for pair in pairs])


def contradicting_objects(
    paths: Sequence[str], images: Sequence[Fingerprint], classes: Sequence[frozenset[int]], most: int = MOST_PAIRS
) -> list[Suspect]:
    """List pairs of images that are almost equal, of which one has objects, or pixels, of a class and the other none.

    ``label`` is a class that is in ``path`` alone, and ``suggested`` one that is in ``other_path`` alone, or None.

    Args:
        paths: of N images.
        images: their fingerprints.
        classes: the classes in each image.
        most: pairs, at most.
    """
    numbers: dict[frozenset[int], int] = {}
    kinds = np.array([numbers.setdefault(one, len(numbers)) for one in classes], int)
    close = _close(images, None, MAX_DISTANCE_OF_OBJECTS, MAX_COLOR_DISTANCE_OF_OBJECTS)
    differing = (found[kinds[found[:, 0]] != kinds[found[:, 1]]] for found in close)
    pairs, labels = [], []
    for first, second, distance in _nearest(differing, most):
        if not classes[first] - classes[second]:  # so that a class is always named
            first, second = second, first
        pairs.append(Pair(first, second, distance))
        lacking = classes[second] - classes[first]
        labels.append((min(classes[first] - classes[second]), min(lacking) if lacking else None))
    return _suspects('duplicate', pairs, paths, paths, labels)


def leaks(
    paths: Sequence[str], images: Sequence[Fingerprint], train_paths: Sequence[str], train: Sequence[Fingerprint]
) -> list[Suspect]:
    """List images for validation or testing that are almost the same as one for training, with the most alike one.

    The score of a model on such images says less about other ones.

    Args:
        paths: of the images for validation or testing.
        images: their fingerprints.
        train_paths: of the images for training.
        train: their fingerprints.
    """
    nearest: dict[int, Pair] = {}
    for found in _close(images, train, MAX_DISTANCE):
        order = np.lexsort((found[:, 1], found[:, 2], found[:, 0]))
        _, places = np.unique(found[order, 0], return_index=True)
        for row in found[order[places]].tolist():
            pair = Pair(*row)
            known = nearest.get(pair.first)
            if known is None or pair.distance < known.distance:
                nearest[pair.first] = pair
    pairs = sorted(nearest.values(), key=lambda pair: (pair.distance, pair.first))
    return _suspects('leak', pairs, paths, train_paths, [(None, None)] * len(pairs))


def _suspects(
    kind: SuspectKind,
    pairs: Sequence[Pair],
    paths: Sequence[str],
    others: Sequence[str],
    labels: Sequence[tuple[int | None, int | None]],
) -> list[Suspect]:
    bits = HASH_SIDE**2
    return ranked(
        Suspect(paths[pair.first], kind, 1 - pair.distance / bits, *of_pair, other_path=others[pair.second])
        for pair, of_pair in zip(pairs, labels, strict=True)
    )


def _nearest(parts: Iterable[np.ndarray], most: int | None) -> list[Pair]:
    """Join parts of pairs, and return those of the smallest distance, sorted; all of them for None."""
    kept = np.zeros((0, 3), np.int64)
    for found in parts:
        kept = np.concatenate([kept, found])
        if most is not None and len(kept) > most:
            kept = kept[np.lexsort((kept[:, 1], kept[:, 0], kept[:, 2]))[:most]]
    return [Pair(*row) for row in kept[np.lexsort((kept[:, 1], kept[:, 0], kept[:, 2]))].tolist()]


def _close(
    images: Sequence[Fingerprint],
    others: Sequence[Fingerprint] | None,
    max_distance: int,
    max_color_distance: float = MAX_COLOR_DISTANCE,
) -> Iterator[np.ndarray]:
    """Yield pairs of images that are almost the same, int (P, 3): both indices and the distance in bits.

    Without ``others``, the first index is smaller than the second.
    """
    partners = images if others is None else others
    first, second = (np.array([one.bits for one in part], np.uint64) for part in (images, partners))
    colors, other_colors = (
        np.array([one.colors for one in part], np.int16).reshape(len(part), 3 * HASH_SIDE**2)
        for part in (images, partners)
    )
    rows = max(1, PAIRS_AT_ONCE // max(len(second), 1))
    for start in range(0, len(first), rows):
        columns = start if others is None else 0  # those before were compared
        distances = np.bitwise_count(first[start : start + rows, None] ^ second[None, columns:])
        ones, twos = np.nonzero(distances <= max_distance)
        bits = distances[ones, twos].astype(np.int64)
        found = np.stack([ones + start, twos + columns, bits], axis=1)
        if others is None:
            found = found[found[:, 0] < found[:, 1]]
        for part in range(0, len(found), COLORS_AT_ONCE):
            of_part = found[part : part + COLORS_AT_ONCE]
            difference = np.abs(colors[of_part[:, 0]] - other_colors[of_part[:, 1]]).mean(axis=1)
            near = of_part[difference <= max_color_distance]
            if len(near):
                yield near
