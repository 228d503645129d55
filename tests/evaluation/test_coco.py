"""Average precision against pycocotools' own evaluation, from the same files."""

import contextlib
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.errors import UserError
from convnext_dense.evaluation import CocoAP, coco, coco_results
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import decode_mask
from convnext_dense.tiling.tile_objects import MaskCrop
from tests.helpers.detector_scores import CATEGORIES, PIPELINE, DetectorScores, make_predictions


def assert_same(case: DetectorScores, ids: list[int] | None = None, **options: object) -> dict:
    metrics, per_class = case.ours(ids)
    expected, expected_per_class = case.reference(ids, **options)
    assert metrics.pop('images') == len(case.data['images'] if ids is None else ids)
    assert metrics == pytest.approx(expected, abs=1e-6)
    assert per_class.keys() == expected_per_class.keys()
    for name, entry in expected_per_class.items():
        assert per_class[name] == pytest.approx(entry, abs=1e-6)
    return metrics


@pytest.mark.parametrize('seed', range(4))
def test_as_pycocotools_says(tmp_path, seed):
    case = DetectorScores(tmp_path, seed)
    assert {a['iscrowd'] for a in case.data['annotations']} == {0, 1}
    metrics = assert_same(case)
    assert len(metrics) == 12
    assert all(1 < value < 99 for value in metrics.values())


def test_images_without_predictions(tmp_path):
    case = DetectorScores(tmp_path)
    for image in (0, 7, 28):
        case.predictions[image] = case.predictions[image][:0]
    assert_same(case)


def test_nothing_predicted_at_all(tmp_path):
    case = DetectorScores(tmp_path)
    case.predictions = {image: found[:0] for image, found in case.predictions.items()}
    metrics = assert_same(case)
    assert set(metrics.values()) == {0.0}
    assert len(metrics) == 12


def test_only_the_hundred_best_of_a_class_count(tmp_path):
    case = DetectorScores(tmp_path)
    many = [case.predictions[0]] + [make_predictions(case.rng, case.data, case.data['images'][0]) for _ in range(40)]
    case.predictions[0] = InstanceData.cat(many)
    assert case.predictions[0].labels.bincount().max() > 100
    assert_same(case)


