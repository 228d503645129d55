"""The check of the data before the first step."""

from types import SimpleNamespace

import pytest
from PIL import Image

from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.engine.hooks.data_check import check_headers, describe_dataset
from convnext_dense.errors import UserError
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder

LOAD = [dict(type='convnext_dense.LoadImage')]


def test_coco(tmp_path):
    data = coco_files.content()
    data['categories'].append({'id': 50, 'name': 'gray'})
    file, folder = coco_files.write(tmp_path, data)
    dataset = CocoDataset(str(file), str(folder), LOAD)
    # red 2, green 1 and a crowd, blue 2, gray none
    assert describe_dataset(dataset) == (
        '4 images, 4 classes of 0 (gray) to 2 (red) annotations in the file; without an example: gray'
    )
    check_headers(dataset)
    Image.new('RGB', (coco_files.HEIGHT, coco_files.WIDTH)).save(folder / '001.png')
    with pytest.raises(
        UserError, match=r'001.png .it is 80 x 60, its annotations say 60 x 80, height x width.: .*--on-bad-image skip'
    ):
        check_headers(dataset)
    (folder / '001.png').write_bytes(b'')
    with pytest.raises(UserError, match=r'001.png .it has zero bytes'):
        check_headers(dataset)


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        ([500], '500 images, 1 class (a) of 500 things'),
        ([250, 250], '500 images, 2 classes of 250 things'),
        ([1, 499], '500 images, 2 classes of 1 (a) to 499 (b) things'),
        ([0, 500], '500 images, 2 classes of 0 (a) to 500 (b) things; without an example: a'),
        ([0], '500 images, 1 class (a) of 0 things; without an example: a'),
    ],
)
def test_classes_of_the_same_number_are_not_a_range(counts, expected):
    sized = type('Sized', (SimpleNamespace,), {'__len__': lambda self: 500})
    dataset = sized(metainfo={'classes': 'abc'[: len(counts)]}, class_counts=counts, counted_units='things')
    assert describe_dataset(dataset) == expected


def test_masks(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    dataset = MaskFolder(str(write_mask_folder(tmp_path / 'data')), 'training', LOAD)
    assert describe_dataset(dataset) == '4 images, 5 classes'
    (tmp_path / 'data' / 'images' / 'training' / '03.png').unlink()
    with pytest.raises(UserError, match=r'03.png .No such file'):
        check_headers(dataset)
