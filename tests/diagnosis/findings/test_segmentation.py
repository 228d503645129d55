"""What is found about a segmentor, against scikit-learn and by hand."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score, precision_score, recall_score

from convnext_dense.diagnosis.findings.segmentation import find
from convnext_dense.diagnosis.segmentation import count_image
from convnext_dense.diagnosis.suspect_regions import contradicted_regions

NAMES = ['sky', 'tree', 'road', 'lake']


def scenes(number: int = 8, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Label maps of three of four classes with unlabeled pixels, where trees are often taken for roads."""
    rng = np.random.default_rng(seed)
    maps = []
    for _ in range(number):
        truth = np.kron(rng.integers(0, 3, (4, 4)), np.ones((12, 10), int)).astype(np.uint8)
        predicted = np.roll(truth, int(rng.integers(0, 3)), axis=1)
        predicted[(truth == 1) & (rng.random(truth.shape) < 0.3)] = 2
        predicted[rng.random(truth.shape) < 0.02] = 0
        truth[:3] = 255
        maps.append((truth, predicted))
    return maps


def find_in(maps, boundaries: bool = True, resamples: int = 50, names=NAMES):
    classes = len(names)
    records = [count_image(f'{i}.png', t, p, classes, boundaries) for i, (t, p) in enumerate(maps)]
    regions = [
        contradicted_regions(f'{i}.png', t, p, np.full(t.shape, 0.75), classes) for i, (t, p) in enumerate(maps)
    ]
    return find(records, regions, names, resamples)


def section(findings, name):
    return next(one for one in findings.sections if one.id == name)


def cells(table, name):
    column = [one.name for one in table.columns].index(name)
    return [row[column] for row in table.rows]


def test_numbers_are_those_of_scikit_learn():
    maps = scenes()
    findings = find_in(maps)
    labels, predicted = (np.concatenate([m[i][m[0] != 255] for m in maps]) for i in (0, 1))
    options = dict(labels=range(4), average=None, zero_division=np.nan)
    accuracy, precision = (100 * score(labels, predicted, **options) for score in (recall_score, precision_score))
    iou = 100 * jaccard_score(labels, predicted, labels=range(4), average=None, zero_division=0)
    dice = 2 * iou / (100 + iou) * 100
    table = section(findings, 'classes').blocks[0]
    columns = {'IoU': iou, 'Accuracy': accuracy, 'Precision': precision, 'Dice': dice}
    for name, expected in columns.items():
        values = cells(table, name)
        assert values[3] is None and values[:3] == pytest.approx(expected[:3])
        for value, low, high in list(
            zip(values, cells(table, f'{name} from'), cells(table, f'{name} to'), strict=True)
        )[:3]:
            assert low < value < high
    values = {one.name: one.value for one in findings.headlines}
    boundary = values.pop('boundary F1')
    assert values == pytest.approx(
        {
            'mIoU': np.mean(iou[:3]),
            'pixel accuracy': 100 * accuracy_score(labels, predicted),
            'mean accuracy': np.mean(accuracy[:3]),
            'mean Dice': np.mean(dice[:3]),
        }
    )
    assert boundary == pytest.approx(np.mean(cells(table, 'Boundary F1')[:3])) and 0 < boundary < 100
    assert cells(table, 'Pixels') == np.bincount(labels, minlength=4).tolist()
    assert sum(v for v in cells(table, 'Share') if v) == pytest.approx(100)
    json.dumps([dataclasses.asdict(s) for s in findings.sections], allow_nan=False)


def test_what_is_confused_and_the_worst_images():
    maps = scenes()
    findings = find_in(maps)
    trees = sum(((t == 1) & (p == 2)).sum() for t, p in maps)
    wrong = sum(((t != p) & (t != 255)).sum() for t, p in maps)
    lead = section(findings, 'confusions').lead
    assert lead.startswith(f'{100 * trees / wrong:.0f}% of the wrong pixels are tree taken for road ({trees:,} pixels')
    worst = min(findings.values, key=findings.values.get)
    gallery, histogram = section(findings, 'images').blocks
    assert gallery.images[0] == int(worst.split('.')[0]) and len(gallery.images) == len(maps)
    assert sum(histogram.series[0].y) == len(maps) and worst in section(findings, 'images').lead
    assert findings.facts.metric == 'mIoU' and findings.facts.boundary is not None
    assert findings.facts.classes[1].images == sum((t == 1).any() for t, _ in maps)


def test_kinds_of_errors_of_images():
    truth = np.zeros((20, 20), np.uint8)
    truth[:10] = 1
    other = np.where(truth == 1, 2, 0).astype(np.uint8)
    findings = find_in([(truth, truth), (truth, other), (other, other)])  # the last shows what a road is
    assert findings.image_findings['0.png'] == []
    assert findings.image_findings['1.png'] == [
        'class missed',
        'class not there',
        'IoU below 50%',
        'label contradicted strongly',
    ]
    assert findings.values['0.png'] == 100 and findings.values['1.png'] == pytest.approx(100 / 3)
    assert findings.suspects[0].path == '1.png'
    assert section(findings, 'suspects').blocks[0].captions[0] == 'labeled tree, seems road (strength 0.75)'


def test_without_boundaries_labels_errors_or_other_classes():
    maps = scenes(3)
    findings = find_in(maps, boundaries=False)
    assert 'boundary F1' not in [one.name for one in findings.headlines] and findings.facts.boundary is None
    unlabeled = find_in([(np.full_like(t, 255), p) for t, p in maps])
    assert unlabeled.headlines == [] and unlabeled.sections[0].lead.startswith('No pixel has a label')
    assert set(unlabeled.values.values()) == {None}
    right = find_in([(t, np.where(t == 255, 0, t)) for t, _ in maps])
    assert section(right, 'confusions').lead == 'All labeled pixels are predicted right.'
    single = find_in([(np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8))], names=['sky'])
    assert section(single, 'confusions').lead == 'There is one class, which can be confused with no other one.'
    for one in (findings, unlabeled, right, single):
        json.dumps([dataclasses.asdict(s) for s in one.sections + one.headlines], allow_nan=False)


def test_predictions_of_no_class():
    truth = np.zeros((10, 10), np.uint8)
    findings = find_in([(truth, np.full_like(truth, 200))])
    confusions = section(findings, 'confusions')
    assert confusions.lead == '100 pixels are predicted as no class.'
    assert confusions.blocks[0].rows[-1] == 'no class' and confusions.blocks[0].counts[0][-1] == 100
