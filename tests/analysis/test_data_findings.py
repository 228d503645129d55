import shutil
from pathlib import Path

import pytest

from convnext_dense.analysis.data_findings import look_at_data
from convnext_dense.config.read import read_config
from convnext_dense.errors import NoData, UserError
from convnext_dense.tasks import task_of
from tests.helpers.run_tool import ATTO


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def look(root: Path, read_training=None, duplicates: bool = True):
    cfg = read_config(str(ATTO), None, str(root), reads='test')
    read_training = read_training or (lambda: read_config(str(ATTO), None, str(root), reads='train'))
    return look_at_data(task_of(cfg), cfg, read_training, ['blue', 'green', 'red'], duplicates, 2)


def test_training_and_tested_data_are_compared(own_image_folder):
    leaked = own_image_folder / 'val/red/leaked.jpg'
    shutil.copy(own_image_folder / 'train/blue/00.jpg', leaked)
    found = look(own_image_folder)
    assert (found.training.images, found.tested.images, found.compared) == (24, 7, 7)
    assert [section.id for section in found.sections] == ['data', 'duplicates']
    assert str(leaked) in [one.path for one in found.suspects if one.kind == 'leak']
    assert found.leaks == sum(one.kind == 'leak' for one in found.suspects) >= 1


def test_images_are_not_read_if_they_are_not_compared(own_image_folder, monkeypatch):
    monkeypatch.setattr('convnext_dense.analysis.data_findings.find_duplicates', lambda *_: 1 / 0)
    found = look(own_image_folder, duplicates=False)
    assert found.training.images == 24 and not found.suspects
    assert [section.id for section in found.sections] == ['data']


def test_absent_training_data_are_said(own_image_folder):
    shutil.rmtree(own_image_folder / 'train')
    found = look(own_image_folder)
    assert found.training is None and found.tested.images == 6 and found.leaks == found.compared == 0
    assert found.sections[0].blocks[0].text == 'The training data are not counted: there are none.'


def test_data_that_can_not_be_counted_are_said():
    def fail():
        raise NoData('no config')

    class Task:
        def read_statistics(self, *_):
            raise UserError('another library')

    found = look_at_data(Task(), None, fail, [], True, 1)
    (section,) = found.sections
    assert section.blocks[0].text == (
        'The tested data are not counted: another library. The training data are not counted: no config.'
    )
