"""Folders of splits."""

import pytest

from convnext_dense.data.formats.split_folders import find_split_folders
from convnext_dense.errors import UserError


def test_folders_with_data_are_found_one_level_deeper(tmp_path):
    for name in ('images/train', 'labels/train', 'labels/val'):
        (tmp_path / name).mkdir(parents=True)
    found = find_split_folders(tmp_path, lambda folder: 'labels' in folder.parts)
    assert found == {'train': tmp_path / 'labels/train', 'val': tmp_path / 'labels/val'}
    assert find_split_folders(tmp_path, lambda folder: False) == {}


def test_two_folders_of_a_split_are_refused(tmp_path):
    (tmp_path / 'val').mkdir()
    (tmp_path / 'valid').mkdir()
    with pytest.raises(UserError, match='are both for val: move one of them away'):
        find_split_folders(tmp_path, lambda folder: True)


def test_names_with_a_year_are_of_a_split(tmp_path):
    for name in ('train2017', 'val2017', 'images'):
        (tmp_path / name).mkdir()
    found = find_split_folders(tmp_path, lambda folder: True)
    assert found == {'train': tmp_path / 'train2017', 'val': tmp_path / 'val2017'}
