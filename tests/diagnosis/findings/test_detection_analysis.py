"""Errors at best scores and what becomes of each object, by hand."""

import numpy as np

from convnext_dense.diagnosis.findings.detection_analysis import (
    FALLBACK_SCORE,
    analyze,
    image_kinds,
    object_findings,
    with_predictions,
)
from tests.helpers.detected_images import detected_image, random_images

CAT, DOG = 0, 1
LEFT, RIGHT, FAR = (0, 0, 20, 20), (40, 0, 60, 20), (100, 60, 130, 90)


def scenes():
    """Two cats found at 0.9 and 0.8; a duplicate and a false dog, a shifted cat; a crowd; a cat that is missed."""
    first = detected_image(
        [(LEFT, CAT), (RIGHT, CAT), (FAR, DOG)],
        [(LEFT, CAT, 0.9), (RIGHT, CAT, 0.8), (LEFT, CAT, 0.85), (FAR, DOG, 0.7), ((0, 60, 20, 80), DOG, 0.3)],
        path='first.jpg',
    )
    second = detected_image(
        [(LEFT, CAT), (RIGHT, DOG), (FAR, DOG)],
        [((12, 0, 32, 20), CAT, 0.95), (RIGHT, CAT, 0.82), (FAR, DOG, 0.6)],
        crowd=[False, False, True],
        path='second.jpg',
    )
    return [first, second]


def test_what_becomes_of_each_object():
    analysis = analyze(scenes(), ['cat', 'dog'])
    findings = object_findings(analysis)
    assert findings['first.jpg'].predicted == ['right', 'right', 'duplicate', 'right', 'background']
    assert findings['first.jpg'].true == ['found', 'found', 'found']
    assert findings['second.jpg'].predicted == ['location', 'class', 'ignored']
    assert findings['second.jpg'].true == ['missed', 'missed', 'ignored']
    assert analysis.best_scores.keys() == {'cat', 'dog'}


def test_kept_predictions_are_those_of_the_best_scores():
    """Cats: F1 is best from 0.8 on, with 2 of 3 found among 5; dogs: from 0.7 on, without the false one."""
    analysis = analyze(scenes(), ['cat', 'dog'])
    assert analysis.best_scores == {'cat': np.float32(0.8), 'dog': np.float32(0.7)}
    assert [rows.tolist() for rows in analysis.kept_rows] == [[0, 1, 2, 3], [0, 1]]
    kinds = {(error.kind, error.image, error.prediction) for error in analysis.kept_errors}
    assert kinds == {('duplicate', 0, 2), ('location', 1, 0), ('class', 1, 1)}
    assert image_kinds(analysis) == {
        'first.jpg': ['duplicate'],
        'second.jpg': ['class', 'location', 'missed'],
    }


def test_errors_of_kept_predictions_have_the_numbers_of_all():
    low_first = detected_image([(LEFT, CAT)], [(FAR, CAT, 0.1), (LEFT, CAT, 0.9), (RIGHT, CAT, 0.95)])
    analysis = analyze([low_first], ['cat'])
    assert analysis.kept_rows[0].tolist() == [1, 2] and len(analysis.kept[0]) == 2
    assert [(error.kind, error.prediction) for error in analysis.kept_errors] == [('background', 2)]


def test_nothing_is_found():
    analysis = analyze([detected_image([(LEFT, CAT)], [(FAR, CAT, 0.2), (FAR, DOG, 0.4)])], ['cat', 'dog'])
    assert analysis.best_scores == {} and analysis.best_score is None
    assert analysis.least.tolist() == [FALLBACK_SCORE] * 2 and analysis.kept_rows[0].tolist() == [1]
    assert object_findings(analysis)['a.jpg'] == (['background', 'background'], ['missed'])


def test_masks_follow_the_predictions():
    image = next(one for one in random_images(6, 2, seed=0, masks=True) if len(one) > 3)
    part = with_predictions(image, np.array([2, 0]))
    assert part.masks == [image.masks[2], image.masks[0]] and part.scores.tolist() == image.scores[[2, 0]].tolist()
