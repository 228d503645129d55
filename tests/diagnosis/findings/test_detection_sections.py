import numpy as np
import pytest

from convnext_dense.diagnosis.content import Gallery
from convnext_dense.diagnosis.detection_curves import ScoreCurve, class_curves
from convnext_dense.diagnosis.findings.detection import find
from convnext_dense.diagnosis.findings.detection_sections import CURVE_POINTS, thinned
from tests.diagnosis.findings.test_detection_analysis import CAT, DOG, FAR, LEFT, RIGHT, scenes
from tests.helpers.detected_images import detected_image, matches_of, random_images


def section(images, name, classes=('cat', 'dog')):
    return next(one for one in find(images, classes, resamples=20).sections if one.id == name)


def test_the_table_of_classes():
    table = section(scenes(), 'classes').blocks[0]
    names = [column.name for column in table.columns]
    cat, dog = (dict(zip(names, row, strict=True)) for row in table.rows)
    assert (cat['Images'], cat['Objects'], dog['Images'], dog['Objects']) == (2, 3, 2, 2)
    # cats: 0.95 wrong, 0.9 right, 0.85 duplicate, 0.82 wrong, 0.8 right
    assert cat['box precision'] == pytest.approx(40) and cat['box recall'] == pytest.approx(200 / 3)
    assert cat['box F1'] == pytest.approx(50) and cat['Best score'] == pytest.approx(0.8)
    # the precision at a recall is the highest one at this recall or above: 1 / 2 up to 1 / 3, 2 / 5 up to 2 / 3
    assert cat['box AP50'] == pytest.approx(100 * (34 * 0.5 + 33 * 0.4) / 101)
    assert (dog['box precision'], dog['box recall']) == (100, 50) and dog['box AP50'] == pytest.approx(100 * 51 / 101)


def test_kinds_of_errors_and_their_costs():
    errors = section(scenes(), 'errors')
    chart, kinds, by_class = errors.blocks
    counts = {row[0]: row[1] for row in kinds.rows}
    assert counts == {
        'wrong class': 1,
        'inexact location': 1,
        'wrong class and inexact location': 0,
        'duplicate': 1,
        'background taken for an object': 0,
        'missed object': 0,
        'all false positives': None,
        'all false negatives': None,
    }
    costs = {row[0]: row[2] for row in kinds.rows}
    # without the duplicate, precision at the second cat is 2 / 4
    assert costs['duplicate'] == pytest.approx(100 * 33 * 0.1 / 101 / 2, abs=0.005)
    assert chart.series[0].y == [costs[name] for name in chart.categories]
    cost = costs['inexact location']
    assert cost == max(costs[name] for name in chart.categories)
    assert errors.lead == (
        f'What costs most is: inexact location. Without it AP50 would be {cost:.1f} points higher (1 error at the '
        'best scores).'
    )
    duplicate = [column.name for column in by_class.columns].index('Duplicate')
    assert [row[duplicate] for row in by_class.rows] == pytest.approx([2 * costs['duplicate'], 0], abs=0.011)


def test_confusions_with_background():
    confusions = section(scenes(), 'confusions')
    assert confusions.blocks[0].counts == [[2, 0, 1], [1, 1, 0], [2, 0, 0]]
    assert confusions.lead == (
        'Of 5 objects, 60% are found, 20% have no prediction on them and 20% are taken for another class; '
        '2 predictions lie on background. The most frequent confusion is dog taken for cat (1 times).'
    ).replace('(1 times)', '(once)')


def test_galleries_show_each_kind():
    samples = section(scenes(), 'samples')
    shown = {block.title: (block.images, block.captions) for block in samples.blocks if isinstance(block, Gallery)}
    assert shown == {
        'Wrong class': ([1], ['cat 0.82, labeled dog']),
        'Inexact location': ([1], ['cat 0.95, IoU 0.25']),
        'Duplicate': ([0], ['cat 0.85, of an object that is found']),
    }
    missed = section([detected_image([(FAR, DOG), (LEFT, CAT)], [(LEFT, CAT, 0.9)])], 'samples')
    assert missed.blocks[0].captions == ['dog, 30 x 30 pixels']
    right = section([detected_image([(LEFT, CAT), (RIGHT, DOG)], [(LEFT, CAT, 0.9), (RIGHT, DOG, 0.9)])], 'samples')
    assert right.lead == 'With the best scores there are no errors.'


def test_curves_are_thinned_and_keep_the_best_point():
    curve = class_curves(matches_of(random_images(300, 1, seed=0, ties=False), 1))[0]
    assert len(curve.scores) > 1000
    rows = thinned(curve, 60)
    assert len(rows) <= 60 and (np.diff(rows) > 0).all() and rows[0] == 0
    assert curve.best.score in curve.scores[rows] and curve.best.f1 == curve.f1[rows].max()
    for values in (curve.precision, curve.recall, curve.f1):
        whole = np.interp(np.arange(len(values)), rows, values[rows])
        assert np.abs(whole - values)[rows[3] :].max() < 0.06
    few = ScoreCurve(*(np.linspace(1, 0, 5) for _ in range(4)), 5)
    assert thinned(few).tolist() == [0, 1, 2, 3, 4]


def test_the_section_of_scores():
    images = random_images(60, 3, seed=1, ties=False)
    scores = section(images, 'scores', ('a', 'b', 'c'))
    f1, precision = scores.blocks
    assert [series.group for series in f1.series] == [None, 'a', 'b', 'c'] == [s.group for s in precision.series]
    assert max(len(series.x) for series in [*f1.series, *precision.series]) <= CURVE_POINTS
    findings = find(images, ('a', 'b', 'c'), resamples=10)
    for series in f1.series:
        best = findings.best_scores[series.group] if series.group else findings.best_score
        assert series.y[series.x.index(best)] == max(series.y) and series.x == sorted(series.x)
    assert scores.lead.startswith(f'Objects are best kept from a score of {findings.best_score:.2f} on')
    nothing = section([detected_image([(LEFT, CAT)], [(FAR, CAT, 0.2)])], 'scores')
    assert nothing.lead == 'No object is found at any score, so that there are no curves.'
