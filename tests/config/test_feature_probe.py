"""``--probe`` in configs: of pre-training alone, with validation, set once, kept by a resumed run."""

import pytest
from mmengine.config import Config

from convnext_dense.config.feature_probe import check_probe, keep_probe, set_probe
from convnext_dense.config.read import read_config
from convnext_dense.engine.settings import check_settings
from convnext_dense.errors import UserError
from convnext_dense.sample_data import create
from convnext_dense.tasks import TASKS
from tests.config.test_compare import write_run

PRETRAINING = 'configs/pretrain/fcmae_convnextv2_a.py'


def config() -> Config:
    return read_config(PRETRAINING, needs_data=False)


def test_the_hook_has_the_folder(image_folder):
    cfg = config()
    set_probe(cfg, str(image_folder))
    assert cfg.default_hooks.probe == dict(type='convnext_dense.FeatureProbe', root=str(image_folder))
    check_settings({**cfg, 'cfg': cfg})


def test_sample_is_the_drawn_classification(image_folder, monkeypatch):
    monkeypatch.setattr(create, 'ensure_sample', lambda: image_folder.parent)
    monkeypatch.setattr(type(TASKS['pretraining']), 'probe_sample', image_folder.name)
    cfg = config()
    set_probe(cfg, 'sample')
    assert cfg.default_hooks.probe.root == str(image_folder)
    monkeypatch.undo()
    assert TASKS['pretraining'].probe_sample == TASKS['classification'].sample_folder


def test_only_pre_training_has_one(image_folder):
    for name in TASKS:
        cfg = Config(dict(task=name, val_dataloader={}, default_hooks={}))
        if name == 'pretraining':
            check_probe(cfg, 'x')
            continue
        for call in (check_probe, set_probe):
            with pytest.raises(
                UserError, match=rf'^--probe x measures .* the config is for {name}, which has metrics'
            ):
                call(cfg, 'x')
        assert not cfg.default_hooks


def test_it_is_set_once_and_needs_validation(image_folder):
    with pytest.raises(UserError, match=r'--cfg-options default_hooks.probe.root=... both set the probe: leave out'):
        set_probe(config(), str(image_folder), {'default_hooks.probe.root': 'x'})
    cfg = config()
    cfg.val_dataloader = None
    with pytest.raises(UserError, match=r'measures in each validation, and there are no images .*--val-split 0.05$'):
        set_probe(cfg, str(image_folder))


def test_a_resumed_run_keeps_it_unless_the_config_says_otherwise(image_folder, tmp_path):
    cfg = config()
    set_probe(cfg, str(image_folder))
    run = write_run(tmp_path / 'run', cfg)
    resumed = config()
    assert keep_probe(resumed, run) == (
        f'--probe {image_folder} is kept, which the run had; default_hooks.probe=None goes on without'
    )
    assert resumed.default_hooks.probe == cfg.default_hooks.probe
    without = config()
    without.default_hooks.probe = None
    assert keep_probe(without, run) is None and without.default_hooks.probe is None
    assert keep_probe(config(), write_run(tmp_path / 'other', config())) is None
