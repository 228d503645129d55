"""IoU against a loop over classes by hand, and against mmseg's own metric."""

import math

import numpy as np
import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.evaluation import IoU, iou
from convnext_dense.registry import METRICS

Maps = list[tuple[np.ndarray, np.ndarray]]  # prediction and ground truth of each image


def samples(maps: Maps) -> list[dict]:
    return [
        {
            'pred_sem_seg': {'data': torch.from_numpy(prediction.astype(np.int64))[None]},
            'gt_sem_seg': {'data': torch.from_numpy(ground_truth.astype(np.int64))[None]},
            'img_path': f'images/{number}.jpg',
            'seg_map_path': f'annotations/{number}.png',
        }
        for number, (prediction, ground_truth) in enumerate(maps)
    ]


def metric_of(maps: Maps, classes: int) -> IoU:
    metric = METRICS.build(dict(type='convnext_dense.IoU'))
    metric.dataset_meta = {'classes': tuple(f'c{k}' for k in range(classes))}
    for sample in samples(maps):
        metric.process(None, [sample])
    return metric


def random_maps(classes: int, used: int, images: int = 5, unlabeled: float = 0.2) -> Maps:
    """Label maps of unequal sizes that are often right, of the first ``used`` classes."""
    rng = np.random.default_rng(classes)
    maps = []
    for number in range(images):
        size = (17 + number, 23)
        ground_truth, prediction = rng.integers(0, used, size), rng.integers(0, used, size)
        prediction = np.where(rng.random(size) < 0.6, ground_truth, prediction)
        maps.append((prediction, np.where(rng.random(size) < unlabeled, 255, ground_truth)))
    return maps


def by_hand(maps: Maps, classes: int) -> tuple[dict, np.ndarray, np.ndarray]:
    matrix = np.zeros((classes, classes))
    for prediction, ground_truth in maps:
        for p, t in zip(prediction.ravel(), ground_truth.ravel(), strict=True):
            if t != 255:
                matrix[t, p] += 1
    ious, accs = [], []
    for k in range(classes):
        right, true, predicted = matrix[k, k], matrix[k, :].sum(), matrix[:, k].sum()
        ious.append(100 * right / (true + predicted - right) if true + predicted else math.nan)
        accs.append(100 * right / true if true else math.nan)
    metrics = {
        'mIoU': sum(v for v in ious if v == v) / sum(v == v for v in ious),
        'mAcc': sum(v for v in accs if v == v) / sum(v == v for v in accs),
        'aAcc': 100 * np.trace(matrix) / matrix.sum(),
        'images': len(maps),
    }
    return metrics, np.array(ious), np.array(accs)


@pytest.mark.parametrize(('classes', 'used'), [(2, 2), (19, 19), (19, 12), (150, 150), (255, 255)])
def test_counts_by_hand(classes, used):
    maps = random_maps(classes, used)
    metric = metric_of(maps, classes)
    metrics = metric.evaluate(len(maps))
    expected, ious, accs = by_hand(maps, classes)
    assert metrics == pytest.approx(expected)
    assert list(metric.per_class) == [f'c{k}' for k in range(classes)]
    assert [v['IoU'] for v in metric.per_class.values()] == pytest.approx(ious.tolist(), nan_ok=True)
    assert [v['Acc'] for v in metric.per_class.values()] == pytest.approx(accs.tolist(), nan_ok=True)
    assert sum(math.isnan(v['IoU']) for v in metric.per_class.values()) == classes - used


def test_numbers_are_those_of_mmseg():
    from mmseg.evaluation import IoUMetric

    maps = random_maps(19, 12, images=3)
    theirs = IoUMetric(prefix='theirs')
    theirs.dataset_meta = {'classes': [f'c{k}' for k in range(19)]}
    theirs.process(None, samples(maps))
    expected = theirs.evaluate(3)
    metrics = metric_of(maps, 19).evaluate(3)
    for name in ('mIoU', 'mAcc', 'aAcc'):
        assert metrics[name] == pytest.approx(expected[f'theirs/{name}'], abs=0.0051)  # they round


def test_a_class_that_is_only_predicted_counts_in_the_iou_and_not_in_the_accuracy():
    ground_truth = np.zeros((2, 2), int)
    metric = metric_of([(np.array([[0, 0], [0, 1]]), ground_truth)], 3)
    assert metric.evaluate(1) == pytest.approx({'mIoU': 37.5, 'mAcc': 75.0, 'aAcc': 75.0, 'images': 1})
    assert metric.per_class['c1'] == pytest.approx({'IoU': 0.0, 'Acc': math.nan}, nan_ok=True)
    assert metric.per_class['c2'] == pytest.approx({'IoU': math.nan, 'Acc': math.nan}, nan_ok=True)


