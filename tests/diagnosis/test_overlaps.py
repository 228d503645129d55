import dataclasses

import numpy as np
import pytest

from convnext_dense.diagnosis.overlaps import aspect_ratios, is_crowd, object_overlaps, predicted_areas
from convnext_dense.results import decode_mask
from tests.helpers.detected_images import detected_image, ellipse, random_images


def test_boxes_are_compared_by_intersection_over_union_and_with_crowds_by_the_share_of_the_prediction():
    true, predicted = [((0, 0, 10, 10), 0), ((0, 0, 40, 40), 1)], [((5, 0, 15, 10), 1, 0.5), ((0, 0, 10, 10), 0, 0.9)]
    image = detected_image(true, predicted, crowd=[False, True])
    assert object_overlaps(image) == pytest.approx(np.array([[50 / 150, 1], [1, 1]]))
    assert object_overlaps(detected_image(true)).shape == (0, 2)
    assert object_overlaps(detected_image([], predicted)).shape == (2, 0)


def test_masks_are_compared_by_their_pixels():
    image = next(i for i in random_images(5, 2, seed=0, masks=True) if len(i.truth) > 2 and None not in i.truth.masks)
    polygon = [[10.0, 10.0, 40.0, 10.0, 40.0, 30.0, 10.0, 30.0]]
    masks = [polygon, *list(image.truth.masks)[1:-1], None]
    image = dataclasses.replace(image, truth=dataclasses.replace(image.truth, masks=masks))
    x1, y1, x2, y2 = image.truth.boxes[-1]
    box = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    true = np.array([decode_mask(mask or box, image.size) for mask in masks])
    predicted = np.array([decode_mask(mask, image.size) for mask in image.masks])
    common = (predicted[:, None] & true[None]).sum((2, 3))
    areas = predicted.sum((1, 2))[:, None]
    crowd = is_crowd(image, masks=True)
    assert crowd[-1] and list(crowd[:-1]) == list(image.truth.crowd[:-1])
    expected = common / np.where(crowd, areas, areas + true.sum((1, 2)) - common)
    assert object_overlaps(image, masks=True) == pytest.approx(expected)
    assert (common > 0).any()
    assert predicted_areas(image, masks=True).tolist() == areas.ravel().tolist()


def test_more_masks_than_a_byte_counts_are_compared():
    mask = ellipse(np.array([0, 0, 20, 20]))
    image = detected_image([((0, 0, 20, 20), 0)], [((0, 0, 20, 20), 0, 0.5)] * 300)
    truth = dataclasses.replace(image.truth, masks=[mask])
    image = dataclasses.replace(image, masks=[mask] * 300, truth=truth)
    assert object_overlaps(image, masks=True).tolist() == [[1.0]] * 300
    assert len(predicted_areas(image, masks=True)) == 300


def test_predictions_without_masks_are_not_compared_as_masks():
    with pytest.raises(ValueError, match=r'a\.jpg: predicted without masks'):
        object_overlaps(detected_image([((0, 0, 9, 9), 0)], [((0, 0, 9, 9), 0, 0.5)]), masks=True)


def test_aspect_ratios_are_widths_by_heights():
    assert aspect_ratios(np.array([[0, 0, 10, 20], [5, 5, 35, 15], [0, 0, 4, 0]])).tolist() == [0.5, 3, np.inf]
