"""Comparisons of two runs of each task: numbers are those of each run alone, and differences hold by simulation."""

import dataclasses
import json

import numpy as np
import pytest

from convnext_dense.analysis.diagnosis_file import plain
from convnext_dense.diagnosis.findings.comparison import compare
from convnext_dense.diagnosis.findings.detection import find as find_in_objects
from convnext_dense.diagnosis.record_file import RunInfo, RunRecords, read_records, write_records
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedImage, PanopticImage
from convnext_dense.diagnosis.segmentation import count_image
from tests.diagnosis.test_average_precision import two_runs
from tests.helpers.detected_images import random_images

CLASSES = ['cat', 'dog', 'cow']
INFO = RunInfo('task', CLASSES, None, 'data', 'best.pth', 'raw')


def classified_runs(number: int, seed: int, gain: float = 0.1) -> tuple[RunRecords, RunRecords]:
    """Two runs that fail on the same hard images; the second gets a share of all images right in addition."""
    rng = np.random.default_rng(seed)
    runs: tuple[list, list] = ([], [])
    for i in range(number):
        label, hard = int(rng.integers(3)), rng.random()
        right = hard < 0.6, hard < 0.6 or rng.random() < gain / 0.4
        confidence = rng.uniform(0.5, 0.9)
        for own, is_right in zip(runs, right, strict=True):
            scores = np.full(3, (1 - confidence) / 2, np.float32)
            scores[label if is_right else (label + 1) % 3] = confidence
            own.append(ClassifiedImage(f'{i}.jpg', scores, label))
    return RunRecords(INFO, runs[0]), RunRecords(INFO, runs[1])


def section(comparison, name):
    return next(one for one in comparison.sections if one.id == name)


def find(comparison, metric, name=None):
    return next(one for one in comparison.differences if one.quantity[:2] == (metric, name))


def test_classifiers():
    before, after = classified_runs(300, seed=0)
    comparison = compare(before, after, resamples=300)
    right = [{one.path for one in run.records if one.scores.argmax() == one.label} for run in (before, after)]
    top1 = find(comparison, 'top1')
    assert (top1.before, top1.after) == pytest.approx(tuple(100 * len(own) / 300 for own in right))
    assert top1.clear and top1.low < top1.difference < top1.high and comparison.differences[0] == top1
    assert set(comparison.fixed) == right[1] - right[0] and set(comparison.broken) == right[0] - right[1] == set()
    assert section(comparison, 'flips').lead == f'{len(comparison.fixed)} images became right and 0 wrong.'
    assert section(comparison, 'differences').lead.endswith('clearly better.')
    changed = section(comparison, 'images').blocks[0]
    assert {row[0] for row in changed.rows} <= set(comparison.fixed)
    assert find(comparison, 'F1', 'dog').after > find(comparison, 'F1', 'dog').before
    json.dumps(plain(comparison.sections), allow_nan=False)


def test_the_interval_of_macro_f1s_difference_holds_it_as_often_as_stated():
    large = compare(*classified_runs(30_000, seed=999), resamples=2)
    true = find(large, 'macro_F1').difference
    held = []
    for seed in range(150):
        one = find(compare(*classified_runs(150, seed), resamples=200), 'macro_F1')
        held.append(one.low <= true <= one.high)
    assert 8 < true < 12 and 0.88 <= np.mean(held) <= 0.99  # 0.95, with three standard errors of 150 runs


@pytest.mark.parametrize('masks', [False, True])
def test_detectors_have_the_numbers_of_each_run_alone(tmp_path, masks):
    images = random_images(20, 3, seed=0, masks=masks)
    better = [dataclasses.replace(one, scores=np.where(one.labels == 1, one.scores / 9, one.scores)) for one in images]
    runs = []
    for name, own in (('a', images), ('b', better)):
        write_records(tmp_path / f'{name}.npz', INFO, own, masks)
        runs.append(read_records(tmp_path / f'{name}.npz'))
    comparison = compare(*runs, resamples=50)
    alone = [find_in_objects(own, CLASSES, masks, resamples=5) for own in (images, better)]
    prefix = 'mask' if masks else 'box'
    for metric, name in ((f'{prefix}_AP', f'{prefix} AP'), (f'{prefix}_APs', f'{prefix} AP, small objects')):
        one = find(comparison, metric)
        values = [next(h.value for h in own.headlines if h.name == name) for own in alone]
        assert (one.before, one.after) == pytest.approx(tuple(values))
    if masks:
        values = [next(h.value for h in own.headlines if h.name == 'box AP') for own in alone]
        assert (find(comparison, 'box_AP').before, find(comparison, 'box_AP').after) == pytest.approx(tuple(values))
    for one, own in zip((comparison.changes.before, comparison.changes.after), alone, strict=True):
        expected = [np.nan if value is None else value for value in own.values.values()]
        assert one == pytest.approx(expected, nan_ok=True)
    costs = {row[0]: row[3:] for row in section(comparison, 'errors').blocks[1].rows}
    assert costs['missed object'] == pytest.approx([own.facts.error_costs['missed'] for own in alone], abs=0.005)
    json.dumps(plain(comparison.sections), allow_nan=False)


