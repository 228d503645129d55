"""Boundary F1 against its definition, pixel by pixel, and hand-made cases."""

import math

import numpy as np
import pytest

from convnext_dense.diagnosis.boundary import boundary_f1, boundary_tolerance, count_boundaries
from convnext_dense.io.image_size import ImageSize


def by_definition(truth: np.ndarray, prediction: np.ndarray, classes: int, tolerance: int) -> list[list[int]]:
    """Compare all pairs of pixels."""
    height, width = truth.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    unlabeled = [(y, x) for y, x in places if truth[y, x] == 255]

    def boundary(labels: np.ndarray, label: int, unknown: list) -> list:
        found = []
        for y, x in places:
            beside = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [(v, u) for v, u in beside if 0 <= v < height and 0 <= u < width and (v, u) not in unknown]
            if labels[y, x] == label and any(labels[v, u] != label for v, u in inside):
                found.append((y, x))
        return found

    def near(place: tuple, others: list) -> bool:
        return any(math.dist(place, other) <= tolerance for other in others)

    counts = []
    for label in range(classes):
        true, predicted = boundary(truth, label, unlabeled), boundary(prediction, label, [])
        counted_true = [place for place in true if not near(place, unlabeled)]
        counted = [place for place in predicted if not near(place, unlabeled)]
        counts.append(
            [
                len(counted),
                sum(near(place, true) for place in counted),
                len(counted_true),
                sum(near(place, predicted) for place in counted_true),
            ]
        )
    return counts


def blobs(seed: int, size: tuple[int, int] = (18, 23)) -> tuple[np.ndarray, np.ndarray]:
    """Label maps of three classes in large pieces, the prediction shifted, with a corner that is unlabeled."""
    generator = np.random.default_rng(seed)
    truth = np.kron(generator.integers(0, 3, (3, 4)), np.ones((6, 6), int))[: size[0], : size[1]]
    prediction = np.roll(truth, (1, -2), (0, 1))
    prediction[5:9, 3:9] = generator.integers(0, 5, (4, 6))
    return truth, prediction


@pytest.mark.parametrize('tolerance', [1, 2, 3])
@pytest.mark.parametrize('unlabeled', [False, True])
def test_by_the_definition(tolerance, unlabeled):
    truth, prediction = blobs(tolerance)
    if unlabeled:
        truth[10:13, 8:14] = 255
        prediction[11, 5:20] = 255
    counts = count_boundaries(truth.astype(np.uint8), prediction, 4, tolerance)
    expected = by_definition(truth, prediction, 4, tolerance)
    assert counts.tolist() == expected
    assert min(expected[0]) > 0 and expected[0][1] < expected[0][0]
    assert tolerance > 2 or expected[0][3] < expected[0][2]


def test_a_known_case():
    # A square of 4 x 4 pixels is predicted 2 pixels to the right: their upper and lower edges share 2 pixels each.
    truth, prediction = np.zeros((10, 14), int), np.zeros((10, 14), int)
    truth[3:7, 3:7], prediction[3:7, 5:9] = 1, 1
    assert count_boundaries(truth, prediction, 2, 0)[1].tolist() == [12, 4, 12, 4]
    assert count_boundaries(truth, prediction, 2, 1)[1].tolist() == [12, 8, 12, 8]
    assert count_boundaries(truth, prediction, 2, 2)[1].tolist() == [12, 12, 12, 12]
    assert boundary_f1(np.array([[12, 6, 12, 6], [4, 4, 8, 4]])) == pytest.approx([1 / 2, 2 / 3])


def test_perfect_and_absent_boundaries():
    truth = blobs(0)[0]
    assert boundary_f1(count_boundaries(truth, truth, 4, 1)) == pytest.approx([1, 1, 1, np.nan], nan_ok=True)
    plain = np.zeros((6, 6), int)
    assert not count_boundaries(plain, plain, 2, 2).any()  # the edge of the image is no boundary
    split = plain.copy()
    split[:, 3:] = 1
    assert boundary_f1(count_boundaries(plain, split, 3, 1)) == pytest.approx([0, 0, np.nan], nan_ok=True)
    assert boundary_f1(count_boundaries(split, plain, 3, 1)) == pytest.approx([0, 0, np.nan], nan_ok=True)
    assert not count_boundaries(np.full((6, 6), 255), split, 2, 1).any()


def test_many_images_at_once():
    counts = np.array([[[12, 6, 12, 6], [0, 0, 0, 0]], [[4, 4, 8, 4], [5, 0, 0, 0]]])
    assert boundary_f1(counts) == pytest.approx(np.array([[1 / 2, np.nan], [2 / 3, 0]]), nan_ok=True)


def test_the_tolerance_is_a_share_of_the_diagonal():
    assert boundary_tolerance(ImageSize(600, 800)) == 8  # 7.5
    assert boundary_tolerance(ImageSize(10, 10)) == 1
