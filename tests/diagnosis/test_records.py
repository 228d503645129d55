"""Records of two runs are paired by image, and only if they have the same ground truth."""

import pickle

import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.records import (
    NO_LABEL,
    ClassifiedAmongMany,
    ClassifiedImage,
    DetectedImage,
    PanopticImage,
    SegmentedImage,
    TrueObjects,
    same_images,
)
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize


def classified(path: str, label: int = 0) -> ClassifiedImage:
    return ClassifiedImage(path, np.array([0.2, 0.8], np.float32), label)


def segmented(path: str, true: list[int], predicted: list[int]) -> SegmentedImage:
    return SegmentedImage(path, Confusion.count(3, np.array(true), np.array(predicted)))


def detected(**truth) -> DetectedImage:
    objects = dict(
        boxes=np.array([[0, 0, 4, 5.0]]), labels=np.array([1]), crowd=np.array([False]), areas=np.array([20.0])
    )
    nothing = np.zeros(0, np.float32)
    size = ImageSize(*truth.pop('size', (8, 9)))
    return DetectedImage('a', size, nothing.reshape(0, 4), nothing, np.zeros(0, int), TrueObjects(**(objects | truth)))


def test_pairs_are_in_the_order_of_the_first_run():
    pairs = same_images([classified(p) for p in 'cab'], [classified(p) for p in 'abc'])
    assert [(one.path, other.path) for one, other in pairs] == [('c', 'c'), ('a', 'a'), ('b', 'b')]
    assert same_images([], []) == []


@pytest.mark.parametrize(
    ('before', 'after', 'message'),
    [
        ('abc', 'ab', 'c: not in the second run, as 1 of 3 images of the other one: test both on the same data'),
        ('ab', 'abcd', 'c: not in the first run, as 2 of 4 images of the other one: test both on the same data'),
        ('aba', 'ab', 'a: 2 times in a run, in which each image counts once: test again'),
    ],
)
def test_other_images_are_refused(before, after, message):
    with pytest.raises(UserError) as error:
        same_images([classified(p) for p in before], [classified(p) for p in after])
    assert str(error.value) == message


def test_other_labels_are_refused():
    with pytest.raises(UserError) as error:
        same_images([classified(p) for p in 'ab'], [classified('a'), classified('b', 1)])
    assert str(error.value) == (
        'b: the ground truth of the two runs differs, as that of 1 of 2 images: test both on the same data'
    )
    more_classes = ClassifiedImage('a', np.ones(3, np.float32), 0)
    assert not classified('a').same_truth(more_classes)


def test_ground_truth_of_label_maps():
    assert segmented('a', [0, 0, 1], [0, 1, 1]).same_truth(segmented('a', [1, 0, 0], [2, 2, 3]))
    assert not segmented('a', [0, 0, 1], [0, 1, 1]).same_truth(segmented('a', [0, 1, 1], [0, 1, 1]))


@pytest.mark.parametrize(
    'change',
    [
        {'size': (9, 8)},
        {'boxes': np.array([[0, 0, 4, 6.0]])},
        {'labels': np.array([0])},
        {'crowd': np.array([True])},
        {'areas': np.array([19.0])},
        {'masks': [None]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_ground_truth_of_objects(change):
    assert detected().same_truth(detected()) and len(detected()) == 0 and len(detected().truth) == 1
    assert not detected(**change).same_truth(detected())


def test_ground_truth_of_masks():
    mask = {'size': [8, 9], 'counts': 'abc'}
    assert detected(masks=[mask]).same_truth(detected(masks=[dict(mask)]))
    assert not detected(masks=[mask]).same_truth(detected(masks=[mask | {'counts': 'abd'}]))


def test_panoptic_truth_is_the_same_if_pixels_and_segments_are():
    pixels = Confusion.count(2, np.array([0, 1]), np.array([0, 0]))
    image = PanopticImage('a.jpg', pixels, tallies={0: (0.8, 1, 2, 1), 1: (0.0, 0, 1, 0)})
    other = PanopticImage('a.jpg', pixels, tallies={0: (0.0, 0, 0, 2)})
    assert image.same_truth(other) and other.same_truth(image)
    assert not image.same_truth(PanopticImage('a.jpg', pixels, tallies={0: (0.0, 0, 0, 3)}))
    assert not image.same_truth(SegmentedImage('a.jpg', pixels))


def test_an_image_of_many_classes_keeps_its_highest_scores_and_the_true_one():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.full(20_000, 0.01)).astype(np.float32)
    order = np.argsort(-scores)
    image = ClassifiedAmongMany('a.jpg', scores, int(order[5000]))
    kept = image.scores
    assert kept.shape == scores.shape and kept.dtype == np.float32
    assert np.array_equal(kept[order[:100]], scores[order[:100]])
    assert kept[order[5000]] == scores[order[5000]] and not kept[order[100:5000]].any()
    assert isinstance(image, ClassifiedImage) and image.same_truth(ClassifiedImage('a.jpg', scores, int(order[5000])))
    assert len(pickle.dumps(image)) < 2000
    again = pickle.loads(pickle.dumps(image))
    assert np.array_equal(again.scores, kept) and (again.path, again.label) == (image.path, image.label)
    assert np.count_nonzero(ClassifiedAmongMany('a.jpg', scores, NO_LABEL).scores) <= 100
