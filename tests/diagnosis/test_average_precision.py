import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from convnext_dense.diagnosis.average_precision import (
    AveragePrecision,
    average_precision_measure,
    group_precision_measure,
)
from convnext_dense.diagnosis.intervals import bootstrap, paired_bootstrap
from convnext_dense.diagnosis.matching import ASPECTS, SIZES, match_objects
from convnext_dense.evaluation import CocoAP
from convnext_dense.results import decode_mask
from tests.helpers.detected_images import detected_image, matches_of, overlaps_of, random_boxes, random_images

CLASSES = ('cat', 'dog', 'cow')


def coco_ap(images, masks=False):
    """Evaluate with the metric of tests, which is faster-coco-eval's, each image as one of its own."""
    metric = CocoAP(('segm',) if masks else ('bbox',))
    metric.dataset_meta = {'classes': CLASSES, 'category_ids': [1, 2, 3]}
    for number, image in enumerate(images):
        truth = image.truth
        instances = [
            {'bbox': box.tolist(), 'bbox_label': int(label), 'ignore_flag': int(crowd), 'area': float(area)}
            for box, label, crowd, area in zip(truth.boxes, truth.labels, truth.crowd, truth.areas, strict=True)
        ]
        for instance, mask in zip(instances, truth.masks or [], strict=bool(truth.masks)):
            instance |= {} if mask is None else {'mask': mask}
        predicted = InstanceData(
            bboxes=torch.tensor(image.boxes), scores=torch.tensor(image.scores), labels=torch.tensor(image.labels)
        )
        if masks:
            predicted.masks = torch.tensor(np.array([decode_mask(mask, image.size) for mask in image.masks]))
        sample = {'img_id': number, 'ori_shape': image.size, 'instances': instances, 'pred_instances': predicted}
        metric.process({}, [sample])
    return metric.evaluate(len(images)), metric.per_class


@pytest.mark.parametrize('masks', [False, True])
def test_ap_is_that_of_faster_coco_eval(masks):
    images = random_images(12, 3, seed=int(masks), masks=masks)
    prefix = 'mask' if masks else 'box'
    overlaps = overlaps_of(images, masks)
    whole, *sizes = (
        match_objects(images, overlaps, 3, masks=masks, **options)
        for options in ({}, *({'within': one} for one in SIZES.values()))
    )
    measure = average_precision_measure(whole, CLASSES, prefix, dict(zip('sml', sizes, strict=True)))
    expected, per_class = coco_ap(images, masks)
    values = dict(zip(measure.quantities, measure.values(), strict=True))
    ours = {quantity.metric: value for quantity, value in values.items() if quantity.class_name is None}
    assert {name: value for name, value in ours.items() if not np.isnan(value)} == pytest.approx(
        {name: value for name, value in expected.items() if name != 'images'}, abs=1e-9
    )
    assert expected[f'{prefix}_APs'] > 1 and expected[f'{prefix}_AP75'] > 1  # not all 0
    assert {quantity.class_name: value for quantity, value in values.items() if quantity.class_name} == pytest.approx(
        {name: entry[f'{prefix}_AP'] for name, entry in per_class.items()}, abs=1e-9
    )


def test_in_an_image_of_more_than_a_hundred_objects_as_many_predictions_count():
    boxes = [(x, y, x + 8, y + 8) for x in range(0, 140, 10) for y in range(0, 110, 10)]
    scores = np.linspace(0.9, 0.1, len(boxes) + 20).round(3).tolist()
    predicted = [((0, 0, 150, 110), 0, score) for score in scores[:20]]
    predicted += [(box, 0, score) for box, score in zip(boxes, scores[20:], strict=True)]
    crowded = detected_image([(box, 0) for box in boxes], predicted)
    images = [crowded, *random_images(5, 3, seed=1)]
    expected = coco_ap(images)[0]
    ap, ap50, ap75, *_ = average_precision_measure(matches_of(images, 3), CLASSES, 'box').values()
    assert (ap, ap50, ap75) == pytest.approx(tuple(expected[f'box_{name}'] for name in ('AP', 'AP50', 'AP75')))
    assert len(boxes) == 154 and len(matches_of([crowded]).scores) == 154


def test_of_equally_good_objects_the_last_is_found():
    first, second, between = (0, 0, 20, 20), (10, 0, 30, 20), (5, 0, 25, 20)
    found = []
    for true in ([(first, 0), (second, 0)], [(second, 0), (first, 0)]):
        images = [detected_image(true, [(between, 0, 0.9), (first, 0, 0.8)])]
        found.append(average_precision_measure(matches_of(images, 3), CLASSES, 'box').values()[1])
        assert found[-1] == pytest.approx(coco_ap(images)[0]['box_AP50'])
    assert found == pytest.approx([100, 100 * 51 / 101])


def test_a_resample_is_what_a_data_set_of_copies_gives():
    images = random_images(10, 3, seed=3, ties=False)  # copies that follow each other, though all have the same scores
    times = np.random.default_rng(0).integers(0, 4, len(images))
    copies = [image for image, n in zip(images, times, strict=True) for _ in range(n)]
    expected, per_class = coco_ap(copies)
    assert times.tolist().count(0) and times.max() == 3
    measure = average_precision_measure(matches_of(images, 3), CLASSES, 'box')
    ap, ap50, ap75, *of_class = measure.compute(np.stack([np.ones(10, np.int64), times]))[1]
    assert (ap, ap50, ap75) == pytest.approx(tuple(expected[f'box_{name}'] for name in ('AP', 'AP50', 'AP75')))
    assert of_class == pytest.approx([per_class[name]['box_AP'] for name in CLASSES])