def test_a_better_detector_is_clearly_better():
    before, after = two_runs(120, seed=0)
    runs = [
        RunRecords(INFO, [dataclasses.replace(one, path=f'{i}') for i, one in enumerate(own)])
        for own in (before, after)
    ]
    comparison = compare(*runs, resamples=100)
    assert find(comparison, 'box_AP').clear and find(comparison, 'box_AP').difference > 3
    assert 'clearly better' in section(comparison, 'differences').lead
    backwards = find(compare(*runs[::-1], resamples=100), 'box_AP')
    assert backwards.high < 0 and backwards.in_favor == 0


def label_maps(number: int, seed: int):
    rng = np.random.default_rng(seed)
    for i in range(number):
        truth = np.kron(rng.integers(0, 3, (3, 3)), np.ones((8, 8), int)).astype(np.uint8)
        noise = rng.random(truth.shape)
        predicted = [np.where(noise < share, (truth + 1) % 3, truth) for share in (0.3, 0.2)]
        yield f'{i}.png', truth, predicted


def test_segmentors_and_panoptic_models():
    records: tuple[list, list] = ([], [])
    for path, truth, predicted in label_maps(12, seed=0):
        for own, one in zip(records, predicted, strict=True):
            own.append(count_image(path, truth, one, 3))
    comparison = compare(*(RunRecords(INFO, own) for own in records), resamples=50)
    miou = find(comparison, 'mIoU')
    assert miou.clear and miou.after - miou.before == pytest.approx(miou.difference)
    assert find(comparison, 'boundary_F1').before > 0 and section(comparison, 'images').blocks[0].rows
    assert section(comparison, 'classes').lead.startswith('The IoU of 3 of 3 classes changed clearly')
    tallies = ({0: (0.6, 1, 1, 0), 2: (0.0, 0, 0, 1)}, {0: (0.8, 1, 0, 0), 2: (0.7, 1, 0, 0)})
    panoptic = [
        [PanopticImage(one.path, one.pixels, one.boundaries, own_tallies) for one in own]
        for own, own_tallies in zip(records, tallies, strict=True)
    ]
    info = INFO._replace(things=2)
    comparison = compare(*(RunRecords(info, own) for own in panoptic), resamples=50)
    pq = find(comparison, 'PQ')
    assert (pq.before, pq.after) == pytest.approx((100 * (0.6 / 1.5 + 0) / 2, 75))
    assert find(comparison, 'PQ_things').after == pytest.approx(80) and find(comparison, 'mIoU') == miou
    assert comparison.changes.metric == 'PQ' and comparison.changes.after == pytest.approx(np.full(12, 75))
    json.dumps(plain(comparison.sections), allow_nan=False)


def test_the_same_predictions_and_no_labels():
    before, _ = classified_runs(30, seed=0)
    comparison = compare(before, before, resamples=100)
    assert {(one.low, one.high, one.in_favor) for one in comparison.differences} == {(0, 0, 0.5)}
    assert section(comparison, 'images').lead == 'No image changed in score of the true class.'
    assert section(comparison, 'differences').lead.endswith('these images do not tell which run is better.')
    unlabeled = RunRecords(INFO, [dataclasses.replace(one, label=NO_LABEL) for one in before.records])
    comparison = compare(unlabeled, unlabeled, resamples=100)
    assert section(comparison, 'differences').lead == 'Nothing can be compared: the images have no ground truth.'
    json.dumps(plain(comparison.sections), allow_nan=False)
