"""The file that a name in a list is of, and splits in names."""

import pytest

from convnext_dense.data.classification.image_names import Images, split_of
from tests.helpers.layouts import touch


def test_the_end_of_a_path_counts_where_one_file_has_it(tmp_path):
    touch(tmp_path, 'train/1.jpg', 'test/1.jpg', 'train/2.PNG', 'deep/a/3.jpg', 'deep/b/3.jpg', 'cat/4.jpg')
    names = {
        '1': 'train/1.jpg',  # of two, the one of the split
        'test/1.jpg': 'test/1.jpg',
        '2.png': 'train/2.PNG',
        'D:\\kaggle\\input\\2.png': 'train/2.PNG',
        'https://x.org/train/2.png': 'train/2.PNG',
        '3.jpg': None,  # of two, neither is meant for sure
        'b/3.jpg': 'deep/b/3.jpg',
        'c/3.jpg': None,
        '4': 'cat/4.jpg',
        'dog/4.jpg': None,  # a class, not only a place
        '/home/me/cat/4.jpg': 'cat/4.jpg',
        '': None,
        '..': None,
    }
    found = Images(tmp_path, 'train').match(list(names))
    assert found == {name: path and f'{tmp_path}/{path}' for name, path in names.items()}
    assert Images(tmp_path, 'train').beside([f'{tmp_path}/deep/a/3.jpg', f'{tmp_path}/train/1.jpg']) == ['train/2.PNG']


@pytest.mark.parametrize(
    ('name', 'split'),
    [
        ('train', 'train'),
        ('trainLabels', 'train'),
        ('train_labels', 'train'),
        ('labels-val', 'val'),
        ('Valid', 'val'),
        ('validation_list', 'val'),
        ('test_images', 'test'),
        ('labels', None),
        ('restrain', None),
        ('sample_submission', None),
    ],
)
def test_splits_in_names(name, split):
    assert split_of(name) == split