def test_a_class_without_objects_has_no_ap_and_one_without_predictions_0():
    images = [detected_image([((0, 0, 10, 10), 0)], [((0, 0, 10, 10), 1, 0.9)])]
    assert AveragePrecision(matches_of(images)).by_class().tolist() == pytest.approx([0, np.nan], nan_ok=True)
    for nothing in ([detected_image()], []):
        measure = average_precision_measure(matches_of(nothing), ('a', 'b'), 'box')
        assert np.isnan(measure.values()).all()


def test_aspect_ratios_count_objects_of_their_shape_only():
    tall, wide = (0, 0, 10, 40), (60, 0, 100, 10)
    images = [detected_image([(tall, 0), (wide, 0)], [(tall, 0, 0.5), ((60, 40, 100, 50), 0, 0.9)])]
    overlaps = overlaps_of(images)
    values = {
        name: AveragePrecision(match_objects(images, overlaps, 1, within=within)).by_class()[0]
        for name, within in ASPECTS.items()
    }
    assert values == pytest.approx({'tall': 1.0, 'square': np.nan, 'wide': 0.0}, nan_ok=True)


@pytest.mark.faults
def test_intervals_of_a_difference_hold_it_about_as_often_as_stated():
    """40 small data sets, and the difference that two detectors have on a large one."""
    large = [average_precision_measure(matches_of(run, 3), CLASSES, 'box').values()[0] for run in two_runs(8000, 99)]
    held = []
    for seed in range(40):
        runs = (average_precision_measure(matches_of(run, 3), CLASSES, 'box') for run in two_runs(50, seed))
        difference = paired_bootstrap(*runs, resamples=100)[0]
        held.append(difference.low <= large[1] - large[0] <= difference.high)
    assert 3 < large[1] - large[0] < 12
    assert np.mean(held) >= 0.8


def two_runs(count, seed):
    """Draw the predictions of two detectors for the same images, of which the second is better."""
    rng = np.random.default_rng(seed)
    runs = ([], [])
    for _ in range(count):
        boxes, hard = random_boxes(rng, int(rng.integers(1, 7))), rng.random()
        true = list(zip(boxes, rng.integers(0, 3, len(boxes)).tolist(), strict=True))
        for run, noise in zip(runs, (1, 0.8), strict=True):
            shift = rng.normal(0, noise * (1 + 3 * hard), boxes.shape)
            predicted = [
                (box + move, label, rng.beta(5, 2))
                for (box, label), move in zip(true, shift, strict=True)
                if rng.random() < 1 - 0.5 * hard * noise
            ]
            predicted += [(box, int(rng.integers(0, 3)), rng.beta(2, 5)) for box in random_boxes(rng, 4)]
            run.append(detected_image(true, predicted))
    return runs


def test_intervals_of_ap_hold_it_and_are_reproducible():
    images = random_images(30, 3, seed=5)
    measure = average_precision_measure(matches_of(images, 3), CLASSES, 'box')
    first, second = bootstrap(measure, 50), bootstrap(measure, 50)
    assert first == second
    assert first[0].quantity.metric == 'box_AP' and first[0].low < first[0].value < first[0].high
    assert 2 < first[0].high - first[0].low < 40


def test_resamples_are_what_interpolation_of_each_gives():
    """Each resample by sorting and counting plainly, at all thresholds, with crowds and sizes that don't count."""
    images = random_images(25, 2, seed=8, ties=False)
    for within in ({}, {'within': SIZES['small']}):
        matches = matches_of(images, 2, **within)
        times = np.random.default_rng(0).multinomial(25, np.full(25, 1 / 25), 20)
        values = AveragePrecision(matches).resampled(times)
        for row, count in enumerate(times):
            for label in (0, 1):
                objects = int(count @ matches.objects[:, label])
                for number in range(10):
                    found, predicted = [], []
                    for i in np.flatnonzero(matches.labels == label):
                        weight = int(count[matches.images[i]])
                        if not matches.ignored[number, i]:
                            found += [matches.found[number, i]] * weight
                    ranks, right = np.arange(1, len(found) + 1), np.cumsum(found)
                    predicted = [(right[ranks >= 1] / ranks)[right / objects >= r] for r in np.linspace(0, 1, 101)]
                    expected = np.mean([part.max(initial=0) for part in predicted]) if objects else np.nan
                    assert values[row, number, label] == pytest.approx(expected, nan_ok=True)
    groups = {name[0]: matches_of(images, 2, within=one) for name, one in SIZES.items()}
    expected = average_precision_measure(matches_of(images, 2), CLASSES[:2], 'box', groups).values()[3:6]
    measure = group_precision_measure(groups, 'box')
    assert measure.values() == pytest.approx(expected, nan_ok=True)
    assert [quantity.metric for quantity in measure.quantities] == ['box_APs', 'box_APm', 'box_APl']
