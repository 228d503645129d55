"""Every kind of error by hand, and its cost by fixing the data set itself and evaluating it with faster-coco-eval."""

import dataclasses

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from convnext_dense.diagnosis.detection_confusion import detection_confusion
from convnext_dense.diagnosis.detection_errors import KINDS, error_costs, find_errors
from convnext_dense.evaluation import CocoAP
from tests.helpers.detected_images import detected_image, ellipse, matches_of, overlaps_of, random_images

BOX, OTHER, NOWHERE = (0, 0, 20, 20), (40, 0, 60, 20), (100, 80, 120, 100)
SHIFTED = (0, 0, 20, 50)  # IoU 0.4 with BOX
FAR = (0, 0, 20, 250)  # IoU 0.08 with BOX


def errors_of(*images):
    return find_errors(images, overlaps_of(images), matches_of(images))


def costs_of(*images):
    return error_costs(images, matches_of(images), errors_of(*images))


@pytest.mark.parametrize(
    ('kind', 'true', 'predicted', 'truth', 'iou', 'missed'),
    [
        ('class', [(BOX, 0)], (BOX, 1), 0, 1.0, False),
        ('location', [(BOX, 0)], (SHIFTED, 0), 0, 0.4, False),
        ('both', [(BOX, 0)], (SHIFTED, 1), 0, 0.4, True),
        ('background', [(BOX, 0)], (NOWHERE, 0), None, 0.0, True),
        ('background', [(BOX, 0)], (FAR, 0), None, 0.0, True),
        ('background', [(BOX, 0)], (FAR, 1), None, 0.0, True),
        ('location', [(BOX, 1), (SHIFTED, 0)], (BOX, 0), 1, 0.4, True),  # goes before that of class
        ('class', [(SHIFTED, 1), (OTHER, 0)], (SHIFTED, 0), 0, 1.0, True),
    ],
)
def test_a_wrong_prediction_has_one_kind_and_its_object_is_missed_or_not(kind, true, predicted, truth, iou, missed):
    first, *rest = errors_of(detected_image(true, [(*predicted, 0.5)]))
    assert (first.kind, first.prediction, first.truth, first.score) == (kind, 0, truth, 0.5)
    assert first.iou == pytest.approx(iou)
    assert [error.kind for error in rest] == ['missed'] * missed


def test_the_second_prediction_of_an_object_is_a_duplicate():
    image = detected_image([(BOX, 0)], [((0, 0, 20, 19), 0, 0.9), (BOX, 0, 0.5)])
    (error,) = errors_of(image)
    assert (error.kind, error.prediction, error.truth, error.iou) == ('duplicate', 1, 0, 1)


def test_missed_objects_come_last_the_largest_first_and_crowds_are_none():
    large = (20, 20, 90, 90)
    image = detected_image(
        [(BOX, 0), (large, 0), ((100, 0, 150, 50), 0)], [(NOWHERE, 1, 0.2), (NOWHERE, 0, 0.3)], [False, False, True]
    )
    errors = errors_of(image)
    assert [(error.kind, error.truth, error.prediction) for error in errors] == [
        ('background', None, 1),
        ('background', None, 0),
        ('missed', 1, None),
        ('missed', 0, None),
    ]


def test_predictions_on_crowds_are_no_errors():
    assert errors_of(detected_image([((0, 0, 50, 50), 0)], [(BOX, 0, 0.9)], [True])) == []
    # One of another class is on the background, since crowds are no objects.
    assert [e.kind for e in errors_of(detected_image([((0, 0, 50, 50), 0)], [(BOX, 1, 0.9)], [True]))] == [
        'background'
    ]


def test_where_masks_are_compared_an_object_without_one_is_not_missed():
    image = detected_image([(BOX, 0), (OTHER, 0)])
    masks = [None, ellipse(np.array(OTHER))]
    image = dataclasses.replace(image, masks=[], truth=dataclasses.replace(image.truth, masks=masks))
    matches, overlaps = matches_of([image], masks=True), overlaps_of([image], masks=True)
    assert [error.truth for error in find_errors([image], overlaps, matches, masks=True)] == [1]
    assert matches.objects.tolist() == [[1, 0]]
    assert detection_confusion([image], overlaps, 2, 0.5, masks=True).matrix().tolist()[0] == [0, 0, 1]
    assert [error.truth for error in errors_of(image)] == [0, 1]


def costs(image):
    found = costs_of(image)
    return {kind: found.mean(found.by_kind[kind]) for kind in KINDS if np.nansum(found.by_kind[kind])}


def test_costs_of_each_kind_alone():
    """A right prediction of two objects, and above it one that is wrong: AP 0.5 x 0.5 until it is fixed."""
    true, right = [(BOX, 0), (OTHER, 0)], (OTHER, 0, 0.5)
    half, all_recalls = 51 / 101, 1  # 51 of 101 recalls up to 1 / 2
    base = half * 0.5
    assert costs(detected_image(true, [(NOWHERE, 0, 0.9), right])) == pytest.approx(
        {'background': half - base, 'missed': 0.5 - base}
    )
    assert costs(detected_image(true, [(SHIFTED, 0, 0.9), right])) == pytest.approx({'location': all_recalls - base})
    assert costs(detected_image([*true, (NOWHERE, 1)], [(NOWHERE, 0, 0.9), right])) == pytest.approx(
        {'class': (half + 1) / 2 - base / 2, 'missed': (0.5 - base) / 2}
    )
    twice = [(OTHER, 0, 0.9), (OTHER, 0, 0.8), (BOX, 0, 0.5)]
    assert costs(detected_image(true, twice)) == pytest.approx({'duplicate': 1 - (51 + 50 * 2 / 3) / 101})
    assert costs(detected_image([*true, (NOWHERE, 1)], [((100, 80, 120, 130), 0, 0.9), right])) == pytest.approx(
        {'both': (half - base) / 2, 'missed': (0.5 - base + 1) / 2}
    )


