"""Names that tell a split."""

from pathlib import Path

import pytest

from convnext_dense.data.formats.split_folders import find_split_folders, split_named, splits_in
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('name', 'split'),
    [('Train', 'train'), ('valid', 'val'), (' VALIDATION ', 'val'), ('testing', 'test'), ('trains', None), ('', None)],
)
def test_names(name, split):
    assert split_named(name) == split


def test_parts_of_a_path_name_splits():
    assert splits_in(Path('images/Train/cats')) == {'train'}
    assert splits_in(Path('images')) == set()


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
