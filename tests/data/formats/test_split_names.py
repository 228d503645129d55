"""The split that names of files and folders tell."""

from pathlib import Path

import pytest

from convnext_dense.data.formats.split_names import (
    SPLIT_NAMES,
    split_of,
    split_of_folders,
    splits_in,
    splits_of_folders,
    splits_of_path,
)


@pytest.mark.parametrize(
    ('name', 'splits'),
    [
        ('instances_train2017', 'train'),
        ('instances_Train', 'train'),
        ('trainset', 'train'),
        ('trainImages', 'train'),
        ('my_train_set', 'train'),
        ('TRAINING', 'train'),
        ('lvis_v1_val', 'val'),
        ('instances_Validation', 'val'),
        ('valid', 'val'),
        ('dev', 'val'),
        ('eval', 'val'),
        ('minival2014', 'val'),
        ('valset', 'val'),
        (' VALIDATION ', 'val'),
        ('test', 'test'),
        ('testset', 'test'),
        ('image_info_test-dev2017', 'test'),
        ('testing', 'test'),
        ('trainval', 'train val'),
        ('trainval35k', 'train val'),
        ('train_test_split', 'train test'),
        ('instances_default', ''),
        ('latest', ''),
        ('contest', ''),
        ('value', ''),
        ('device', ''),
        ('annotations', ''),
        ('2017', ''),
        ('', ''),
    ],
)
def test_names(name, splits):
    assert splits_in(name) == set(splits.split())
    assert split_of(name) == (splits if ' ' not in splits and splits else None)


@pytest.mark.parametrize(
    ('path', 'splits'),
    [
        ('valid/_annotations.coco.json', 'val'),
        ('annotations/train/a.json', 'train'),
        ('train_data/val.json', 'val'),
        ('train/x/annotations.json', 'train'),
        ('a.json', ''),
    ],
)
def test_a_name_comes_before_its_folders(path, splits):
    assert splits_of_path(Path(path)) == set(splits.split())


@pytest.mark.parametrize(
    ('path', 'splits', 'innermost'),
    [
        ('images/Train/cats', 'train', 'train'),
        ('train/x/val2017', 'train val', 'val'),
        ('trainval/images', '', None),
        ('images', '', None),
        ('.', '', None),
    ],
)
def test_folders_tell_splits(path, splits, innermost):
    assert splits_of_folders(Path(path)) == set(splits.split())
    assert split_of_folders(Path(path)) == innermost


def test_listed_names_tell_their_split():
    assert all(split_of(name) == split for split, names in SPLIT_NAMES.items() for name in names)