def test_what_is_predicted_where_nothing_is_labeled_does_not_matter():
    ground_truth = np.array([[0, 1, 255, 255]])
    for anything in (0, 1, 2):
        metrics = metric_of([(np.array([[0, 1, anything, anything]]), ground_truth)], 3).evaluate(1)
        assert metrics == {'mIoU': 100, 'mAcc': 100, 'aAcc': 100, 'images': 1}


def test_a_prediction_that_is_no_class_is_wrong():
    """A head may have more outputs than the data has classes."""
    metrics = metric_of([(np.array([[0, 1, 200, 1]]), np.array([[0, 1, 0, 1]]))], 2).evaluate(1)
    assert metrics == pytest.approx({'mIoU': 75, 'mAcc': 75, 'aAcc': 75, 'images': 1})


@pytest.mark.parametrize('label', [3, 254, 256, 1000, -1])
def test_a_true_label_that_is_no_class_is_an_error(label):
    ground_truth = np.array([[0, 1, 255, label]])
    with pytest.raises(UserError, match=rf'annotations/0.png: pixels of class {label}, .* 0 to 2'):
        metric_of([(np.zeros((1, 4), int), ground_truth)], 3)


def test_maps_of_different_sizes_are_an_error():
    with pytest.raises(UserError, match=r'images/0.jpg: prediction 1 x 4, ground truth 2 x 2'):
        metric_of([(np.zeros((1, 4), int), np.zeros((2, 2), int))], 3)


def test_all_processes_images_count(monkeypatch):
    maps = random_maps(7, 7)
    own, other = metric_of(maps[:2], 7), metric_of(maps[2:], 7)
    assert own.results[0][1].numel() <= 7 * 256  # what is sent does not grow with the images
    monkeypatch.setattr(iou, 'all_gather_object', lambda results: [results, other.results, []])
    assert own.evaluate(5) == pytest.approx(by_hand(maps, 7)[0])


def test_results_do_not_leak_into_the_next_evaluation():
    maps = random_maps(4, 4, images=2)
    metric = metric_of(maps, 4)
    assert metric.evaluate(2)['images'] == 2
    metric.process(None, samples(maps[:1]))
    assert metric.evaluate(1) == pytest.approx(by_hand(maps[:1], 4)[0])


def test_nothing_to_evaluate():
    assert metric_of([], 3).evaluate(0) == {'images': 0}
    metrics = metric_of([(np.zeros((2, 2), int), np.full((2, 2), 255))], 3).evaluate(1)
    assert metrics == pytest.approx({'mIoU': math.nan, 'mAcc': math.nan, 'aAcc': math.nan, 'images': 1}, nan_ok=True)


def test_blocks_of_an_image_count_as_one_image(monkeypatch):
    """Parts of an image that come one by one, counted a few rows at a time, are the whole image."""
    monkeypatch.setattr(iou, 'PIXELS_AT_ONCE', 60)
    maps = random_maps(19, 12, images=3)
    metric = metric_of([], 19)
    for prediction, truth in maps:
        cuts = [slice(0, 5), slice(5, 6), slice(6, None)]
        taken = []

        def blocks(prediction=prediction, truth=truth, cuts=cuts, taken=taken):
            for cut in cuts:
                taken.append(cut)
                for columns in (slice(0, 10), slice(10, None)):
                    yield prediction[cut, columns].astype(np.uint16), truth[cut, columns].astype(np.uint8)

        metric.process(None, [{'blocks': blocks(), 'img_path': 'large.tif'}])
        assert taken == cuts
    assert metric.evaluate(3) == pytest.approx(by_hand(maps, 19)[0])


def test_an_image_of_which_a_block_cannot_be_had_does_not_count():
    maps = random_maps(4, 4, images=2)
    metric = metric_of(maps[:1], 4)

    def blocks():
        yield maps[1]
        raise UserError('bad image large.tif')

    with pytest.raises(UserError, match=r'^bad image large.tif$'):
        metric.process(None, [{'blocks': blocks()}])
    with pytest.raises(UserError, match=r'large.tif: prediction 9 x 4, ground truth 6 x 4'):
        metric.process(None, [{'blocks': [(np.zeros((9, 4)), np.zeros((6, 4)))], 'img_path': 'large.tif'}])
    assert metric.evaluate(2) == pytest.approx(by_hand(maps[:1], 4)[0])
