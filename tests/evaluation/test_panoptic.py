"""Panoptic quality against its definition by masks of segments, and against panopticapi's loop as mmdet has it."""

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.evaluation.functional import panoptic_utils
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.evaluation import PanopticQuality, panoptic
from convnext_dense.evaluation.panoptic import Tally, match_segments, predicted_labels
from convnext_dense.io.panoptic import Segments
from convnext_dense.registry import METRICS

CLASSES = ('cat', 'dog', 'cow', 'sky', 'road')  # three things, two of stuff
META = {'classes': CLASSES, 'stuff_classes': CLASSES[3:]}
Scene = tuple[np.ndarray, list[dict], np.ndarray]
"""Ids of the ground truth, its segments, and a prediction as mmdet's models give it."""


def scene(seed: int, shape: tuple[int, int] = (40, 50)) -> Scene:
    """A ground truth with crowds and nothing in a corner, and a prediction that is near to it."""
    rng = np.random.default_rng(seed)
    ids, segments = np.zeros(shape, np.int32), []
    ids[:20, 8:], ids[20:] = 900000, 5
    segments += [dict(id=900000, label=3, iscrowd=0), dict(id=5, label=4, iscrowd=0)]
    for number in range(300, 310):
        top, left = rng.integers(shape) * 4 // 5
        ids[top : top + rng.integers(4, 16), left : left + rng.integers(4, 16)] = number
        crowd = int(number > 307)
        segments.append(dict(id=number, label=2 * crowd or int(rng.integers(3)), iscrowd=crowd))
    label_of = {segment['id']: segment['label'] for segment in segments} | {0: 3}
    shifted = np.roll(ids, rng.integers(-2, 3, 2), (0, 1))
    found = np.zeros(shape, np.int32)
    for instance, number in enumerate(np.unique(shifted).tolist(), 1):
        label = label_of[number] if rng.random() < 0.8 else int(rng.integers(5))
        found[shifted == number] = label + (1000 * instance if label < 3 else 0)
    found[:, -6:] = len(CLASSES)  # nothing
    counted = [{**segment, 'area': int((ids == segment['id']).sum())} for segment in segments]
    return ids, counted, found


def by_masks(scenes: list[Scene]) -> list[tuple[float, int, int, int]]:
    """IoU, TP, FP and FN of each class, by the definition: a loop over pairs of masks."""
    totals = [[0.0, 0, 0, 0] for _ in CLASSES]
    for ids, segments, found in scenes:
        void = ids == 0
        predicted = [(int(n) % 1000, found == n) for n in np.unique(found) if n % 1000 != len(CLASSES)]
        true = [(segment['label'], ids == segment['id'], segment['iscrowd']) for segment in segments]
        matched_true, matched_predicted = set(), set()
        for i, (label, mask, crowd) in enumerate(true):
            for j, (other, guess) in enumerate(predicted):
                iou = (mask & guess).sum() / max(1, (mask | (guess & ~void)).sum())
                if not crowd and label == other and iou > 0.5:
                    totals[label][0] += iou
                    totals[label][1] += 1
                    matched_true.add(i)
                    matched_predicted.add(j)
        for i, (label, _, crowd) in enumerate(true):
            totals[label][3] += not crowd and i not in matched_true
        for j, (label, guess) in enumerate(predicted):
            crowds = [mask for other, mask, crowd in true if crowd and other == label]
            ignored = guess & np.any([void, *crowds], axis=0)
            totals[label][2] += j not in matched_predicted and ignored.sum() / guess.sum() <= 0.5
    return [tuple(total) for total in totals]


def tallies_of(scenes: list[Scene]) -> list[tuple[float, int, int, int]]:
    totals = [Tally() for _ in CLASSES]
    for ids, segments, found in scenes:
        for label, tally in match_segments(Segments(ids, segments), found, predicted_labels(found, 5)).items():
            totals[label] = totals[label].plus(tally)
    return totals


def measured(scenes: list[Scene], folder: Path, meta: dict = META) -> tuple[dict, PanopticQuality]:
    metric = METRICS.build(dict(type='convnext_dense.PanopticQuality'))
    metric.dataset_meta = meta
    for number, one in enumerate(scenes):
        metric.process(None, [sample(number, *one, folder)])
    return metric.evaluate(len(scenes)), metric


