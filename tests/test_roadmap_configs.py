"""The roadmap's configs: one per step after the old recipe's, apart in the step alone, without EMA."""

from pathlib import Path

import pytest
import torch

from convnext_dense import config
from convnext_dense.cli import run_verb
from convnext_dense.models.roadmap import TRACKS, RoadmapNet
from convnext_dense.registry import MODELS

from .run_tool import ROOT, SMALL

FOLDER = ROOT / 'configs' / 'roadmap'
SHORT = {'resnet50': 'r50', 'resnet200': 'r200'}


def names(track: str) -> list[str]:
    return [f'{SHORT[track]}_{i:02d}_{step.name}.py' for i, step in enumerate(TRACKS[track]) if i > 0]


@pytest.fixture
def read(image_folder, tmp_path, monkeypatch):
    """Reads a config with the test's pictures, as they are or in the place of the sample."""
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.data.sample.ensure_sample', lambda: tmp_path)
    return lambda name, sample=False: config.read_config(str(name), data='sample' if sample else str(image_folder))


def test_there_is_one_for_every_step():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(names('resnet50') + names('resnet200'))


@pytest.mark.parametrize('track', TRACKS)
def test_each_is_the_tiny_recipe_with_another_backbone_and_no_ema(track, read):
    recipe = read('configs/classification/convnext_t.py').to_dict()
    assert recipe['default_hooks'].pop('ema')
    recipe['sample']['default_hooks'].pop('ema')
    del recipe['model']['backbone']
    for step, name in zip([step.name for step in TRACKS[track]][1:], names(track), strict=True):
        own = read(FOLDER / name).to_dict()
        assert own['default_hooks'].pop('ema') is None
        assert own['default_hooks'].pop('sync_buffers') == dict(type='SyncBuffersHook')
        assert own['sample']['default_hooks'].pop('ema') is None
        assert own['model'].pop('backbone') == dict(
            type='convnext_dense.RoadmapNet',
            track=track,
            step=step,
            out_indices=None,
            drop_path_rate={'resnet50': 0.1, 'resnet200': 0.5}[track],
        )
        assert own == recipe, name


def test_the_sample_has_no_ema_either(read):
    cfg = read(FOLDER / 'r50_12_gelu.py', sample=True)
    assert cfg.default_hooks.ema is None
    assert cfg.train_dataloader.dataset.transform.input_size == 48


def test_a_config_builds_its_step(read):
    for name, dims in (('r50_02_stage_ratio', 2048), ('r200_06_inverted_bottleneck', 1024)):
        with torch.device('meta'):
            model = MODELS.build(read(FOLDER / f'{name}.py').model)
        assert type(model.backbone) is RoadmapNet
        assert model.head.weight.shape == (3, dims)


def test_a_step_trains_and_tests_without_ema(image_folder, tmp_path, capsys):
    path = str(FOLDER / 'r50_03_patchify_stem.py')
    options = [*SMALL, 'model.backbone.depths=[1,1,1,1]', 'model.backbone.width=8']
    data = ['--data', str(image_folder), '--cfg-options', *options]
    assert run_verb('train', [path, '--work-dir', str(tmp_path), '--epochs', '1', *data]) == 0
    checkpoint = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert 'ema_state_dict' not in checkpoint
    assert checkpoint['state_dict']['backbone.stages.3.0.shortcut.2.running_var'].shape == (256,)
    assert run_verb('test', [path, str(tmp_path), '--out', str(tmp_path / 'metrics.json'), *data]) == 0
    assert 'raw/top1' in Path(tmp_path, 'metrics.json').read_text()
    assert 'ema/top1' not in Path(tmp_path, 'metrics.json').read_text()
