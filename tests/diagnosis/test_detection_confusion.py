import numpy as np
import pytest

from convnext_dense.diagnosis.detection_confusion import detection_confusion
from convnext_dense.io.coco_format import IGNORE_REGION
from tests.helpers.detected_images import detected_image, overlaps_of, random_images

BOX, OTHER, NOWHERE = (0, 0, 20, 20), (40, 0, 60, 20), (100, 80, 120, 100)


def confusion(*images, scores=0.5, iou=0.5):
    return detection_confusion(images, overlaps_of(images), 2, scores, iou).matrix().tolist()


def test_objects_are_found_confused_and_missed_and_the_background_is_taken_for_some():
    image = detected_image(
        [(BOX, 0), (OTHER, 0), ((80, 0, 100, 20), 1)],
        [(BOX, 0, 0.9), (OTHER, 1, 0.8), (NOWHERE, 0, 0.7), ((80, 0, 100, 20), 1, 0.4)],
    )
    assert confusion(image) == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert confusion(image, scores=[0.5, 0.4]) == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert confusion(image, scores=[0.75, 0.85]) == [[1, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_the_class_of_the_object_goes_before_a_better_box_of_another_class():
    exact, rough = (BOX, 1, 0.9), ((0, 0, 20, 15), 0, 0.6)
    assert confusion(detected_image([(BOX, 0)], [exact, rough])) == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert confusion(detected_image([(BOX, 0)], [exact])) == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert confusion(detected_image([(BOX, 0)], [exact, rough]), iou=0.8)[0] == [0, 1, 0]


def test_what_lies_on_crowds_and_ignore_regions_is_not_counted():
    image = detected_image(
        [((0, 0, 50, 50), 0), ((60, 0, 110, 50), IGNORE_REGION)],
        [(BOX, 0, 0.9), (BOX, 1, 0.9), ((60, 0, 70, 9), 1, 0.6)],
        crowd=[True, True],
    )
    assert confusion(image) == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize('seed', range(3))
def test_rows_are_all_objects(seed):
    images = random_images(6, 2, seed, ties=False)
    table = np.array(confusion(*images, scores=0.3))
    objects = np.concatenate([image.truth.labels[~image.truth.crowd] for image in images])
    assert table[:2].sum(axis=1).tolist() == np.bincount(objects, minlength=2).tolist()
    assert table[:2, :2].sum() > 0 and table[2, :2].sum() > 0 and table[2, 2] == 0
