"""Label maps as objects, and objects as label maps."""

from pathlib import Path

import numpy as np
import pytest

from convnext_dense.data.formats.write.base import LabeledData, LabeledImage, LabeledObject, Target
from convnext_dense.data.formats.write.kinds import as_label_maps, as_objects
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import decode
from tests.helpers.labeled import from_mask, ring_and_island

SIZE = ImageSize(8, 10)


def label_map(labels: np.ndarray, classes: list[str]) -> tuple[LabeledData, list[LabeledObject], Target]:
    target = Target(Path())
    data = LabeledData(classes, {'train': [LabeledImage('a.png', 'a.png', ImageSize.of(labels), labels=labels)]})
    converted = as_objects(data, target)
    (image,) = converted.splits['train']
    return converted, image.objects, target


def test_each_connected_region_becomes_an_object():
    labels = np.full(SIZE, 255, np.uint8)
    labels[1:3, 1:4] = 1
    labels[5:7, 6:9] = 1
    labels[3, 4] = 1  # touches the first at a corner
    labels[6:8, 0:2] = 0
    data, objects, target = label_map(labels, ['sky', 'cat'])
    assert data.classes == ['sky', 'cat']
    assert [(one.label, one.box, one.area) for one in objects] == [
        (0, [0, 6, 2, 2], 4),
        (1, [1, 1, 4, 3], 7),
        (1, [6, 5, 3, 2], 6),
    ]
    drawn = np.zeros(SIZE, np.uint8)
    for one in objects:
        drawn[decode(one.segmentation, *SIZE)] = one.label + 1
    assert np.array_equal(drawn, np.where(labels == 255, 0, labels + 1))
    assert target.changed.lines == ['3 regions became objects']
    assert target.lost.lines == ['1 image with unlabeled pixels (nothing of them is an object)']


@pytest.mark.parametrize('name', ['background', '_background_', 'BG'])
def test_the_background_is_no_object(name):
    labels = np.zeros(SIZE, np.uint8)
    labels[2:4, 2:4] = 1
    data, objects, target = label_map(labels, [name, 'cat'])
    assert data.classes == ['cat']
    assert [(one.label, one.box) for one in objects] == [(0, [2, 2, 2, 2])]
    assert not target.lost.lines


def drawn(
    classes: list[str], *objects: LabeledObject, size: ImageSize = SIZE
) -> tuple[list[str], np.ndarray, list[str]]:
    target = Target(Path())
    data = as_label_maps(LabeledData(classes, {'train': [LabeledImage('a', 'a', size, list(objects))]}), target)
    (image,) = data.splits['train']
    return data.classes, image.labels, target.lost.lines


def rectangle(label: int, x: int, y: int, width: int, height: int, **changes) -> LabeledObject:
    polygon = [x, y, x + width, y, x + width, y + height, x, y + height]
    return LabeledObject(label, [x, y, width, height], [[float(value) for value in polygon]], **changes)


def test_small_objects_cover_large_ones_and_the_rest_is_background():
    classes, labels, lost = drawn(['cat', 'dog'], rectangle(1, 3, 3, 2, 2), rectangle(0, 1, 1, 6, 6))
    expected = np.zeros(SIZE, np.uint8)
    expected[1:7, 1:7] = 1
    expected[3:5, 3:5] = 2
    assert classes == ['background', 'cat', 'dog']
    assert np.array_equal(labels, expected)
    assert lost == ['2 objects that overlap others', '2 objects became pixels of their class']


def test_what_has_no_mask_is_unlabeled_and_never_a_rectangle():
    crowd, region = rectangle(0, 7, 0, 2, 2, is_crowd=True), rectangle(0, 0, 6, 2, 2, is_crowd=True, is_region=True)
    box = LabeledObject(1, [2.2, 1.0, 2.6, 3.0])
    _, labels, lost = drawn(['cat', 'dog'], rectangle(0, 4, 2, 2, 2), crowd, region, box)
    expected = np.zeros(SIZE, np.uint8)
    expected[0:2, 7:9] = expected[6:8, 0:2] = expected[1:4, 2:5] = 255
    expected[2:4, 4:6] = 1  # a mask is known where the box is not
    assert np.array_equal(labels, expected)
    assert lost == [
        '2 crowds or ignore regions became unlabeled',
        '1 box without a mask became unlabeled',
        '1 object became pixels of its class',
    ]


def test_a_mask_with_a_hole_keeps_it():
    mask = ring_and_island()
    _, labels, _ = drawn(['cat'], from_mask(mask), size=ImageSize.of(mask))
    assert np.array_equal(labels, mask)


@pytest.mark.parametrize('names', [['background', 'cat'], ['cat', 'Background'], ['cat', '_bg_', 'dog']])
def test_a_class_of_the_background_is_the_background(names):
    """There is one background alone, and its objects are counted."""
    own = next(label for label, name in enumerate(names) if name != 'cat')
    cat, back = rectangle(names.index('cat'), 0, 0, 2, 2), rectangle(own, 4, 2, 2, 2)
    classes, labels, lost = drawn(names, cat, back)
    assert classes == [names[own], *(name for name in names if name != names[own])]
    expected = np.zeros(SIZE, np.uint8)
    expected[0:2, 0:2] = 1
    assert np.array_equal(labels, expected)
    assert f'1 object of the class {names[own]} became the background' in lost


def test_classes_are_not_too_many():
    assert len(drawn([str(k) for k in range(254)])[0]) == 255
    with pytest.raises(
        UserError, match=r'^255 classes are more than masks of 8 bits can hold, 254 and the background'
    ):
        drawn([str(k) for k in range(255)])
