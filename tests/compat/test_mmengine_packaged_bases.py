"""Bases among the packaged configs, as mmengine reads them from a config anywhere."""

import pytest
from mmengine.config import Config

from convnext_dense.compat import mmengine_packaged_bases
from convnext_dense.compat.mmengine_packaged_bases import find_bases_with
from convnext_dense.config.find import find_base

SCHEDULE = 'convnext_dense::_base_/schedules/coco_3x.py'


@pytest.fixture
def config(tmp_path):
    file = tmp_path / 'c.py'
    file.write_text(f'_base_ = {SCHEDULE!r}\ntrain_cfg = dict(max_epochs=2)\n')
    return file


@pytest.fixture
def original(monkeypatch):
    monkeypatch.setattr(Config, '_get_cfg_path', staticmethod(mmengine_packaged_bases._ORIGINAL))


def test_mmengine_still_knows_only_its_own_packages(config, original):
    with pytest.raises(AssertionError, match='mmengine does not support to load convnext_dense config'):
        Config.fromfile(config)


def test_mmengine_still_gives_every_dict_of_such_a_base_a_scope(tmp_path, original):
    (tmp_path / 'c.py').write_text("_base_ = 'mmdet::_base_/schedules/schedule_1x.py'\n")
    assert Config.fromfile(tmp_path / 'c.py').train_cfg['_scope_'] == 'mmdet'


def test_a_packaged_base_is_merged_as_a_file_and_others_are_left_to_mmengine(config, tmp_path, original):
    find_bases_with(find_base)
    cfg = Config.fromfile(config)
    assert cfg.train_cfg == dict(type='convnext_dense.TrainLoop', max_epochs=2, total_batch_size=16)
    assert cfg.default_hooks.checkpoint.best == 'raw/box_AP'  # of the schedule, on ../runtime.py
    assert cfg.runner_type == 'convnext_dense.Runner'
    assert '_scope_' not in cfg.pretty_text
    (tmp_path / 'd.py').write_text("_base_ = ['c.py', 'mmdet::_base_/models/retinanet_r50_fpn.py']\n")
    assert Config.fromfile(tmp_path / 'd.py').model['_scope_'] == 'mmdet'
