"""Where a classification data set has its classes, and what is asked for."""

import pytest

from convnext_dense.data.classification.find import files_by_class, scan_classes
from convnext_dense.data.classification.layout import Reading
from convnext_dense.errors import NoData, UserError
from tests.helpers.layouts import touch


def test_a_class_with_the_name_of_a_split_is_asked_for(tmp_path):
    touch(tmp_path, 'bus/1.jpg', 'car/1.jpg', 'train/1.jpg')
    said = (
        r'train holds images and is beside class folders \(bus, car\): if it is a class, too, give --data-format cla'
    )
    with pytest.raises(UserError, match=said):
        scan_classes(tmp_path)
    assert scan_classes(tmp_path, Reading('classes')) == ['bus', 'car', 'train']
    assert len(files_by_class(tmp_path, 'train', ['bus', 'car', 'train'], Reading('classes')).files[2]) == 1
    touch(tmp_path / 'other', 'cat/1.jpg', 'dog/1.jpg', 'test/unknown.jpg')  # Kaggle's, without classes
    assert scan_classes(tmp_path / 'other') == ['cat', 'dog']


def test_class_folders_and_a_list_are_two_readings(tmp_path):
    touch(tmp_path, 'cat/1.jpg', 'dog/2.jpg')
    (tmp_path / 'labels.csv').write_text('image,breed\n1.jpg,persian\n2.jpg,collie\n')
    said = r'holds class folders \(cat, dog\) and a list, .*labels.csv: say which .* --data-format classes or --data-'
    with pytest.raises(UserError, match=said):
        scan_classes(tmp_path)
    assert scan_classes(tmp_path, Reading('classes')) == ['cat', 'dog']
    (tmp_path / 'cat').rename(tmp_path / 'images')
    assert scan_classes(tmp_path, Reading('list')) == ['collie', 'persian']
    with pytest.raises(
        UserError, match='--data-format yolo is not for classification: take one of folders, classes, l'
    ):
        scan_classes(tmp_path, Reading('yolo'))
    with pytest.raises(NoData, match=r'holds no list of images, such as train\.csv'):
        scan_classes(tmp_path / 'dog', Reading('list'))


def test_folders_of_other_tasks_are_no_classes(tmp_path):
    touch(tmp_path, 'images/1.jpg', 'labels/1.txt')
    with pytest.raises(NoData, match='give another root'):
        scan_classes(tmp_path)


def test_imagenets_folders_come_before_its_lists(tmp_path):
    touch(tmp_path, 'train/n01/1.jpg', 'train/n02/1.jpg', 'val/n01/2.jpg')
    (tmp_path / 'meta').mkdir()
    (tmp_path / 'meta' / 'train.txt').write_text('n01/1.jpg 5\n')
    assert scan_classes(tmp_path) == ['n01', 'n02']
    assert files_by_class(tmp_path, 'train', ['n01', 'n02']).notes == []


def yolo(root, flat=False):
    for split in ('',) if flat else ('train', 'valid'):
        for number in range(2):
            touch(root / split, f'images/{number}.jpg', 'labels/')
            (root / split / 'labels' / f'{number}.txt').write_text('0 0.5 0.5 0.2 0.2\n')
    (root / 'data.yaml').write_text('names: [a]\n' if flat else 'train: train/images\nval: valid/images\nnames: [a]\n')
    return root


@pytest.mark.parametrize('flat', [False, True])
def test_images_and_labels_of_a_detector_are_named_and_are_no_classes(tmp_path, flat):
    root = yolo(tmp_path, flat)
    for read in (scan_classes, lambda root: files_by_class(root, 'train', scan_classes(root))):
        with pytest.raises(NoData, match=r'holds boxes or masks of objects, in YOLO.*: take a config of a detector'):
            read(root)


def test_images_and_masks_are_no_classes_unless_it_is_said(tmp_path):
    for folder in ('images', 'masks'):
        touch(tmp_path / 'train' / folder, 'a.jpg')
    with pytest.raises(NoData, match=r'holds images, masks, which are no class folders.* --data-format folders'):
        scan_classes(tmp_path)
    assert scan_classes(tmp_path, Reading('folders')) == ['images', 'masks']
    touch(tmp_path, 'train/cups/a.jpg')
    assert scan_classes(tmp_path) == ['cups', 'images', 'masks']


def test_images_of_a_split_without_classes_get_advice_on_a_list(tmp_path):
    touch(tmp_path, 'train/cat.0.jpg')
    with pytest.raises(NoData, match=r'such as cat\.0\.jpg: if the names tell the classes, write a list labels\.csv'):
        scan_classes(tmp_path)