@pytest.mark.parametrize(('objects', 'crowds', 'limit'), [(100, 30, 100), (101, 0, 101)])
def test_more_predictions_count_where_an_image_has_more_objects_of_a_class(
    tmp_path, monkeypatch, objects, crowds, limit
):
    """Up to 100 objects, crowds left out, everything is COCO's; above, the log says so."""
    case, said = DetectorScores(tmp_path, images=4), []
    image, before = case.data['images'][0], len(case.data['annotations'])
    corners = np.array([[n % 12 * 8.0, n // 12 * 8.0] for n in range(objects + crowds)])
    for n, (x, y) in enumerate(corners.tolist(), 1):
        own = dict(id=before + n, image_id=image['id'], category_id=30, bbox=[x, y, 6.0, 6.0], area=36.0)
        case.data['annotations'].append({**own, 'iscrowd': int(n > objects)})
    case.save()
    boxes = np.hstack([corners, corners + 6])[:objects]
    case.predictions[0] = InstanceData(  # the best one is false, and so one too many
        bboxes=torch.from_numpy(np.vstack([[200, 200, 220, 220], boxes])).float(),
        labels=torch.full((objects + 1,), 3),
        scores=torch.linspace(1, 0.5, objects + 1),
    )
    monkeypatch.setattr(coco, 'print_log', lambda line, *_: said.append(line))
    metrics, _ = case.ours(metric=CocoAP(['bbox']))
    del metrics['images']
    assert metrics == pytest.approx(case.reference(iou_types=('bbox',), limit=limit)[0], abs=1e-6)
    other = case.reference(iou_types=('bbox',), limit=201 - limit)[0]
    assert metrics != pytest.approx(other, abs=1e-6)
    assert [line.split(':')[0] for line in said] == [f'an image has {objects} objects of a class'] * (limit > 100)


def test_images_that_could_not_be_read_do_not_count(tmp_path):
    case = DetectorScores(tmp_path)
    all_of_it = assert_same(case)
    ids = [i['id'] for i in case.data['images']][2:9]
    assert assert_same(case, ids) != all_of_it


def test_what_there_is_no_ground_truth_for_has_no_entry(tmp_path):
    case = DetectorScores(tmp_path, largest=40)
    metrics = assert_same(case)
    assert not {'box_APl', 'mask_APl'} & metrics.keys()
    assert {'box_APs', 'box_APm', 'mask_APs', 'mask_APm'} <= metrics.keys()
    _, per_class = case.ours()
    assert list(per_class) == ['nine', 'zero', 'four']
    json.dumps(metrics, allow_nan=False)


def test_a_crowd_alone_is_no_ground_truth(tmp_path):
    case = DetectorScores(tmp_path)
    for annotation in case.data['annotations']:
        annotation['iscrowd'] = 1
    case.save()
    assert case.ours() == ({'images': 12}, {})


def test_boxes_alone_where_ground_truth_or_prediction_has_no_masks(tmp_path):
    case = DetectorScores(tmp_path)
    for found in case.predictions.values():
        del found.masks
    assert_same(case, iou_types=('bbox',))

    (tmp_path / 'boxes').mkdir()
    case = DetectorScores(tmp_path / 'boxes')
    for annotation in case.data['annotations']:
        annotation['segmentation'] = []
    case.save()
    assert_same(case, iou_types=('bbox',))


def test_masks_that_are_not_measured_are_said_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(coco, 'print_log', lambda line, *_: said.append(line))
    case = DetectorScores(tmp_path)
    for annotation in case.data['annotations']:
        annotation['segmentation'] = []
    case.save()
    metric = CocoAP()
    for _ in range(2):
        case.ours(metric=metric)
    assert said == ['mask AP is not measured: the ground truth has no masks']
    for found in case.predictions.values():
        del found.masks
    case.ours()
    assert len(said) == 1  # nothing was predicted to be measured


def renumber(case: DetectorScores, ids: list[int]) -> None:
    """Give the images other ids, in the ground truth and in the predictions."""
    new = dict(zip([image['id'] for image in case.data['images']], ids, strict=True))
    for entry in case.data['images']:
        entry['id'] = new[entry['id']]
    for entry in case.data['annotations']:
        entry['image_id'] = new[entry['image_id']]
    case.predictions = {new[number]: found for number, found in case.predictions.items()}
    case.save()


@pytest.mark.parametrize('ids', [[-3, -2, -1, 0], [-(2**70), 2**31, 2**63, 2**64 + 5]])
def test_ids_of_images_may_be_any_integers(tmp_path, ids):
    case = DetectorScores(tmp_path, images=4)
    expected = assert_same(case)
    renumber(case, ids)
    metrics, _ = case.ours()
    assert metrics.pop('images') == 4
    assert metrics == pytest.approx(expected, abs=1e-9)


def test_equal_scores_are_ordered_by_the_ids_of_their_images(tmp_path):
    case = DetectorScores(tmp_path)
    assert_same(case)
    renumber(case, [(5 * number) % 12 + 3 for number in range(12)])  # not the order of the file
    assert_same(case)


def perfect(case: DetectorScores) -> None:
    """Predict the ground truth of the file."""
    labels = {category['id']: label for label, category in enumerate(CATEGORIES)}
    for image in case.data['images']:
        size = image['height'], image['width']
        own = [a for a in case.data['annotations'] if a['image_id'] == image['id'] and not a['iscrowd']]
        boxes = torch.tensor([a['bbox'] for a in own], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        masks = np.array([decode_mask(a['segmentation'], ImageSize(*size)) for a in own], bool).reshape(-1, *size)
        case.predictions[image['id']] = InstanceData(
            bboxes=boxes,
            labels=torch.tensor([labels[a['category_id']] for a in own], dtype=torch.int64),
            scores=torch.ones(len(own)),
            masks=torch.from_numpy(masks),
        )


@pytest.mark.parametrize(
    'fault',
    [
        {'segmentation': []},  # a rectangle beside polygons
        {'segmentation': {'size': [1, 1], 'counts': [1]}},
        {'bbox': None},
        {'bbox': [0, 0, 0, 0]},
        {'bbox': None, 'segmentation': None},
        {'bbox': 'text'},
    ],
)
def test_a_perfect_detector_has_100_whatever_half_of_the_annotations_lack(tmp_path, fault):
    case = DetectorScores(tmp_path)
    perfect(case)
    metrics, _ = case.ours()
    assert metrics['box_AP'] == metrics['mask_AP'] == pytest.approx(100)
    for annotation in case.data['annotations'][::2]:
        annotation.update(fault)
    case.save()
    spoiled, _ = case.ours(most_lost=1)
    assert spoiled['mask_AP'] == pytest.approx(100)
    assert spoiled['box_AP'] > 99  # a box from its mask differs by up to a quarter of a pixel


def test_an_object_without_a_mask_counts_for_boxes_only(tmp_path):
    case = DetectorScores(tmp_path)
    for annotation in case.data['annotations']:
        annotation['iscrowd'] = 0
    perfect(case)
    for annotation in case.data['annotations'][::2]:
        annotation['segmentation'] = None
    case.save()
    without = {a['image_id']: a for a in case.data['annotations'][::2]}
    for number, annotation in without.items():  # one of them in each image is missed
        found = case.predictions[number]
        x, y, w, h = annotation['bbox']
        wanted = torch.tensor([x, y, x + w, y + h])
        case.predictions[number] = found[(found.bboxes - wanted).abs().amax(1) > 1e-3]
    metrics, _ = case.ours()
    assert metrics['box_AP'] < 90
    assert metrics['mask_AP'] == pytest.approx(100)


def test_labels_and_ids_of_a_file_with_some_of_the_classes_in_another_order(tmp_path):
    case = DetectorScores(tmp_path)
    expected, expected_per_class = case.ours()
    case.data['categories'] = [CATEGORIES[2], CATEGORIES[0], CATEGORIES[1]]  # without the absent one
    case.save()
    classes = [category['name'] for category in CATEGORIES]
    metrics, per_class = case.ours(classes=classes)
    assert (metrics, per_class) == (expected, expected_per_class)
    dataset = CocoDataset(str(case.file), str(case.folder), PIPELINE, test_mode=True, classes=classes)
    assert dataset.metainfo['category_ids'] == (9, 0, 4, 1)  # a free one for the class that the file lacks
    samples = [sample.to_dict() for sample in case.samples(dataset)]
    results = coco_results(samples, dataset.metainfo['category_ids'])
    labels = torch.cat([found.labels for found in case.predictions.values()])
    assert [r['category_id'] for r in results] == [(9, 0, 4, 1)[label] for label in labels]


def test_labels_of_floats_are_those_of_integers():
    found = {'bboxes': torch.tensor([[1.0, 2.0, 5.0, 9.0]]), 'scores': torch.tensor([0.5])}
    samples = [{'img_id': 7, 'pred_instances': {**found, 'labels': torch.tensor([2.0])}}]
    expected = [{'image_id': 7, 'category_id': 30, 'bbox': [1.0, 2.0, 4.0, 7.0], 'score': 0.5}]
    assert coco_results(samples, range(10, 50, 10)) == expected


def test_it_says_nothing_and_keeps_nothing(tmp_path, capfd):
    case = DetectorScores(tmp_path, images=4)
    dataset = CocoDataset(str(case.file), str(case.folder), PIPELINE, test_mode=True)
    metric = CocoAP()
    metric.dataset_meta = dataset.metainfo
    values = []
    capfd.readouterr()
    for _ in range(2):
        metric.process(None, [sample.to_dict() for sample in case.samples(dataset)])
        values.append(metric.evaluate(4))
    assert capfd.readouterr() == ('', '')
    assert values[0] == values[1]
    assert values[0]['images'] == 4
    metric.process(None, [case.samples(dataset)[0].to_dict()])
    assert metric.evaluate(4)['images'] == 1
    for _ in range(2):  # as samplers do that give every process as many images
        metric.process(None, [sample.to_dict() for sample in case.samples(dataset)])
    assert metric.evaluate(4) == values[0]


def test_the_kinds_can_be_chosen(tmp_path):
    metric = CocoAP(iou_types=['bbox'])
    case = DetectorScores(tmp_path, images=3)
    dataset = CocoDataset(str(case.file), str(case.folder), PIPELINE, test_mode=True)
    metric.dataset_meta = dataset.metainfo
    metric.process(None, [sample.to_dict() for sample in case.samples(dataset)])
    assert {name.split('_')[0] for name in metric.evaluate(3)} == {'box', 'images'}


def test_ground_truth_that_does_not_come_is_missed(tmp_path):
    case = DetectorScores(tmp_path, images=1)
    dataset = CocoDataset(str(case.file), str(case.folder), [PIPELINE[0], dict(type='mmdet.PackDetInputs')])
    metric = CocoAP()
    metric.dataset_meta = dataset.metainfo
    with pytest.raises(UserError, match="add 'instances' to meta_keys"):
        metric.process(None, [sample.to_dict() for sample in case.samples(dataset)])


def test_results_files_are_what_pycocotools_reads(tmp_path):
    case = DetectorScores(tmp_path)
    dataset = CocoDataset(str(case.file), str(case.folder), PIPELINE, test_mode=True)
    samples = [sample.to_dict() for sample in case.samples(dataset)]
    results = coco_results(samples, dataset.metainfo['category_ids'])
    (tmp_path / 'results.json').write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(str(case.file)).loadRes(str(tmp_path / 'results.json'))
    start = 0
    for image in case.data['images']:
        expected = case.results(image, 'bbox')
        assert [{k: r[k] for k in ('image_id', 'category_id', 'score', 'bbox')} for r in results[start:]][
            : len(expected)
        ] == expected
        for mask in case.predictions[image['id']].masks:
            start += 1
            assert (found.annToMask(found.anns[start]) == mask.numpy()).all()
    assert start == len(results) > 20


def test_images_of_several_files_with_the_same_ids_all_count(tmp_path):
    one, two = (DetectorScores(folder, seed) for seed, folder in enumerate(folders(tmp_path)))
    pipeline = [*PIPELINE[:-1], {**PIPELINE[-1], 'meta_keys': ('img_id', 'img_path', 'ori_shape', 'instances')}]
    samples = []
    for case in (one, two):
        dataset = CocoDataset(str(case.file), str(case.folder), pipeline, test_mode=True)
        samples += case.samples(dataset)

    def evaluated(samples: list[DetDataSample]) -> dict:
        evaluator = Evaluator([CocoAP()])
        evaluator.dataset_meta = dataset.metainfo
        evaluator.process(samples)
        return evaluator.evaluate(len(samples))

    assert evaluated(samples)['images'] == 24
    assert evaluated([*samples, samples[0]]) == evaluated(samples)  # as a sampler pads
    apart = [sample.clone() for sample in samples]
    for number, sample in enumerate(sorted(apart, key=lambda sample: (sample.img_id, sample.img_path))):
        sample.set_metainfo({'img_id': number})
    assert evaluated(apart) == evaluated(samples)


def folders(root: Path) -> list[Path]:
    made = [root / name for name in ('a', 'b')]
    for folder in made:
        folder.mkdir()
    return made


@pytest.mark.parametrize('seed', range(2))
def test_regions_of_an_ignored_class_are_crowds_of_every_class(tmp_path, seed):
    case = DetectorScores(tmp_path, seed)
    name, number = CATEGORIES[1]['name'], CATEGORIES[1]['id']
    for image, found in case.predictions.items():
        case.predictions[image] = found[found.labels != 1]
    others = [category for category in CATEGORIES if category['id'] != number]
    by_hand = DetectorScores(tmp_path, seed)  # the same file
    by_hand.predictions = case.predictions
    by_hand.data = {**case.data, 'categories': others, 'annotations': []}
    sizes = {image['id']: (image['height'], image['width']) for image in case.data['images']}
    for a in case.data['annotations']:
        height, width = sizes[a['image_id']]
        x, y, w, h = a['bbox']
        rectangle = rle.merge(rle.frPyObjects([[x, y, x + w, y, x + w, y + h, x, y + h]], height, width))
        region = {'size': [height, width], 'counts': rectangle['counts'].decode()}
        crowds = [{**a, 'category_id': o['id'], 'iscrowd': 1, 'segmentation': region, 'area': w * h} for o in others]
        by_hand.data['annotations'] += [a] if a['category_id'] != number else crowds
    for new, a in enumerate(by_hand.data['annotations'], 1):
        a['id'] = new
    by_hand.file = tmp_path / 'by_hand.json'
    by_hand.file.write_text(json.dumps(by_hand.data))
    expected, per_class = by_hand.reference()
    for found in case.predictions.values():
        found.labels -= (found.labels > 1).long()
    metrics, own = case.ours(choice={'ignore': [name]})
    assert metrics.pop('images') == len(case.data['images'])
    assert metrics == pytest.approx(expected, abs=1e-6)
    assert own.keys() == per_class.keys() and name not in own


def cropped(found: InstanceData) -> InstanceData:
    """The same objects with masks that are cropped."""
    masks = [MaskCrop.of(mask.numpy()) for mask in found.masks]
    return InstanceData(bboxes=found.bboxes, labels=found.labels, scores=found.scores, masks=masks)


def test_cropped_masks_are_the_masks(tmp_path):
    case = DetectorScores(tmp_path)
    expected = case.ours()
    case.predictions = {image: cropped(found) for image, found in case.predictions.items()}
    assert case.ours() == expected


def test_large_images_with_many_objects_take_the_memory_of_their_boxes():
    """Masks of 400 objects as large as the image would be 25 GB."""
    height, width, count = 8000, 8000, 400
    lefts, tops = np.meshgrid(np.arange(20) * 390 + 20, np.arange(20) * 390 + 20)
    corners = np.stack([lefts.ravel(), tops.ravel(), lefts.ravel() + 30, tops.ravel() + 24], axis=1)
    polygon = lambda x1, y1, x2, y2: [[x1, y1, x2, y1, x2, y2, x1, y2]]  # noqa: E731
    instances = [
        dict(bbox=box, bbox_label=0, ignore_flag=0, area=720.0, mask=polygon(*box)) for box in corners.tolist()
    ]
    masks = [MaskCrop(int(y1), int(x1), np.ones((24, 30), bool)) for x1, y1, _, _ in corners]
    found = InstanceData(
        bboxes=torch.from_numpy(corners).float(),
        scores=torch.linspace(1, 0.5, count),
        labels=torch.zeros(count).long(),
    )
    found.masks = masks
    sample = BaseDataElement(metainfo=dict(img_id=1, ori_shape=(height, width), instances=instances))
    sample.pred_instances = found
    metric = CocoAP()
    metric.dataset_meta = {'classes': ['thing'], 'category_ids': [1]}
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco, 'print_log', lambda line, *_: said.append(line))
        tracemalloc.start()
        metric.process(None, [sample.to_dict()])
        metrics = metric.evaluate(1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert metrics['box_AP'] == metrics['mask_AP'] == pytest.approx(100), 'all 400 count, where COCO takes 100'
    (line,) = said
    assert line.startswith('an image has 400 objects of a class: AP counts as many predictions of an image and class')
    assert peak < 20e6
