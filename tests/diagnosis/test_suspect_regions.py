import numpy as np
import pytest

from convnext_dense.diagnosis.suspect_regions import contradicted_regions, suspect_regions

SKY, CAT, DOG = range(3)


def scene(*boxes):
    """Draw a label map of sky with boxes (left, top, right, bottom, label)."""
    labels = np.full((60, 80), SKY, np.uint8)
    for x1, y1, x2, y2, label in boxes:
        labels[y1:y2, x1:x2] = label
    return labels


def suspects(truth, predicted, sure=0.9):
    fine = scene((0, 0, 20, 20, CAT), (40, 0, 60, 20, DOG))
    usual = np.full(fine.shape, 0.8, np.float32)
    images = [
        contradicted_regions('fine.png', fine, fine, usual, 3),
        contradicted_regions('odd.png', truth, predicted, np.full(truth.shape, sure, np.float32), 3),
    ]
    return [(one.path, one.label, one.suggested, one.box, round(one.strength, 4)) for one in suspect_regions(images)]


@pytest.mark.parametrize(
    ('true', 'predicted', 'expected'),
    [
        (CAT, DOG, ('odd.png', CAT, DOG, (10, 5, 30, 35), 0.9)),  # of another class
        (SKY, DOG, ('odd.png', SKY, DOG, (10, 5, 30, 35), 0.9)),  # no label
        (CAT, SKY, ('odd.png', CAT, SKY, (10, 5, 30, 35), 0.9)),  # no object
    ],
)
def test_a_whole_region_that_is_contradicted_is_suspected(true, predicted, expected):
    box = (10, 5, 30, 35)
    assert suspects(scene((*box, true)), scene((*box, predicted))) == [expected]


def test_only_confident_predictions_contradict():
    truth, predicted = scene((10, 5, 30, 35, CAT)), scene((10, 5, 30, 35, DOG))
    assert suspects(truth, predicted, sure=0.79) == []


def test_edges_are_not_suspected_and_parts_are_less():
    truth = scene((10, 5, 30, 35, CAT))
    assert suspects(truth, scene((12, 5, 32, 35, CAT))) == []
    half = suspects(truth, scene((10, 5, 18, 35, CAT), (18, 5, 30, 35, SKY)))
    assert half == [('odd.png', CAT, SKY, (18, 5, 30, 35), round(0.9 * 0.6, 4))]


def test_small_regions_and_unlabeled_pixels_are_left_out():
    assert suspects(scene((0, 0, 3, 5, CAT)), scene()) == []
    assert len(suspects(scene((0, 0, 4, 4, CAT)), scene())) == 1
    truth = scene((10, 5, 30, 35, 255))
    assert suspects(truth, scene((10, 5, 30, 35, DOG))) == []
    image = contradicted_regions('a', truth, scene((0, 0, 80, 60, 9)), np.ones(truth.shape), 3)  # 9 is no class
    assert image.regions == [] and image.right.tolist() == [0, 0, 0]


def test_confidence_is_that_of_each_region_and_class():
    truth, predicted = (
        scene((0, 0, 10, 10, CAT), (30, 0, 40, 10, CAT)),
        scene((0, 0, 10, 10, CAT), (30, 0, 40, 10, DOG)),
    )
    confidence = np.full(truth.shape, 0.5)
    confidence[:10, :10], confidence[:10, 30:35], confidence[:10, 35:40] = 0.7, 0.2, 0.4
    image = contradicted_regions('a', truth, predicted, confidence, 3)
    assert image.right.tolist() == [60 * 80 - 200, 100, 0]
    assert image.sure.tolist() == pytest.approx([(60 * 80 - 200) * 0.5, 70, 0])
    (region,) = image.regions
    assert (region.pixels, region.share, region.confidence) == (100, 1, pytest.approx(0.3))
    assert suspect_regions([image]) == [] and suspect_regions([]) == []  # nothing is rightly predicted as a dog
