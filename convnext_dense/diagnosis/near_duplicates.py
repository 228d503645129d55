"""Images that are almost the same: with different labels, or both in training and in validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    compared, some 100 million in a second; memory is bounded.

    Args:
        images: M fingerprints.
        others: those of another data set, with which they are compared rather than with each other.
        max_distance: bits, of 64.

    Returns:
        Pairs by their distance, the smallest first.
    """
    within = others is None
    partners = images if others is None else others
    pairs = []
    for first, second, distance in _close(images, partners, max_distance):
        if within and first >= second:
            continue
        difference = images[first].colors.astype(np.int64) - partners[second].colors
        if np.abs(difference).mean() <= MAX_COLOR_DISTANCE:
            pairs.append(Pair(first, second, distance))
    return sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))


def contradicting_duplicates(
    paths: Sequence[str], images: Sequence[Fingerprint], labels: Sequence[int]
) -> list[Suspect]:
    """List pairs of classified images that are almost the same and have different classes, the most alike first.

    One of the two labels is probably wrong: ``label`` is that of ``path``, ``suggested`` that of ``other_path``.

    Args:
        paths: of N images.
        images: their fingerprints.
        labels: their classes.
    """
    return _suspects(
        'duplicate',
        [pair for pair in near_duplicates(images) if labels[pair.first] != labels[pair.second]],
        paths,
        paths,
        labels,
    )


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
    for pair in near_duplicates(images, train):
        nearest.setdefault(pair.first, pair)
    return _suspects('leak', list(nearest.values()), paths, train_paths, None)


def _suspects(
    kind: SuspectKind, pairs: Sequence[Pair], paths: Sequence[str], others: Sequence[str], labels: Sequence[int] | None
) -> list[Suspect]:
    bits = HASH_SIDE**2
    return ranked(
        Suspect(
            paths[pair.first],
            kind,
            1 - pair.distance / bits,
            None if labels is None else labels[pair.first],
            None if labels is None else labels[pair.second],
            other_path=others[pair.second],
        )
        for pair in pairs
    )


def _close(
    images: Sequence[Fingerprint], others: Sequence[Fingerprint], max_distance: int
) -> Iterator[tuple[int, int, int]]:
    """Yield pairs whose hashes differ in few bits, as indices, with the number of bits."""
    first, second = (np.array([one.bits for one in part], np.uint64) for part in (images, others))
    rows = max(1, PAIRS_AT_ONCE // max(len(second), 1))
    for start in range(0, len(first), rows):
        distances = np.bitwise_count(first[start : start + rows, None] ^ second[None])
        for row, column in np.argwhere(distances <= max_distance).tolist():
            yield start + row, column, int(distances[row, column])