def sample(number: int, ids: np.ndarray, segments: list[dict], found: np.ndarray, folder: Path) -> dict:
    file = folder / f'{number}.png'
    Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(file)
    return {
        'img_id': number,
        'img_path': f'{number}.jpg',
        'panoptic': {'segments_file': str(file), 'segments': segments},
        'pred_panoptic_seg': {'sem_seg': torch.from_numpy(found)[None]},
    }


def test_segments_match_as_the_definition_says():
    scenes = [scene(seed) for seed in range(30)]
    expected = by_masks(scenes)
    found = tallies_of(scenes)
    for own, other in zip(found, expected, strict=True):
        assert own == pytest.approx(other, rel=1e-12)
    assert min(count for total in expected for count in total[1:]) > 2, 'each kind occurs in each class'


def test_panopticapi_counts_the_same(tmp_path, monkeypatch):
    """With one crowd of a class at most, since panopticapi forgets the others."""
    scenes = []
    for seed in range(10):
        ids, segments, found = scene(seed)
        ids[ids == 309] = 0
        segments = [{**one, 'area': int((ids == one['id']).sum())} for one in segments if one['id'] != 309]
        scenes.append((ids, segments, found))
    for name, value in {
        'PQStat': lambda: defaultdict(lambda: SimpleNamespace(iou=0.0, tp=0, fp=0, fn=0)),
        'VOID': 0,
        'OFFSET': 256**3,
        'rgb2id': lambda color: color.astype(np.int64) @ (1, 256, 256**2),
    }.items():
        monkeypatch.setattr(panoptic_utils, name, value)
    pairs = []
    for number, (ids, segments, found) in enumerate(scenes):
        labels = predicted_labels(found, 5)
        for folder, pixels in (('true', ids), ('predicted', np.where(found == 5, 0, found + 1))):
            (tmp_path / folder).mkdir(exist_ok=True)
            colors = np.stack([pixels & 255, pixels >> 8 & 255, pixels >> 16], -1).astype(np.uint8)
            Image.fromarray(colors).save(tmp_path / folder / f'{number}.png')
        of_image = dict(image_id=number, file_name=f'{number}.png')
        pairs.append(
            (
                {**of_image, 'segments_info': [{**one, 'category_id': one['label']} for one in segments]},
                {**of_image, 'segments_info': [dict(id=n + 1, category_id=label) for n, label in labels.items()]},
            )
        )
    theirs = panoptic_utils.pq_compute_single_core(
        0, pairs, str(tmp_path / 'true'), str(tmp_path / 'predicted'), range(5)
    )
    expected = [(theirs[k].iou, theirs[k].tp, theirs[k].fp, theirs[k].fn) for k in range(5)]
    for own, other in zip(tallies_of(scenes), expected, strict=True):
        assert own == pytest.approx(other, rel=1e-12)


def test_the_means_are_over_the_classes_that_occur(tmp_path):
    scenes = [scene(seed) for seed in range(4)]
    per_class = [
        (100 * iou / (tp + fp / 2 + fn / 2), 100 * iou / tp if tp else 0, 100 * tp / (tp + fp / 2 + fn / 2))
        for iou, tp, fp, fn in by_masks(scenes)
    ]
    scenes = [(ids, segments, np.where(found == 5, 6, found)) for ids, segments, found in scenes]  # nothing is 6
    metrics, metric = measured(scenes, tmp_path, {**META, 'classes': (*CLASSES, 'snow'), 'stuff_classes': 'xyz'})
    for place, name in enumerate(('PQ', 'SQ', 'RQ')):
        values = [of_class[place] for of_class in per_class]
        assert metrics[name] == pytest.approx(np.mean(values))
        assert metrics[f'{name}_things'] == pytest.approx(np.mean(values[:3]))
        assert metrics[f'{name}_stuff'] == pytest.approx(np.mean(values[3:]))  # not of snow
        assert {label: v[name] for label, v in metric.per_class.items()} == pytest.approx(
            dict(zip(CLASSES, values, strict=True))
        )
    assert metrics['images'] == 4


def row(*numbers: int) -> np.ndarray:
    return np.array([numbers], np.int32)


THING, NOTHING = 1000, len(CLASSES)


