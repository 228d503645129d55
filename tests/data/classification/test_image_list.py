"""Lists with the classes of images in a flat folder."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from convnext_dense.data.classification.find import files_by_class, scan_classes
from convnext_dense.data.classification.image_list import read_list
from convnext_dense.errors import NoData, UserError
from tests.helpers.layouts import touch

CLASSES = ['n01', 'n02', 'n03']
IMAGES = [f'ILSVRC2012_val_0000000{number}.JPEG' for number in (1, 2, 3, 4)]
LABELS = [2, 0, 2, 1]
ROWS = list(zip(IMAGES, LABELS, strict=True))


@pytest.fixture
def root(tmp_path) -> Path:
    train = [f'train/{name}/1.JPEG' for name in CLASSES]
    return touch(tmp_path / 'imagenet', *train, *(f'val/{name}' for name in IMAGES))


def lines(*columns) -> str:
    return '\n'.join(columns) + '\n'


KAGGLE = lines('ImageId,PredictionString', *(f'{i[:-5]},n0{k + 1} 8 1 9 27 n0{k + 1} 1 1 2 2 ' for i, k in ROWS))
TINY = lines(*(f'{image}\tn0{label + 1}\t0\t32\t44\t62' for image, label in ROWS))


@pytest.mark.parametrize(
    ('place', 'text'),
    [
        ('val.txt', lines(*(f'{image} {label}' for image, label in ROWS))),
        (
            'meta/val.txt',
            lines(*(f'val/{image} n0{label + 1}' for image, label in reversed(ROWS))),
        ),
        ('val/val_annotations.txt', TINY),
        ('../LOC_val_solution.csv', KAGGLE),
        ('imagenet_2012_validation_synset_labels.txt', lines(*(f'n0{label + 1}' for label in LABELS))),
        ('validation.csv', lines('file,class', *(f'{image},n0{label + 1}' for image, label in ROWS))),
    ],
)
def test_flat_validation_images_have_their_classes_from_a_list(root, place, text):
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text(text)
    assert scan_classes(root) == CLASSES
    found = files_by_class(root, 'val', CLASSES)
    assert [[Path(file).name for file in files] for files in found.files] == [
        [IMAGES[1]],
        [IMAGES[3]],
        [IMAGES[0], IMAGES[2]],
    ]
    assert found.empty == []
    [note] = found.notes
    assert note.startswith('4 images have their classes from ') and note.endswith(
        ', where 0 is n01 and 2 is n03' if place == 'val.txt' else Path(place).name
    )


def test_images_of_tiny_imagenet_lie_a_folder_deeper(tmp_path):
    touch(
        tmp_path,
        'train/n01/images/1.JPEG',
        'train/n02/images/1.JPEG',
        'val/images/val_0.JPEG',
        'val/images/val_1.JPEG',
    )
    (tmp_path / 'val' / 'val_annotations.txt').write_text('val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n')
    assert scan_classes(tmp_path) == ['n01', 'n02']
    assert files_by_class(tmp_path, 'val', ['n01', 'n02']).files == [
        [f'{tmp_path}/val/images/val_1.JPEG'],
        [f'{tmp_path}/val/images/val_0.JPEG'],
    ]


def test_the_ids_of_the_development_kit_are_those_of_its_meta_file(root):
    kit = root / 'ILSVRC2012_devkit_t12' / 'data'
    kit.mkdir(parents=True)
    (kit / 'ILSVRC2012_validation_ground_truth.txt').write_text('1\n3\n1\n2\n')  # ids in another order than the names
    with pytest.raises(UserError, match=r'are ids of meta\.mat, which is not beside it'):
        files_by_class(root, 'val', CLASSES)
    fields = [
        ('ILSVRC2012_ID', object),
        ('WNID', object),
        ('words', object),
        ('gloss', object),
        ('num_children', object),
    ]
    rows = [(1, 'n03', 'a', '', 0), (2, 'n02', 'b', '', 0), (3, 'n01', 'c', '', 0), (4, 'n09', 'of all', '', 3)]
    savemat(kit / 'meta.mat', {'synsets': np.array(rows, fields).reshape(-1, 1)})
    found = files_by_class(root, 'val', CLASSES)
    assert [[Path(file).name for file in files] for files in found.files] == [
        [IMAGES[1]],
        [IMAGES[3]],
        [IMAGES[0], IMAGES[2]],
    ]
    (kit / 'meta.mat').write_bytes(b'no matlab')
    with pytest.raises(UserError, match=r'meta\.mat cannot be read'):
        files_by_class(root, 'val', CLASSES)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'is empty'),
        ('n01\nn02\n', 'has 2 lines for 4 images: it must have one for each'),
        ('1\n2\n3\n1\n', 'has the numbers 1 to 3, which are no indices of the 3 classes, 0 to 2'),
        (
            lines(*(f'{image} {label + 1}' for image, label in ROWS)),
            'has the numbers 1 to 3, which are no',
        ),
        (lines(*(f'{image} cat' for image in IMAGES)), r'has 1 class that train does not have \(cat\): add training'),
        (
            lines(*(f'{image} n01' for image in IMAGES[:3])),
            f'has no class for 1 image of 4 in .*val .{IMAGES[3]}.: add',
        ),
        (
            lines(*(f'{i} n01' for i in [*IMAGES, *IMAGES])).replace(' n01', ' n02', 1),
            f'has two classes for {IMAGES[0]} .n02, n01',
        ),
    ],
)
def test_a_list_that_does_not_fit_is_named(root, text, said):
    (root / 'val.txt').write_text(text)
    with pytest.raises(UserError, match=f'{re.escape(str(root))}/val.txt {said}'):
        files_by_class(root, 'val', CLASSES)


def test_lines_for_absent_images_are_counted(root):
    (root / 'val.txt').write_text(lines(*(f'{image} n01' for image in [*IMAGES, 'ILSVRC2012_val_00000099.JPEG'])))
    assert files_by_class(root, 'val', CLASSES).notes[0].endswith('; 1 of its lines is for an image that is not there')


def test_flat_images_without_a_list_or_with_two_are_refused(root):
    with pytest.raises(NoData, match='val holds 4 images that are in no class folder, and no list of their classes'):
        files_by_class(root, 'val', CLASSES)
    for place in ('val.txt', 'val/val.txt'):
        (root / place).write_text('x')
    with pytest.raises(UserError, match=r'has several lists of classes .*: remove all'):
        files_by_class(root, 'val', CLASSES)


def test_a_class_of_the_name_of_a_number_is_no_index(tmp_path):
    file = tmp_path / 'val.txt'
    file.write_text('a.jpg 1\nb.jpg 7\n')
    assert read_list(file, ['a.jpg', 'b.jpg'], ['7', '1']).labels == {'a.jpg': 1, 'b.jpg': 0}
