import dataclasses

import numpy as np
import pytest

from convnext_dense.diagnosis.detection_curves import class_curves, image_f1, overall_curve
from tests.helpers.detected_images import detected_image, matches_of, random_images

BOX, OTHER, NOWHERE = (0, 0, 20, 20), (40, 0, 60, 20), (100, 80, 120, 100)


def test_precision_recall_and_f1_at_each_distinct_score():
    image = detected_image(
        [(BOX, 0), (OTHER, 0)],
        [(BOX, 0, 0.9), (NOWHERE, 0, 0.5), (OTHER, 0, 0.5), (NOWHERE, 0, 0.25), (BOX, 1, 0.125)],
    )
    curve, empty = class_curves(matches_of([image]))
    assert curve.scores.tolist() == pytest.approx([0.9, 0.5, 0.25])
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert curve.recall.tolist() == pytest.approx([1 / 2, 1, 1])
    assert curve.f1.tolist() == pytest.approx([2 / 3, 4 / 5, 2 / 3])
    assert (curve.best.score, curve.best.f1) == (0.5, pytest.approx(0.8))
    assert (empty.objects, empty.best, np.isnan(empty.f1).all()) == (0, None, True)
    whole = overall_curve(matches_of([image]))
    assert whole.precision[-1] == pytest.approx(2 / 5) and whole.objects == 2


def test_of_equal_f1_the_highest_score_is_best():
    # 1 of 3 objects with 1 prediction, and 2 of 3 with 5: F1 2 / 4 and 4 / 8
    true = [(BOX, 0), (OTHER, 0), ((80, 0, 100, 20), 0)]
    predicted = [(BOX, 0, 0.75), *[(NOWHERE, 0, 0.5)] * 3, (OTHER, 0, 0.25)]
    curve = class_curves(matches_of([detected_image(true, predicted)]))[0]
    assert curve.f1[0] == curve.f1[-1] == 0.5
    assert (curve.best.score, curve.best.precision, curve.best.recall) == (0.75, 1, pytest.approx(1 / 3))


def test_without_matches_there_is_no_best_score():
    assert class_curves(matches_of([detected_image([(BOX, 0)])]))[0].best is None
    assert class_curves(matches_of([detected_image([(BOX, 0)], [(NOWHERE, 0, 0.5)])]))[0].best is None


def test_each_image_has_its_own_f1():
    right, both = [(BOX, 0, 0.9)], [(BOX, 0, 0.9), (NOWHERE, 1, 0.5)]
    images = [detected_image([(BOX, 0)], right), detected_image([(BOX, 0)], both), detected_image()]
    images += [detected_image([(BOX, 0)]), detected_image([(BOX, 0)], right, [True])]
    expected = [1, 2 / 3, np.nan, 0, np.nan]
    assert image_f1(matches_of(images), 0.3).tolist() == pytest.approx(expected, nan_ok=True)
    assert image_f1(matches_of(images), [0.3, 0.6])[1] == 1


def test_the_curve_is_that_of_matching_anew_what_scores_above():
    images = random_images(8, 2, seed=2)
    for label, curve in enumerate(class_curves(matches_of(images))):
        assert len(curve.scores) > 3
        for number, score in enumerate(curve.scores):
            kept = [_above(image, score) for image in images]
            matches = matches_of(kept).at(0.5)
            own = (matches.labels == label) & ~matches.ignored[0]
            true = np.count_nonzero(matches.found[0] & own)
            assert curve.precision[number] == true / np.count_nonzero(own)
            assert curve.recall[number] == true / matches.objects[:, label].sum()
            precision, recall = curve.precision[number], curve.recall[number]
            assert curve.f1[number] == pytest.approx(2 * precision * recall / max(precision + recall, 1e-9))


def _above(image, score):
    kept = image.scores >= score
    return dataclasses.replace(image, boxes=image.boxes[kept], scores=image.scores[kept], labels=image.labels[kept])
