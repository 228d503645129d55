import numpy as np
import pytest

from convnext_dense.diagnosis.matching import SIZES
from convnext_dense.io.coco_format import IGNORE_REGION
from tests.helpers.detected_images import detected_image, matches_of

BOX = (0, 0, 20, 20)


def partners(image, **options):
    """Return the partner of each prediction in the image's order, and whether it is ignored."""
    matches = matches_of([image], thresholds=(0.5,), **options)
    found, ignored = np.full(len(image), -9), np.zeros(len(image), bool)
    found[matches.predictions], ignored[matches.predictions] = matches.partners[0], matches.ignored[0]
    return found.tolist(), ignored.tolist()


def test_the_highest_score_finds_the_object_and_others_do_not():
    image = detected_image([(BOX, 0)], [((0, 0, 20, 16), 0, 0.4), ((0, 0, 20, 12), 0, 0.6), (BOX, 1, 0.9)])
    assert partners(image) == ([-1, 0, -1], [False, False, False])


def test_each_threshold_has_matches_of_its_own():
    image = detected_image([(BOX, 0)], [((0, 0, 20, 12), 0, 0.9), (BOX, 0, 0.5)])
    matches = matches_of([image], thresholds=(0.5, 0.75))
    assert matches.partners.tolist() == [[0, -1], [-1, 0]]
    assert matches.at(0.75).partners.tolist() == [[-1, 0]]
    with pytest.raises(ValueError, match=r'IoU 0\.6'):
        matches.at(0.6)


def test_crowds_and_ignore_regions_take_any_number_of_predictions_out():
    image = detected_image(
        [((0, 0, 50, 50), 0), ((60, 0, 110, 50), IGNORE_REGION), (BOX, 0)],
        [(BOX, 0, 0.9), ((1, 0, 20, 20), 0, 0.8), ((25, 25, 40, 40), 0, 0.7), ((60, 0, 70, 9), 1, 0.6), (BOX, 1, 0.5)],
        crowd=[True, True, False],
    )
    assert partners(image) == ([2, 0, 0, 1, -1], [False, True, True, True, False])
    assert matches_of([image]).objects.tolist() == [[1, 0]]


def test_outside_of_a_range_neither_objects_nor_predictions_count():
    large = (0, 0, 100, 100)
    image = detected_image(
        [(BOX, 0), (large, 0)],
        [(large, 0, 0.9), ((0, 0, 30, 30), 0, 0.8), (BOX, 0, 0.7), ((60, 60, 160, 120), 0, 0.6)],
    )
    assert partners(image, within=SIZES['small']) == ([1, -1, 0, -1], [True, False, False, True])
    assert matches_of([image], within=SIZES['small']).objects.tolist() == [[1, 0]]


def test_a_hundred_predictions_of_a_class_count_in_an_image():
    image = detected_image([(BOX, 0)], [((60, 60, 70, 70), 0, 0.9)] * 100 + [(BOX, 0, 0.8), (BOX, 1, 0.1)])
    matches = matches_of([image])
    assert [np.count_nonzero(matches.labels == label) for label in (0, 1)] == [100, 1]
    assert (matches.partners == -1).all()


def test_predictions_are_sorted_by_class_score_and_image():
    images = [detected_image([], [(BOX, 1, 0.5), (BOX, 0, 0.3)]), detected_image([], [(BOX, 0, 0.3), (BOX, 0, 0.7)])]
    matches = matches_of(images)
    assert matches.labels.tolist() == [0, 0, 0, 1]
    assert matches.images.tolist() == [1, 0, 1, 0]
    assert matches.predictions.tolist() == [1, 1, 0, 0]
    assert matches.scores == pytest.approx([0.7, 0.3, 0.3, 0.5])
    assert (matches.of_class(0), matches.of_class(1)) == (slice(0, 3), slice(3, 4))
