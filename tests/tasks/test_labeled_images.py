"""Predictions as labeled images."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Classification, Detection, Segmentation
from convnext_dense.tasks import TASKS
from convnext_dense.tasks.labeled_images import with_label_map, with_objects
from tests.helpers.drawn_truth import decode
from tests.helpers.labeled import SIZE, ring_and_island


def detection(masks: np.ndarray | None) -> Detection:
    boxes = np.array([[1, 2, 11, 22], [5, 5, 50, 36.5], [0, 0, 9, 9]], np.float32)
    scores = np.array([0.9, 0.75, 0.5], np.float32)
    return Detection('in/a.jpg', SIZE, boxes, scores, np.array([1, 0, 1]), masks, ['cat', 'dog'], [5, 9])


def test_detections_are_objects_with_scores():
    masks = np.zeros((3, *SIZE), bool)
    masks[0, 2:22, 1:11] = True
    masks[1] = ring_and_island()
    labeled = with_objects(detection(masks))
    assert (labeled.file, labeled.name, labeled.size, labeled.labels) == ('in/a.jpg', 'a.jpg', SIZE, None)
    assert [one.label for one in labeled.objects] == [1, 0, 1]
    assert [one.box for one in labeled.objects] == [[1, 2, 10, 20], [5, 5, 45, 31.5], [0, 0, 9, 9]]
    assert [one.score for one in labeled.objects] == pytest.approx([0.9, 0.75, 0.5])
    assert all(one.is_object for one in labeled.objects)
    first, second, empty = labeled.objects
    assert isinstance(first.segmentation, list) and isinstance(second.segmentation, dict)  # the latter has a hole
    for one, mask in ((first, masks[0]), (second, masks[1])):
        assert np.array_equal(decode(one.segmentation, *SIZE), mask) and one.area == mask.sum()
    assert empty.segmentation is None


def test_boxes_have_no_masks():
    assert {one.segmentation for one in with_objects(detection(None)).objects} == {None}


def test_a_segmentation_is_a_label_map():
    labels = np.array([[0, 1, 255]] * 2, np.uint8)
    labeled = with_label_map(Segmentation('b.png', labels, ['sky', 'cat'], np.zeros((2, 3), np.uint8), 1))
    assert np.array_equal(labeled.labels, labels) and labeled.size == ImageSize(2, 3) and not labeled.objects


def test_what_is_no_annotation():
    with pytest.raises(UserError, match='predicts nothing with a position in the image'):
        TASKS['classification'].labeled_image(
            Classification('a.jpg', np.array([0.5, 0.5], np.float32), ['cat', 'dog'])
        )
    with pytest.raises(UserError, match='the detector predicts no masks'):
        TASKS['detection'].labeled_image(detection(None), needs_masks=True)