def test_all_found_or_nothing_wrong():
    found = costs_of(detected_image([(BOX, 0), (OTHER, 0)], [(NOWHERE, 0, 0.9), (OTHER, 0, 0.5)]))
    assert found.by_class[0] == pytest.approx(51 / 101 / 2)
    assert found.false_positives[0] == pytest.approx(51 / 101 / 2)
    assert found.false_negatives[0] == pytest.approx(1 / 2 - 51 / 101 / 2)


def test_a_class_that_mending_leaves_empty_is_perfect_and_one_with_predictions_alone_is_not():
    nothing = costs_of(detected_image([(BOX, 0)]))
    assert (nothing.by_class[0], nothing.by_kind['missed'][0], nothing.false_negatives[0]) == (0, 1, 1)
    wrong = costs_of(detected_image([(BOX, 0)], [(NOWHERE, 0, 0.9)]))
    assert {kind: value[0] for kind, value in wrong.by_kind.items() if value[0]} == {}
    assert np.isnan(nothing.by_class[1]) and nothing.mean(nothing.by_kind['missed']) == 1


def test_without_images_or_predictions_there_are_no_errors_but_missed_objects():
    assert errors_of() == []
    assert np.isnan(costs_of().by_class).all()
    assert [error.kind for error in errors_of(detected_image([(BOX, 0)]), detected_image())] == ['missed']


@pytest.mark.parametrize('seed', range(4))
def test_costs_are_the_gain_of_a_data_set_that_is_mended(seed):
    images = random_images(14, 2, seed)
    errors, found = errors_of(*images), costs_of(*images)
    base = ap50(images)
    assert found.by_class == pytest.approx(base)
    assert {error.kind for error in errors} == set(KINDS)
    for kind in KINDS:
        gain = ap50(fixed(images, [error for error in errors if error.kind == kind])) - base
        assert found.by_kind[kind] == pytest.approx(gain), kind
        assert gain.min() > -1e-9 and (kind == 'both' or gain.max() > 0)
    wrong = [error for error in errors if error.prediction is not None]
    removed = [dataclasses.replace(error, kind='background') for error in wrong]
    assert found.false_positives == pytest.approx(ap50(fixed(images, removed)) - base)
    at = matches_of(images).at(0.5)
    found_objects = set(zip(at.images.tolist(), at.partners[0].tolist(), strict=True))
    lost = [
        dataclasses.replace(errors[0], kind='missed', image=number, prediction=None, truth=truth)
        for number, image in enumerate(images)
        for truth in np.flatnonzero(~image.truth.crowd).tolist()
        if (number, truth) not in found_objects
    ]
    assert found.false_negatives == pytest.approx(ap50(fixed(images, lost)) - base)


def fixed(images, errors):
    """Change the images themselves: take predictions and objects away, or move predictions to their objects."""
    at = matches_of(images).at(0.5)
    taken = set(zip(at.images.tolist(), at.partners[0].tolist(), strict=True))
    new = []
    for number, image in enumerate(images):
        boxes, labels = image.boxes.copy(), image.labels.copy()
        kept, objects = np.ones(len(labels), bool), np.ones(len(image.truth), bool)
        for error in sorted((e for e in errors if e.image == number), key=lambda e: -e.score):
            if error.kind == 'missed':
                objects[error.truth] = False
            elif error.kind in ('class', 'location') and (number, error.truth) not in taken:
                taken.add((number, error.truth))
                boxes[error.prediction] = image.truth.boxes[error.truth]
                labels[error.prediction] = image.truth.labels[error.truth]
            else:
                kept[error.prediction] = False
        truth = dataclasses.replace(
            image.truth, **{f: getattr(image.truth, f)[objects] for f in ('boxes', 'labels', 'crowd', 'areas')}
        )
        new.append(
            dataclasses.replace(image, boxes=boxes[kept], labels=labels[kept], scores=image.scores[kept], truth=truth)
        )
    return new


def ap50(images):
    metric = CocoAP(('bbox',))
    metric.dataset_meta = {'classes': ('cat', 'dog'), 'category_ids': [1, 2]}
    for number, image in enumerate(images):
        truth = image.truth
        rows = zip(truth.boxes.tolist(), truth.labels, truth.crowd, truth.areas, strict=True)
        instances = [dict(bbox=b, bbox_label=int(k), ignore_flag=int(c), area=float(a)) for b, k, c, a in rows]
        predicted = InstanceData(
            bboxes=torch.tensor(image.boxes), scores=torch.tensor(image.scores), labels=torch.tensor(image.labels)
        )
        sample = {'img_id': number, 'ori_shape': image.size, 'instances': instances, 'pred_instances': predicted}
        metric.process({}, [sample])
    metric.evaluate(len(images))
    return np.array([metric.per_class[name]['box_AP50'] / 100 for name in ('cat', 'dog')])
