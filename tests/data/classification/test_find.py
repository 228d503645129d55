"""Errors that say where an image folder lies."""

import pytest

from convnext_dense.data.classification.find import files_by_class, scan_classes
from convnext_dense.errors import NoData
from tests.helpers.layouts import touch

GOOD = ('train/cat/1.jpg', 'train/dog/2.jpg', 'val/cat/3.jpg')


@pytest.mark.parametrize(
    ('files', 'given', 'said'),
    [
        (
            GOOD,
            '',
            '{root} holds class folders in train/ and val/ one level deeper, in {root}/data: give --data {root}/d',
        ),
        (GOOD, '..', 'holds class folders in train/ and val/ two levels deeper, in .*/data: give --data'),
        (GOOD, 'data/train', '{root}/data/train is the train folder of a data set itself: .*, --data {root}/data$'),
        (GOOD, 'data/train/cat', 'is the train/cat folder of a data set itself: .*, --data {root}/data$'),
        (('Training/cat/1.jpg', 'valid/cat/1.jpg'), 'data', 'rename Training/ to train/ and valid/ to val/$'),
        (
            ('cat/1.jpg', 'dog/1.jpg'),
            'data',
            r'class folders \(cat, dog\) that are in no split: move them into {root}/data/t',
        ),
        (('annotations/instances_val2017.json',), 'data', '{root}/data holds COCO files: take a config of a detector'),
        (
            ('train/_annotations.coco.json',),
            'data',
            'has no class folders: .*; .* holds COCO files: take a config of a',
        ),
        (('images/train/1.jpg', 'annotations/train/1.png'), 'data', 'with masks: take a config of a segmentor'),
        (('notes.txt',), 'data', 'give another root with --data PATH, or take --data sample, which needs no data$'),
    ],
)
def test_an_error_says_where_the_data_lie(tmp_path, files, given, said):
    touch(tmp_path / 'own' / 'data', *files)
    with pytest.raises(NoData, match=said.format(root=tmp_path / 'own')) as error:
        scan_classes(tmp_path / 'own' / given)
    assert 'expected train/<class>/*.jpg' in str(error.value) and '\n' not in str(error.value)


def test_a_validation_folder_of_another_name_is_named(tmp_path):
    touch(tmp_path, 'train/cat/1.jpg', 'valid/cat/1.jpg')
    assert scan_classes(tmp_path) == ['cat']
    with pytest.raises(NoData, match=f'{tmp_path} holds valid/: rename valid/ to val/$'):
        files_by_class(tmp_path, 'val', ['cat'])


def test_of_several_data_sets_one_has_to_be_given(tmp_path):
    for name in ('one', 'two words'):
        touch(tmp_path / name, *GOOD)
    with pytest.raises(
        NoData, match=f'{tmp_path} holds 2 data sets .*: give one of them, such as --data {tmp_path}/one$'
    ):
        scan_classes(tmp_path)
    with pytest.raises(NoData, match=f"the folder around it, --data '{tmp_path}/two words'$"):
        scan_classes(tmp_path / 'two words' / 'val')


def test_a_relative_path_stays_relative(tmp_path, monkeypatch):
    touch(tmp_path / 'flowers' / 'data', *GOOD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoData, match=r'flowers holds .* one level deeper, in flowers/data: give --data flowers/data$'):
        scan_classes('flowers')
    with pytest.raises(NoData, match=r'the folder around it, --data flowers/data$'):
        scan_classes('flowers/data/train')
    monkeypatch.chdir(tmp_path / 'flowers' / 'data' / 'train')
    with pytest.raises(NoData, match=f'the folder around it, --data {tmp_path}/flowers/data$'):
        scan_classes('.')
