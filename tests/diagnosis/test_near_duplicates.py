import io

import numpy as np
import pytest
from PIL import Image

from convnext_dense.diagnosis.near_duplicates import (
    Fingerprint,
    contradicting_duplicates,
    contradicting_objects,
    count_copies,
    fingerprint,
    leaks,
    near_duplicates,
)


def photo(seed: int, size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Draw smooth noise in color."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def changed(image: np.ndarray, quality: int = 60, scale: float = 0.6, light: int = 8) -> np.ndarray:
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((int(width * scale), int(height * scale)))
    data = io.BytesIO()
    small.save(data, 'JPEG', quality=quality)
    return np.clip(np.asarray(Image.open(data)).astype(int) + light, 0, 255).astype(np.uint8)


def test_the_hash_is_the_signs_of_the_lowest_frequencies_about_their_median():
    image = photo(0)[..., 0]
    gray = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    n = np.arange(32)
    basis = np.cos(np.pi * np.arange(8)[:, None] * (2 * n + 1) / 64)
    lowest = basis @ gray @ basis.T
    bits = ''.join('01'[int(value > np.median(lowest))] for value in lowest.ravel())
    assert fingerprint(image).bits == int(bits, 2)
    assert bits.count('1') == 32


def test_a_compressed_smaller_and_lighter_copy_is_a_near_duplicate_and_other_images_are_not():
    prints = [fingerprint(photo(seed)) for seed in range(60)]
    assert near_duplicates(prints) == []
    copies = [fingerprint(changed(photo(seed))) for seed in range(60)]
    pairs = near_duplicates(prints, copies)
    assert [(pair.first, pair.second) for pair in sorted(pairs)] == [(n, n) for n in range(60)]


def test_images_without_structure_are_told_apart_by_color():
    plain = [np.full((40, 40, 3), color, np.uint8) for color in ((200, 0, 0), (0, 0, 200), (200, 5, 0))]
    prints = [fingerprint(image) for image in plain]
    assert prints[0].bits == prints[1].bits
    assert [(pair.first, pair.second) for pair in near_duplicates(prints)] == [(0, 2)]


def test_pairs_are_all_those_within_the_distance(monkeypatch):
    monkeypatch.setattr('convnext_dense.diagnosis.near_duplicates.PAIRS_AT_ONCE', 50)
    rng = np.random.default_rng(0)
    colors = np.zeros((8, 8, 3), np.uint8)
    prints = [Fingerprint(int(bits), colors) for bits in rng.integers(0, 2**10, 40)]
    expected = [
        ((one.bits ^ other.bits).bit_count(), i, j)
        for i, one in enumerate(prints)
        for j, other in enumerate(prints)
        if i < j and (one.bits ^ other.bits).bit_count() <= 2
    ]
    assert [(pair.distance, pair.first, pair.second) for pair in near_duplicates(prints, max_distance=2)] == sorted(
        expected
    )
    assert len(expected) > 5


def test_duplicates_with_different_labels_and_leaks_are_suspected():
    images = [photo(0), changed(photo(0)), photo(1), changed(photo(1))]
    prints = [fingerprint(image) for image in images]
    (one,) = contradicting_duplicates('abcd', prints, [0, 1, 2, 2])
    assert (one.kind, one.path, one.other_path, one.label, one.suggested) == ('duplicate', 'a', 'b', 0, 1)
    assert one.strength == pytest.approx(1 - near_duplicates(prints)[0].distance / 64, abs=0.1)
    found = leaks('xy', [prints[2], fingerprint(photo(7))], 'abcd', prints)
    assert [(one.kind, one.path, one.other_path, one.strength, one.label) for one in found] == [
        ('leak', 'x', 'c', 1, None)
    ]


def test_images_with_a_copy_are_counted_once():
    prints = [fingerprint(image) for image in (photo(0), photo(0), changed(photo(0)), photo(1), photo(2), photo(2))]
    assert count_copies(prints) == 5
    assert count_copies(prints[:1]) == count_copies([]) == 0


def test_of_images_with_objects_only_almost_equal_ones_contradict_each_other():
    light = np.clip(photo(0).astype(int) + 1, 0, 255).astype(np.uint8)
    prints = [fingerprint(image) for image in (photo(0), light, changed(photo(0), 20, 0.3, 14), photo(3))]
    found = contradicting_objects('abcd', prints, [frozenset({1}), frozenset({1, 2, 5}), frozenset(), frozenset({4})])
    assert [(one.path, one.other_path, one.label, one.suggested) for one in found] == [('b', 'a', 2, None)]
    found = contradicting_objects('abcd', prints, [frozenset({1, 7}), frozenset({7, 5}), frozenset(), frozenset()])
    assert [(one.path, one.other_path, one.label, one.suggested) for one in found] == [('a', 'b', 1, 5)]
    assert contradicting_objects('abcd', prints, [frozenset({1})] * 4) == []


def test_of_very_many_pairs_the_most_alike_are_listed(monkeypatch):
    monkeypatch.setattr('convnext_dense.diagnosis.near_duplicates.PAIRS_AT_ONCE', 300)
    monkeypatch.setattr('convnext_dense.diagnosis.near_duplicates.COLORS_AT_ONCE', 7)
    colors = np.zeros((8, 8, 3), np.uint8)
    bits = [int(value) for value in np.random.default_rng(0).integers(0, 2**6, 60)]
    prints, names = [Fingerprint(value, colors) for value in bits], [str(n) for n in range(60)]
    every = contradicting_duplicates(names, prints, range(60), 10_000)
    assert len(every) == 60 * 59 / 2  # 6 bits at most
    few = contradicting_duplicates(names, prints, range(60), 40)
    assert few == every[:40] or [one.strength for one in few] == [one.strength for one in every[:40]]
    assert len({one.strength for one in every}) > 3


def test_a_leak_names_the_most_alike_image_over_all_parts(monkeypatch):
    colors = np.zeros((8, 8, 3), np.uint8)
    train = [Fingerprint(value, colors) for value in (0b111, 0b1, 0b0, 0b11)]
    monkeypatch.setattr('convnext_dense.diagnosis.near_duplicates.COLORS_AT_ONCE', 1)
    found = leaks('xy', [Fingerprint(0b1, colors), Fingerprint(2**64 - 1, colors)], 'abcd', train)
    assert [(one.path, one.other_path, one.strength) for one in found] == [('x', 'b', 1)]
