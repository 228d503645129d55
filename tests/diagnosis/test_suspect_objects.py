import numpy as np
import pytest

from convnext_dense.diagnosis.suspect_objects import suspect_objects
from tests.helpers.detected_images import detected_image, matches_of, overlaps_of

BOX, OTHER, NOWHERE = (0, 0, 20, 20), (40, 0, 60, 20), (100, 80, 120, 100)
SHIFTED = (0, 0, 20, 50)  # IoU 0.4 with BOX


def suspects(true, predicted, crowd=(), sure=0.7):
    """Suspect objects beside images in which both classes are found with a score of ``sure``."""
    images = [detected_image([(BOX, 0), (OTHER, 1)], [(BOX, 0, sure), (OTHER, 1, sure)], path='fine.jpg')] * 5
    images.append(detected_image(true, predicted, crowd, path='odd.jpg'))
    found = suspect_objects(images, overlaps_of(images), matches_of(images))
    assert all(one.path == 'odd.jpg' for one in found if one.kind != 'no object')
    return [one for one in found if one.path == 'odd.jpg']


def test_another_class_is_suggested_if_its_prediction_is_confident_and_scores_higher():
    (one,) = suspects([(BOX, 0)], [(BOX, 1, 0.9), (BOX, 0, 0.2)])
    assert (one.kind, one.label, one.suggested, one.truth, one.box) == ('class', 0, 1, 0, BOX)
    assert one.strength == pytest.approx(0.7)
    assert suspects([(BOX, 0)], [(BOX, 1, 0.6), (BOX, 0, 0.2)])[0].kind == 'no object'  # not as sure as usual
    assert suspects([(BOX, 0)], [(BOX, 1, 0.9), (BOX, 0, 0.95)]) == []


def test_an_object_that_lies_elsewhere_has_a_suspected_box():
    (one,) = suspects([(BOX, 0)], [(SHIFTED, 0, 0.9)])
    assert (one.kind, one.label, one.truth, one.box) == ('box', 0, 0, SHIFTED)
    assert one.strength == pytest.approx(0.9 * 0.6)
    assert suspects([(BOX, 0)], [(SHIFTED, 0, 0.9), (BOX, 0, 0.8)]) == []


def test_a_confident_prediction_on_nothing_has_no_label():
    shifted = (100, 80, 120, 98)
    found = suspects([], [(NOWHERE, 0, 0.9), (shifted, 1, 0.85), ((60, 40, 70, 50), 1, 0.8), ((0, 0, 9, 9), 0, 0.5)])
    assert [(one.kind, one.suggested, one.label) for one in found] == [('no label', 0, None), ('no label', 1, None)]
    assert [one.box for one in found] == [NOWHERE, (60, 40, 70, 50)]
    assert [one.strength for one in found] == pytest.approx([0.9, 0.8])


def test_an_object_without_predictions_is_suspected_if_others_like_it_are_found():
    (one,) = suspects([(NOWHERE, 0)], [])
    assert (one.kind, one.label, one.suggested, one.box) == ('no object', 0, None, NOWHERE)
    assert one.strength == pytest.approx(5 * 0.7 / 6 / 2)
    assert suspects([((0, 0, 80, 80), 0)], []) == []  # no other one is as large
    assert suspects([(NOWHERE, 0)], [(NOWHERE, 1, 0.5)])[0].strength == pytest.approx(((5 * 0.7 + 0.5) / 6 - 0.5) / 2)


def test_crowds_and_what_lies_on_them_are_not_suspected():
    assert suspects([((0, 0, 50, 50), 0)], [(BOX, 1, 0.95), (BOX, 0, 0.9)], [True]) == []


def test_the_strongest_come_first():
    found = suspects([(BOX, 0), (OTHER, 1)], [(BOX, 1, 0.8), ((40, 0, 60, 50), 1, 0.99), (NOWHERE, 0, 0.9)])
    assert [one.kind for one in found] == ['no label', 'class', 'box']
    assert [one.strength for one in found] == sorted((one.strength for one in found), reverse=True)


PLACES = [(x, y) for x in (0, 40, 80, 120) for y in (0, 40, 80)]


def test_most_of_the_wrong_labels_are_the_first_suspects():
    """Of objects 5% have another class, another place, no label, or are invented: half at least come first."""
    rng = np.random.default_rng(0)
    images, wrong = [], {}
    for number in range(150):
        places = rng.permutation(PLACES)[:5]
        boxes = np.hstack([places, places + rng.integers(14, 30, (5, 1))])
        labels = rng.integers(0, 2, 5).tolist()
        predicted = []
        for box, label, score in zip(boxes[:4], labels[:4], rng.beta(6, 2, 4), strict=True):
            moved, score = box + rng.normal(0, 1, 4), score if rng.random() < 0.93 else rng.beta(2, 6)
            predicted += [(moved, label, score), (moved, int(rng.integers(0, 2)), score * 0.6)]
        predicted.append((boxes[4] + 5, int(rng.integers(0, 2)), rng.beta(2, 6)))
        true = list(zip(boxes[:4], labels[:4], strict=True))
        if number % 5 == 0:
            box, label, kind = boxes[0], labels[0], number // 5 % 4
            true[:1] = ([(box, 1 - label)], [(box + 7, label)], [], [true[0], (boxes[4], labels[4])])[kind]
            wrong[f'{number:03}'] = box if kind < 3 else boxes[4]
        images.append(detected_image(true, predicted, path=f'{number:03}'))
    first = suspect_objects(images, overlaps_of(images), matches_of(images))[: len(wrong)]
    right_place = [one.path in wrong and np.abs(np.subtract(one.box, wrong[one.path])).max() < 9 for one in first]
    assert len(wrong) / 600 == 0.05
    assert sum(right_place) >= len(wrong) / 2
