"""Confusions against loops and against scikit-learn's numbers."""

import numpy as np
import pytest
from sklearn import metrics

from convnext_dense.diagnosis.confusion import Confused, Confusion

CLASSES = 5


def random_labels(things: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which half are right; class 3 has no true things, class 4 neither true nor predicted ones."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, things)
    return true, np.where(rng.random(things) < 0.5, true, rng.integers(0, 4, things))


def by_hand(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    matrix = np.zeros((classes + 1, classes + 1), int)
    for t, p in zip(true, predicted, strict=True):
        matrix[t, p] += 1
    return matrix


@pytest.mark.parametrize('classes', [CLASSES, 70])  # counted in a table, and sorted
def test_counts_by_hand(classes):
    true, predicted = random_labels()
    confusion = Confusion.count(classes, true, predicted)
    matrix = by_hand(true, predicted, classes)
    assert (confusion.matrix() == matrix).all() and confusion.counts.min() > 0
    shares = confusion.shares()
    assert np.isnan(shares[3]).all() and np.allclose(shares[:3], matrix[:3] / matrix[:3].sum(1)[:, None])
    twice = Confusion.count(classes, confusion.true, confusion.predicted, 2 * confusion.counts)
    assert (twice.matrix() == 2 * matrix).all()
    assert Confusion.count(classes, np.array([0, 1]), np.array([1, 1]), np.array([0, 3])).counts.tolist() == [3]


def test_numbers_of_classes_are_those_of_scikit_learn():
    true, predicted = random_labels()
    confusion = Confusion.count(CLASSES, true, predicted)
    known = dict(labels=range(CLASSES), average=None, zero_division=np.nan)
    assert confusion.precision == pytest.approx(metrics.precision_score(true, predicted, **known), nan_ok=True)
    assert confusion.recall == pytest.approx(metrics.recall_score(true, predicted, **known), nan_ok=True)
    assert confusion.f1 == pytest.approx(metrics.f1_score(true, predicted, **known), nan_ok=True)
    assert confusion.iou == pytest.approx(
        metrics.jaccard_score(true, predicted, **(known | {'zero_division': 0})) * [1, 1, 1, 1, np.nan], nan_ok=True
    )


def test_a_known_case_with_background():
    # Two things are missed, and one is seen where there is none: label 2 of two classes is the background.
    confusion = Confusion.count(2, np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 2, 1, 2, 1]))
    assert confusion.true_counts.tolist() == [3, 2] and confusion.predicted_counts.tolist() == [2, 2]
    assert confusion.right.tolist() == [2, 1]
    assert confusion.recall.tolist() == [2 / 3, 1 / 2] and confusion.precision.tolist() == [1, 1 / 2]
    assert confusion.f1.tolist() == [4 / 5, 2 / 4] and confusion.iou.tolist() == [2 / 3, 1 / 3]


def test_largest_confusions():
    true, predicted = (
        np.array([0] * 10 + [1] * 4 + [2] * 3),
        np.array([0] * 6 + [1] * 2 + [2] * 2 + [0] * 2 + [1] * 2 + [2] * 3),
    )
    confusion = Confusion.count(3, true, predicted)
    expected = [Confused(1, 0, 2, 0.5), Confused(0, 1, 2, 0.2), Confused(0, 2, 2, 0.2)]
    assert confusion.largest(10) == expected and confusion.largest(1) == expected[:1]


def test_thousands_of_classes_take_no_square():
    confusion = Confusion.count(20_000, np.array([19_999, 7, 7]), np.array([3, 7, 19_999]))
    assert len(confusion.counts) == 3 and confusion.largest(5) == [
        Confused(19_999, 3, 1, 1.0),
        Confused(7, 19_999, 1, 0.5),
    ]
    assert confusion.true_counts[[7, 19_999]].tolist() == [2, 1]


def test_the_sum_of_images_is_the_count_of_all():
    true, predicted = random_labels()
    parts = [Confusion.count(CLASSES, t, p) for t, p in zip(np.split(true, 8), np.split(predicted, 8), strict=True)]
    assert (Confusion.sum(CLASSES, parts).matrix() == by_hand(true, predicted, CLASSES)).all()
    nothing = Confusion.sum(CLASSES, [])
    assert not nothing.matrix().any() and np.isnan(nothing.iou).all() and nothing.largest(3) == []


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match='labels from 0 to 4, but they go from 0 to 3'):
        Confusion.count(3, np.array([0, 1]), np.array([4, 0]))
