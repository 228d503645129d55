"""Label maps, read again as plain images and text, and as for training."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.formats.write import write_data_set
from convnext_dense.data.formats.write.base import LabeledData, LabeledImage
from convnext_dense.data.segmentation.masks import read_labels
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import class_names, drawn_images
from tests.helpers.labeled import convert, image

SPLITS = {'train': 'training', 'val': 'validation'}


def write(tmp_path: Path, classes: list[str], labels: np.ndarray, name: str = 'masks') -> Path:
    one = image(tmp_path / 'a.png', size=ImageSize.of(labels))
    labeled = LabeledImage(one.file, one.name, one.size, labels=labels)
    write_data_set(LabeledData(classes, {'train': [labeled]}), True, name, tmp_path / 'out')
    return tmp_path / 'out'


def test_the_drawn_label_maps_are_as_before(drawn, tmp_path):
    written = convert(drawn / 'ade20k', 'masks', tmp_path / 'out')
    assert (written.images, written.annotations, written.lost, written.changed) == (9, 9, [], [])
    names = (drawn / 'ade20k/classes.txt').read_text().splitlines()
    assert (tmp_path / 'out/classes.txt').read_text().splitlines() == ['unlabeled', *names]
    files = sorted((drawn / 'ade20k/annotations').rglob('*.png'))
    assert len(files) == 9
    for file in files:
        own = Image.open(tmp_path / 'out/annotations' / file.parent.name / file.name)
        assert own.mode == 'L' and np.array_equal(own, Image.open(file))  # 0 is unlabeled in both
        image_file = Path('images', file.parent.name, f'{file.stem}.jpg')
        assert (tmp_path / 'out' / image_file).samefile(drawn / 'ade20k' / image_file)
    labels = read_labels(tmp_path / 'out')
    assert (labels.classes, labels.reduce_zero_label) == (names, True)


def test_the_drawn_objects_are_pixels_of_their_classes(drawn, tmp_path):
    convert(drawn / 'coco', 'masks', tmp_path / 'out')
    names = class_names(drawn)
    assert (tmp_path / 'out/classes.txt').read_text().splitlines() == ['background', *names]
    for split, folder in SPLITS.items():
        for one in drawn_images(drawn, split):
            mask = np.asarray(Image.open(tmp_path / f'out/annotations/{folder}/{one.file.stem}.png'))
            counts = np.sum([thing.mask for thing in one.objects], axis=0, initial=0)
            assert np.array_equal(mask > 0, counts > 0)
            for thing in one.objects:
                alone = thing.mask & (counts == 1)
                assert (mask[alone] == names.index(thing.name) + 1).all()
    labels = read_labels(tmp_path / 'out')
    assert (labels.classes, labels.reduce_zero_label) == (['background', *names], False)


@pytest.mark.parametrize(
    'classes, expected, listed',
    [
        (['background', 'cat', 'dog'], [0, 1, 2, 255], ['background', 'cat', 'dog']),
        (['sky', 'cat', 'dog'], [1, 2, 3, 0], ['unlabeled', 'sky', 'cat', 'dog']),
    ],
)
def test_unlabeled_pixels_and_the_background(tmp_path, classes, expected, listed):
    labels = np.array([[0, 1, 2, 255]] * 3, np.uint8)
    out = write(tmp_path, classes, labels)
    assert np.array_equal(Image.open(out / 'annotations/training/a.png'), [expected] * 3)
    assert (out / 'classes.txt').read_text().splitlines() == listed
    found = read_labels(out)  # not even a class that does not occur makes it ambiguous
    assert found.classes == classes and found.first_label == expected[0]


def test_a_class_may_be_called_unlabeled(tmp_path):
    out = write(tmp_path, ['sky', 'unlabeled'], np.array([[0, 1, 255]], np.uint8))
    assert (out / 'classes.txt').read_text().splitlines() == ['_unlabeled_', 'sky', 'unlabeled']


@pytest.mark.parametrize('classes', [['background', 'cat', 'dog'], ['sky', 'cat', 'dog']])
def test_colors_are_those_of_the_list(tmp_path, classes):
    labels = np.array([[0, 1, 2, 255]] * 3, np.uint8)
    out = write(tmp_path, classes, labels, 'color_masks')
    lines = (out / 'labelmap.txt').read_text().splitlines()
    assert lines[0] == '# label:color_rgb:parts:actions'
    colors = {line.split(':')[0]: tuple(map(int, line.split(':')[1].split(','))) for line in lines[1:]}
    assert len(set(colors.values())) == len(colors) and (0, 0, 0) in colors.values()
    pixels = np.asarray(Image.open(out / 'SegmentationClass/a.png'))
    for column, name in enumerate(classes):
        assert (pixels[:, column] == colors[name]).all()
    assert (pixels[:, 3] == colors['unlabeled']).all()
    assert list(colors).index('unlabeled') == (3 if classes[0] == 'background' else 0)
    assert (out / 'ImageSets/Segmentation/train.txt').read_text() == 'a\n'
    assert (out / 'JPEGImages/a.png').is_file()


def test_as_many_classes_as_fit(tmp_path):
    labels = np.array([[0, 253, 255]], np.uint8)
    out = write(tmp_path, [f'c{k}' for k in range(254)], labels)
    assert np.array_equal(Image.open(out / 'annotations/training/a.png'), [[1, 254, 0]])
    with pytest.raises(UserError, match=r'^255 classes are more than masks of 8 bits can hold'):
        write(tmp_path / 'more', [f'c{k}' for k in range(255)], labels)
    assert not (tmp_path / 'more/out').exists()