@pytest.mark.parametrize(
    ('truth', 'crowds', 'found', 'expected'),
    [
        # 2 of 4 pixels in common: an IoU of exactly a half is no match
        (row(7, 7, 7, 8), (8,), row(NOTHING, THING, THING, THING), (0, 0, 1, 1)),
        (row(7, 7, 7, 8), (8,), row(NOTHING, THING, THING, NOTHING), (2 / 3, 1, 0, 0)),
        # pixels of nothing are not in the union
        (row(7, 7, 0, 0), (), row(THING, THING, THING, THING), (1, 1, 0, 0)),
        # a half of the prediction in a crowd or in nothing is not enough
        (row(7, 7, 0, 0), (7,), row(THING, THING, THING, THING), (0, 0, 0, 0)),
        (row(7, 7, 8, 8), (7,), row(THING, THING, THING, THING), (0, 0, 1, 1)),
        (row(7, 7, 7, 9), (7,), row(THING, THING, THING, THING), (0, 0, 0, 1)),
        (row(7, 9, 8, 0), (7, 8), row(THING, THING, THING, THING), (0, 0, 0, 1)),  # two crowds of one class
        # a crowd is not missed, and nothing is not predicted
        (row(7, 7, 7, 7), (7,), row(NOTHING, NOTHING, NOTHING, NOTHING), (0, 0, 0, 0)),
    ],
)
def test_what_does_not_count(truth, crowds, found, expected):
    segments = [
        dict(id=int(n), label=0, iscrowd=int(n in crowds), area=int((truth == n).sum())) for n in np.unique(truth) if n
    ]
    tally = match_segments(Segments(truth, segments), found, predicted_labels(found, 5)).get(0, Tally())
    assert tally == pytest.approx(expected)
    assert by_masks([(truth, segments, found)])[0] == pytest.approx(expected)


def test_a_crowd_of_another_class_hides_nothing():
    truth, found = row(7, 7, 7, 7), row(*[THING] * 4)
    tallies = match_segments(
        Segments(truth, [dict(id=7, label=1, iscrowd=1, area=4)]), found, predicted_labels(found, 5)
    )
    assert tallies == {0: Tally(0.0, 0, 1, 0)}


def test_a_segment_without_a_pixel_is_missed():
    truth, found = row(7, 7), row(THING, THING)
    segments = [dict(id=7, label=0, iscrowd=0, area=2), dict(id=9, label=0, iscrowd=0, area=0)]
    assert match_segments(Segments(truth, segments), found, {THING: 0}) == {0: Tally(1.0, 1, 0, 1)}


def test_each_image_counts_once_whatever_process_had_it(tmp_path, monkeypatch):
    scenes = [scene(seed) for seed in range(3)]
    alone, _ = measured(scenes, tmp_path)
    metric = PanopticQuality()
    metric.dataset_meta = META
    parts = []
    for numbers in ([0, 2], [1, 0]):  # 0 again, as padding
        for number in numbers:
            metric.process(None, [sample(number, *scenes[number], tmp_path)])
        parts.append(list(metric.results))
        metric.results.clear()
    monkeypatch.setattr(panoptic, 'all_gather_object', lambda own: parts)
    assert metric.evaluate(3) == alone  # to the last bit


def test_nothing_to_measure_is_not_a_number_of_zero(tmp_path):
    empty = np.zeros((4, 5), np.int32)
    assert measured([(empty, [], empty + NOTHING)], tmp_path)[0] == {'images': 1}


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'panoptic': None}, "no ground truth: add 'panoptic' to meta_keys of mmdet.PackDetInputs"),
        ({'pred_panoptic_seg': None}, 'the model predicts no panoptic segmentation: take one with a panoptic_fusion'),
        ({'pred_panoptic_seg': {'sem_seg': torch.full((1, 3, 4), 5)}}, '0.jpg: the prediction is 3 x 4, the ground'),
        ({'pred_panoptic_seg': {'sem_seg': torch.full((1, 40, 50), 1133)}}, 'predicts class 133, and the data have 5'),
    ],
)
def test_what_can_not_be_compared_is_one_line(changes, said, tmp_path):
    metric = PanopticQuality()
    metric.dataset_meta = META
    one = {key: value for key, value in {**sample(0, *scene(0), tmp_path), **changes}.items() if value is not None}
    with pytest.raises(UserError, match=said):
        metric.process(None, [one])
    metric.dataset_meta = {'classes': CLASSES}
    with pytest.raises(UserError, match=r'takes the ground truth of convnext_dense\.PanopticDataset'):
        metric.process(None, [one])


def test_an_image_is_counted_some_rows_at_a_time(monkeypatch):
    ids, segments, found = scene(3)
    whole = match_segments(Segments(ids, segments), found, predicted_labels(found, len(CLASSES)))
    monkeypatch.setattr(panoptic, 'PIXELS_AT_ONCE', 3 * found.shape[1])
    assert match_segments(Segments(ids, segments), found, predicted_labels(found, len(CLASSES))) == whole
