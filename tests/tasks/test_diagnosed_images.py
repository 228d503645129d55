"""Records of a test give the numbers that the metrics give, of the same outputs, to the last digits."""

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from convnext_dense.diagnosis import segmentation
from convnext_dense.diagnosis.average_precision import average_precision_measure
from convnext_dense.diagnosis.classification import Predictions
from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.matching import match_objects
from convnext_dense.diagnosis.overlaps import object_overlaps
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedAmongMany
from convnext_dense.evaluation import Accuracy, CocoAP, IoU
from convnext_dense.io.coco_format import IGNORE_REGION
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import encode_masks
from convnext_dense.tasks import diagnosed_images
from convnext_dense.tasks.diagnosed_images import classified, detected, label_maps, segmented
from convnext_dense.tiling.tile_objects import MaskCrop

CLASSES = ('cat', 'dog', 'cow')
SIZE = ImageSize(90, 120)


def values(measure) -> dict[str, float]:
    """The numbers of a measure, those of a class as ``AP of cat``."""
    names = [q.metric if q.class_name is None else f'{q.metric} of {q.class_name}' for q in measure.quantities]
    return dict(zip(names, measure.values().tolist(), strict=True))


def rectangles(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.integers(0, (90, 60), (count, 2))
    return np.hstack([corners, corners + rng.integers(4, 30, (count, 2))])


def filled(boxes: np.ndarray) -> np.ndarray:
    """Masks, (N, H, W), of boxes without their upper left quarter."""
    masks = np.zeros((len(boxes), *SIZE), bool)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.round().astype(int).tolist(), strict=True):
        mask[y1:y2, x1:x2] = True
        mask[y1 : (y1 + y2) // 2, x1 : (x1 + x2) // 2] = False
    return masks


def detector_outputs(masks: bool, crops: bool = False, count: int = 25) -> list[BaseDataElement]:
    """Data samples as a detector gives them: near its annotations, with crowds, ignore regions and equal scores."""
    rng = np.random.default_rng(0)
    outputs = []
    for number in rng.permutation(count).tolist():
        true = rectangles(rng, int(rng.integers(0, 8))).astype(float)
        instances = []
        for box in true.tolist():
            crowd = rng.random() < 0.2
            label = IGNORE_REGION if crowd and rng.random() < 0.5 else int(rng.integers(3))
            one = dict(bbox=box, bbox_label=label, ignore_flag=int(crowd))
            one['area'] = float((box[2] - box[0]) * (box[3] - box[1]) * rng.uniform(0.5, 1))
            x1, y1, x2, y2 = box
            if masks and rng.random() < 0.8:
                whole = encode_masks(filled(np.array([box])))[0]
                x, y = (x1 + x2) // 2, (y1 + y2) // 2
                one['mask'] = whole if crowd else [[x, y1, x2, y1, x2, y2, x1, y2, x1, y, x, y]]
            instances.append(one)
        near = np.vstack([true + rng.normal(0, 1.5, true.shape), rectangles(rng, 4)]).astype(np.float32)
        near = np.clip(near, 0, (120, 90, 120, 90)).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        labels = np.array([max(one['bbox_label'], 0) for one in instances] + rng.integers(0, 3, 4).tolist())
        labels = np.where(rng.random(len(labels)) < 0.2, rng.integers(0, 3, len(labels)), labels)
        found = InstanceData(
            bboxes=torch.from_numpy(near),
            scores=torch.from_numpy(rng.choice(np.linspace(0.05, 1, 12), len(near)).astype(np.float32)),
            labels=torch.from_numpy(labels),
        )
        if masks:
            own = filled(near)
            found.masks = [MaskCrop.of(mask) for mask in own] if crops else torch.from_numpy(own)
        meta = {'img_id': number, 'img_path': f'{number:03d}.jpg', 'ori_shape': tuple(SIZE), 'instances': instances}
        output = BaseDataElement(metainfo=meta)
        output.set_data({'pred_instances': found})
        outputs.append(output)
    return outputs


@pytest.mark.parametrize(('masks', 'crops'), [(False, False), (True, False), (True, True)])
def test_ap_of_records_is_the_metrics(masks, crops):
    outputs = detector_outputs(masks, crops)
    metric = CocoAP()
    metric.dataset_meta = {'classes': CLASSES, 'category_ids': [1, 2, 3]}
    metric.process(None, [output.to_dict() for output in outputs])
    expected = metric.evaluate(len(outputs))
    records = sorted((detected(output).record for output in outputs), key=lambda record: record.path)
    for prefix in ('box', 'mask') if masks else ('box',):
        overlaps = [object_overlaps(record, prefix == 'mask') for record in records]
        matches = match_objects(records, overlaps, len(CLASSES), masks=prefix == 'mask')
        got = values(average_precision_measure(matches, CLASSES, prefix))
        names = [f'{prefix}_{name}' for name in ('AP', 'AP50', 'AP75')]
        assert [got[name] for name in names] == pytest.approx([expected[name] for name in names], abs=1e-10)
        of_class = [metric.per_class[name][f'{prefix}_AP'] for name in CLASSES]
        assert [got[f'{prefix}_AP of {name}'] for name in CLASSES] == pytest.approx(of_class, abs=1e-10)
        assert 5 < expected[f'{prefix}_AP'] < 95


def test_an_image_without_ground_truth_is_told_from_one_without_objects():
    output = detector_outputs(False, count=1)[0]
    image = detected(output)
    assert image.has_truth and image.size == SIZE
    output.set_metainfo({'instances': []})
    assert detected(output).has_truth
    del output.instances
    assert not detected(output).has_truth
    assert len(detected(output).record) == len(image.record)


def test_accuracy_of_records_is_the_metrics():
    rng = np.random.default_rng(1)
    outputs = []
    for number in range(60):
        scores = torch.from_numpy(rng.dirichlet(np.ones(7)).astype(np.float32))
        if number % 9 == 0:
            scores[:] = 1 / 7  # a tie is wrong
        outputs.append({'scores': scores, 'label': int(rng.integers(7)), 'path': f'{number}.jpg'})
    metric = Accuracy()
    metric.process(None, outputs)
    expected = metric.evaluate(60)
    images = [classified(output) for output in outputs]
    names = [str(k) for k in range(7)]
    got = values(Predictions.of([image.record for image in images], 7).measure(names))
    assert {name: got[name] for name in ('top1', 'top5', 'mean_class_top1')} == pytest.approx(
        {name: expected[name] for name in ('top1', 'top5', 'mean_class_top1')}, abs=1e-10
    )
    unknown = classified({'scores': outputs[0]['scores'], 'path': 'a'})
    assert not unknown.has_truth and unknown.record.label == NO_LABEL


def test_of_many_classes_the_highest_scores_are_kept_and_top1_is_the_metrics():
    rng = np.random.default_rng(3)
    outputs = []
    for number in range(30):
        scores = torch.from_numpy(rng.dirichlet(np.full(1500, 0.01)).astype(np.float32))
        label = int(scores.argmax()) if number % 2 else int(rng.integers(1500))
        outputs.append({'scores': scores, 'label': label, 'path': f'{number}.jpg'})
    metric = Accuracy()
    metric.process(None, outputs)
    expected = metric.evaluate(30)
    records = [classified(output).record for output in outputs]
    assert all(isinstance(record, ClassifiedAmongMany) for record in records)
    got = values(Predictions.of(records, 1500).measure([str(k) for k in range(1500)], by_class=False))
    assert (got['top1'], got['top5']) == pytest.approx((expected['top1'], expected['top5']), abs=1e-10)


def set_maps(output: BaseDataElement, **maps: np.ndarray) -> None:
    output.set_data({key: PixelData(data=torch.from_numpy(one)[None]) for key, one in maps.items()})


def segmentor_outputs(classes: int = 5, size: tuple[int, int] = (48, 64)) -> list[BaseDataElement]:
    rng = np.random.default_rng(2)
    outputs = []
    for number in range(8):
        truth = rng.integers(0, classes, (size[0] // 8, size[1] // 8)).repeat(8, 0).repeat(8, 1)
        guess = np.where(rng.random(size) < 0.1, rng.integers(0, classes + 1, size), np.roll(truth, 2, 1))
        truth[:, :5] = 255
        output = BaseDataElement(metainfo={'img_path': f'{number}.jpg', 'ori_shape': size})
        maps = {'gt_sem_seg': truth, 'pred_sem_seg': guess}
        output.set_data(
            {key: PixelData(data=torch.from_numpy(one.astype(np.uint8))[None]) for key, one in maps.items()}
        )
        outputs.append(output)
    return outputs


def test_iou_of_records_is_the_metrics():
    outputs, names = segmentor_outputs(), [str(k) for k in range(5)]
    metric = IoU()
    metric.dataset_meta = {'classes': names}
    metric.process(None, [output.to_dict() for output in outputs])
    expected = metric.evaluate(len(outputs))
    got = values(segmentation.measure([segmented(output, 5).record for output in outputs], names))
    for name in ('mIoU', 'mAcc', 'aAcc'):
        assert got[name] == pytest.approx(expected[name], abs=1e-10)
    assert [got[f'IoU of {name}'] for name in names] == pytest.approx([metric.per_class[n]['IoU'] for n in names])
    assert 20 < expected['mIoU'] < 90


def test_large_label_maps_are_counted_whole_and_their_regions_are_found_in_thinned_ones(monkeypatch):
    output = segmentor_outputs(size=(96, 128))[0]
    truth = np.zeros((96, 128), np.uint8)
    guess = truth.copy()
    guess[20:60, 40:90] = 3
    guess[0, 0] = 1  # a pixel that thinning may lose
    maps = {'gt_sem_seg': truth, 'pred_sem_seg': guess}
    set_maps(output, **maps, confidence=np.full((96, 128), 0.75, np.float32))
    exact = segmented(output, 5)
    monkeypatch.setattr(segmentation, 'MOST_MEASURED', 96 * 128 // 4)
    large = segmented(output, 5)
    assert large.record.pixels.matrix().tolist() == exact.record.pixels.matrix().tolist()
    assert int(large.record.pixels.matrix()[0, 1]) == 1
    (region,), (exact_region,) = large.contradicted.regions, exact.contradicted.regions
    assert region.box == exact_region.box == (40, 20, 90, 60)
    assert region.pixels == exact_region.pixels == 40 * 50
    assert large.contradicted.right.sum() == pytest.approx(exact.contradicted.right.sum(), rel=0.02)


def test_maps_are_shown_small_with_255_for_none():
    output = segmentor_outputs(size=(960, 1280))[0]
    maps = label_maps(output, 5)
    assert maps.predicted.shape == maps.truth.shape == (360, 480)
    assert set(np.unique(maps.truth).tolist()) == {0, 1, 2, 3, 4, 255}
    assert 5 not in maps.predicted  # which is no class
    del output.gt_sem_seg
    assert label_maps(output, 5).truth is None
    image = segmented(output, 5)
    assert not image.has_truth and isinstance(image.record.pixels, Confusion)
    assert diagnosed_images.as_shown(np.array([[299, 300]]), 300).tolist() == [[299, 65535]]
