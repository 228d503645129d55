"""Numbers of segmentors against the metric of evaluations, and hand-made cases."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, precision_score, recall_score

from convnext_dense.diagnosis.boundary import boundary_f1, count_boundaries
from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.segmentation import (
    class_boundary_f1,
    count_image,
    image_iou,
    measure,
)
from convnext_dense.errors import UserError
from convnext_dense.evaluation import IoU

NAMES = ['a', 'b', 'c', 'd', 'e']


def random_maps(images: int = 6) -> list[tuple[np.ndarray, np.ndarray]]:
    """Truth and prediction of five classes, the last one unused, with unlabeled pixels and predictions of no class."""
    generator = np.random.default_rng(0)
    maps = []
    for number in range(images):
        truth = np.kron(generator.integers(0, 4, (3, 3)), np.ones((7 + number, 8), int)).astype(np.uint8)
        prediction = np.where(generator.random(truth.shape) < 0.8, truth, generator.integers(0, 4, truth.shape))
        truth[:2, :5] = 255
        prediction[-1, :4] = 200
        maps.append((truth, prediction))
    return maps


def metric_of(maps: list[tuple[np.ndarray, np.ndarray]]) -> tuple[dict, list[float]]:
    metric = IoU()
    metric.dataset_meta = {'classes': NAMES}
    for truth, prediction in maps:
        data = {'gt_sem_seg': truth, 'pred_sem_seg': prediction}
        metric.process(None, [{key: {'data': torch.from_numpy(v.astype(np.int64))[None]} for key, v in data.items()}])
    return metric.evaluate(len(maps)), [entry['IoU'] for entry in metric.per_class.values()]


def counted(maps: list[tuple[np.ndarray, np.ndarray]]) -> list:
    return [count_image(f'{i}.png', truth, prediction, 5) for i, (truth, prediction) in enumerate(maps)]


def test_the_numbers_are_those_of_the_evaluation():
    maps = random_maps()
    images = counted(maps)
    of_all = measure(images, NAMES)
    metrics, ious = metric_of(maps)
    values = of_all.values()
    assert [quantity[:2] for quantity in of_all.quantities] == [
        *((name, None) for name in ('mIoU', 'mAcc', 'aAcc', 'mDice', 'boundary_F1')),
        *((metric, name) for metric in ('IoU', 'accuracy', 'precision', 'Dice', 'boundary_F1') for name in NAMES),
    ]
    assert values[:3] == pytest.approx([metrics['mIoU'], metrics['mAcc'], metrics['aAcc']])
    assert values[5:10] == pytest.approx(ious, nan_ok=True) and np.isnan(values[9])
    labeled = [truth != 255 for truth, _ in maps]
    labels = [np.concatenate([m[i][own] for m, own in zip(maps, labeled, strict=True)]) for i in (0, 1)]
    for start, score in ((10, recall_score), (15, precision_score), (20, f1_score)):
        expected = 100 * score(*labels, labels=range(5), average=None, zero_division=np.nan)
        assert values[start : start + 5] == pytest.approx(expected, nan_ok=True)
    assert values[3] == pytest.approx(np.nanmean(values[20:25]))
    few = measure(images, NAMES, by_class=False)
    assert few.values() == pytest.approx(values[:10], nan_ok=True) and few.quantities == of_all.quantities[:10]
    total = Confusion.sum(5, [one.pixels for one in images])
    assert 100 * total.iou == pytest.approx(ious, nan_ok=True)
    assert total.matrix()[:, 5].sum() > 0 and total.true_counts.sum() == sum((t != 255).sum() for t, _ in maps)


def test_images_that_count_twice():
    maps = random_maps()
    counts = np.random.default_rng(1).multinomial(6, [1 / 6] * 6, 3)
    for row, values in zip(counts, measure(counted(maps), NAMES).compute(counts), strict=True):
        repeated = [one for one, times in zip(maps, row, strict=True) for _ in range(times)]
        metrics, ious = metric_of(repeated)
        assert values[[0, 1, 2]] == pytest.approx([metrics['mIoU'], metrics['mAcc'], metrics['aAcc']])
        assert values[5:10] == pytest.approx(ious, nan_ok=True)
        boundaries = class_boundary_f1(counted(repeated))
        assert values[4] == pytest.approx(100 * np.nanmean(boundaries))
        assert values[-5:] == pytest.approx(100 * boundaries, nan_ok=True)


def test_boundaries_of_classes_are_means_over_the_images_that_have_them():
    maps = random_maps()
    sizes = [truth.shape for truth, _ in maps]
    tolerances = [int(np.ceil(0.0075 * np.hypot(*size))) for size in sizes]
    of_images = [boundary_f1(count_boundaries(t, p, 5, tol)) for (t, p), tol in zip(maps, tolerances, strict=True)]
    expected = [np.mean([f1[k] for f1 in of_images if f1[k] == f1[k]] or [np.nan]) for k in range(5)]
    assert class_boundary_f1(counted(maps)) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(expected).tolist() == [False] * 4 + [True]


def test_boundaries_are_left_out_where_they_were_not_measured():
    images = [count_image('a', truth, prediction, 5, boundaries=False) for truth, prediction in random_maps()]
    assert [q.metric for q in measure(images, NAMES).quantities[:5]] == ['mIoU', 'mAcc', 'aAcc', 'mDice', 'IoU']
    with pytest.raises(ValueError, match='boundaries were not measured'):
        class_boundary_f1(images)


def test_iou_of_images():
    truth = np.array([[0, 0, 1, 1]])
    maps = {'right': truth, 'wrong': 1 - truth, 'half': np.zeros_like(truth), 'foreign': np.full_like(truth, 9)}
    images = {path: count_image(path, truth, prediction, 3) for path, prediction in maps.items()}
    values = {path: image_iou(image) for path, image in images.items()}
    assert values == {'right': 1, 'wrong': 0, 'half': 0.25, 'foreign': 0}  # of half, 2 / 4 and 0
    assert np.isnan(image_iou(count_image('unlabeled', np.full((1, 4), 255), truth, 3)))


def test_no_images():
    nothing = measure([], NAMES)
    assert np.isnan(nothing.values()).all() and len(nothing.quantities) == 24


def test_sizes_that_differ_and_labels_that_are_no_class_are_refused():
    truth = np.zeros((4, 6), np.uint8)
    with pytest.raises(UserError) as error:
        count_image('a.png', truth, truth.T, 2)
    assert str(error.value) == (
        'a.png: prediction 6 x 4, ground truth 4 x 6 (height x width): in the test pipeline, load the annotations '
        'after any resizing'
    )
    truth[2, 2] = 7
    with pytest.raises(UserError) as error:
        count_image('a.png', truth, truth, 2)
    assert str(error.value) == 'a.png: pixels of class 7, but the classes are 0 to 1: fix the mask or the class names'
