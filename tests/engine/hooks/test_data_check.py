"""The check of the data before the first step."""

import logging
from types import SimpleNamespace

import pytest
from PIL import Image

from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.engine.hooks.data_check import DataCheck, check_headers, describe_dataset
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


def test_masks(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    dataset = MaskFolder(str(write_mask_folder(tmp_path / 'data')), 'training', LOAD)
    assert describe_dataset(dataset) == '4 images, 5 classes'
    (tmp_path / 'data' / 'images' / 'training' / '03.png').unlink()
    with pytest.raises(UserError, match=r'03.png .No such file'):
        check_headers(dataset)


class Talking(list):
    """A data set with remarks."""

    metainfo = {'classes': ['a', 'b']}
    on_bad_image = 'skip'

    @property
    def remarks(self) -> list:
        return list(self)


def test_what_a_data_set_says_is_logged_once_in_training_and_in_testing(caplog):
    remarks = [(False, 'label 0 is a class'), (True, 'a class is absent')]
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=Talking(remarks)))
    runner = SimpleNamespace(train_loop=loop, val_loop=loop, test_loop=loop, logger=logging.getLogger('test'))
    caplog.set_level(logging.INFO)
    for said in (DataCheck().before_train, DataCheck().before_test):
        caplog.clear()
        said(runner)
        found = [(r.levelname, r.message) for r in caplog.records if r.message in dict(map(reversed, remarks))]
        assert found == [('INFO', 'label 0 is a class'), ('WARNING', 'a class is absent')]
