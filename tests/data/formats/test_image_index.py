"""Images that are found in a data set's folder."""

from pathlib import Path

import pytest

from convnext_dense.data.formats.image_index import ImageIndex
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch


def index(root: Path, *files: str, annotations: str = 'annotations') -> ImageIndex:
    touch(root, *files)
    return ImageIndex(root, root / annotations)


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('b.jpg', 'x/b.jpg'),
        ('deep/b.jpg', 'x/b.jpg'),
        ('y/a.jpg', 'y/a.jpg'),
        ('/data/y/a.jpg', 'y/a.jpg'),
        ('C:\\data\\y\\a.jpg', 'y/a.jpg'),
        ('a.jpg', None),  # of several
        ('z/a.jpg', None),
        ('c.jpg', None),
        ('', None),
        ('..', None),
        ('b.jpg/', 'x/b.jpg'),
        ('\0', None),
    ],
)
def test_the_longest_end_of_a_path_decides(tmp_path, name, file):
    assert index(tmp_path, 'x/a.jpg', 'y/a.jpg', 'x/b.jpg').find(name, [tmp_path / 'annotations']) == file


def test_folders_are_tried_in_their_order(tmp_path):
    images = index(tmp_path, 'x/a.jpg', 'y/a.jpg')
    assert images.find('a.jpg', [tmp_path / 'y', tmp_path / 'x']) == 'y/a.jpg'
    assert images.find('A.JPG', [tmp_path / 'y', tmp_path / 'x']) == 'y/a.jpg'


def test_an_image_of_another_split_is_never_taken(tmp_path):
    images = index(tmp_path, 'train/a.jpg', annotations='json/val')
    assert images.find('a.jpg', [tmp_path / 'json/val', tmp_path / 'train']) is None
    assert images.find('train/a.jpg', [tmp_path]) == 'train/a.jpg'  # as written
    assert index(tmp_path, annotations='json/train').find('a.jpg', [tmp_path]) == 'train/a.jpg'


def test_an_absolute_path_of_this_machine_is_taken(tmp_path):
    touch(tmp_path, 'elsewhere/a.jpg')
    images = index(tmp_path / 'data', 'a.jpg')
    assert images.find(str(tmp_path / 'elsewhere/a.jpg'), [tmp_path / 'data']) == '../elsewhere/a.jpg'
    assert images.find(str(tmp_path / 'gone/a.jpg'), [tmp_path / 'data']) == 'a.jpg'


def test_images_are_found_by_their_stem(tmp_path):
    images = index(tmp_path, 'x/a.jpg', 'y/a.png', 'y/b.png')
    assert images.find_stem('a', [tmp_path / 'y']) == 'y/a.png'
    assert images.find_stem('b', [tmp_path / 'x']) == 'y/b.png'
    assert images.find_stem('c', [tmp_path / 'x']) is None


def test_the_names_of_absent_images_are_listed(tmp_path):
    images = index(tmp_path)
    images.check(3)
    images.note_absent('a.jpg', 'b.json')
    with pytest.raises(UserError, match=r'^1 image of 3 not found in .*\(a.jpg of b.json\)'):
        images.check(3)
