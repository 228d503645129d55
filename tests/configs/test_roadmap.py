"""The roadmap's configs: the old recipe, then one per step, apart in the step alone, without EMA."""

from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.config import read as config
from convnext_dense.config.length import set_length
from convnext_dense.config.techniques import TECHNIQUES
from convnext_dense.data.classification.dataset import train_transform
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.optim.layer_decay import parameter_groups
from convnext_dense.registry import MODELS
from convnext_dense.roadmap.network import RoadmapNet
from convnext_dense.roadmap.steps import TRACKS
from tests.helpers.run_tool import ROOT, SMALL

FOLDER = ROOT / 'configs' / 'roadmap'
SHORT = {'resnet50': 'r50', 'resnet200': 'r200'}


def names(track: str) -> list[str]:
    return [f'{SHORT[track]}_{i:02d}_{step.name}.py' for i, step in enumerate(TRACKS[track])]


@pytest.fixture
def read(image_folder, tmp_path, monkeypatch):
    """Reads a config with the test's images, as they are or in the place of the sample."""
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: tmp_path)
    return lambda name, sample=False: config.read_config(str(name), data='sample' if sample else str(image_folder))


def test_there_is_one_for_every_step():
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(names('resnet50') + names('resnet200'))


@pytest.mark.parametrize('track', TRACKS)
def test_each_is_the_tiny_recipe_with_another_backbone_and_no_ema(track, read):
    recipe = read('configs/classification/convnext_t.py').to_dict()
    assert recipe['default_hooks'].pop('ema')
    del recipe['model']['backbone'], recipe['sample_settings']
    for step, name in [(step.name, name) for step, name in zip(TRACKS[track], names(track), strict=True)][1:]:
        own = read(FOLDER / name).to_dict()
        assert own['default_hooks'].pop('ema') is None
        assert own['default_hooks'].pop('sync_buffers') == dict(type='SyncBuffersHook')
        assert own.pop('sample_settings') == '_base_/sample/roadmap.py'
        assert own['model'].pop('backbone') == dict(
            type='convnext_dense.RoadmapNet',
            track=track,
            step=step,
            out_indices=None,
            drop_path_rate={'resnet50': 0.1, 'resnet200': 0.5}[track],
        )
        assert own == recipe, name


# Line by line from "Deep Residual Learning" (arXiv 1512.03385, section 3.4), with the 90 epochs and the random resized
# crops of torchvision's reference training, whose result the paper starts from.
@pytest.mark.parametrize('track', TRACKS)
def test_the_start_is_the_old_recipe(track, read):
    cfg = read(FOLDER / names(track)[0])
    assert (cfg.model.backbone.track, cfg.model.backbone.step) == (track, 'baseline')
    assert cfg.model.backbone.drop_path_rate == cfg.model.label_smoothing == 0
    assert cfg.model.mixup is cfg.default_hooks.ema is None
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.total_batch_size) == (90, 256)
    (steps,) = cfg.param_scheduler
    assert (steps.type, steps.begin, steps.end, steps.milestones, steps.gamma) == ('MultiStepLR', 0, 90, [30, 60], 0.1)
    crop, flip, *rest = train_transform(**cfg.train_dataloader.dataset.transform).transforms
    assert (crop.scale, crop.ratio, crop.size) == ((0.08, 1.0), (3 / 4, 4 / 3), (224, 224))
    assert flip.p == 0.5
    assert [type(part).__name__ for part in rest] == ['ToNormalized']
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    (group,) = parameter_groups(model, cfg.optim_wrapper.optimizer, cfg.optim_wrapper.paramwise_cfg)
    assert group.weight_decay == 1e-4
    assert len(group.parameters) == len(list(model.parameters()))


@pytest.mark.parametrize('track', TRACKS)
def test_the_modern_recipe_without_all_its_techniques_is_the_old_one_at_a_larger_batch(track, read, image_folder):
    old, modern = names(track)[:2]
    off = [name for name in TECHNIQUES if name != 'ema']  # which these configs do not use
    cfg = config.read_config(str(FOLDER / modern), data=str(image_folder), without=off).to_dict()
    expected = read(FOLDER / old).to_dict()
    warm_up = cfg['param_scheduler'].pop(0)
    assert (warm_up['type'], warm_up['begin'], warm_up['end']) == ('LinearLR', 0, 6)
    assert cfg['train_cfg'].pop('total_batch_size') == 16 * expected['train_cfg'].pop('total_batch_size')
    lrs = [part['optim_wrapper']['optimizer'].pop('lr') for part in (cfg, expected)]
    assert lrs == [1.6, 0.1]
    for part in (cfg, expected):
        del part['sample_settings'], part['model']['backbone']['step']
    assert cfg == expected


def test_the_old_schedule_follows_the_length(read):
    cfg = read(FOLDER / 'r50_00_baseline.py', sample=True)
    assert (cfg.train_cfg.max_epochs, cfg.param_scheduler[0].end) == (1, pytest.approx(1))
    assert cfg.param_scheduler[0].milestones == pytest.approx([1 / 3, 2 / 3])
    set_length(cfg, 9)
    assert (cfg.param_scheduler[0].end, cfg.param_scheduler[0].milestones) == (9, pytest.approx([3, 6]))


def test_the_sample_revives_nothing_of_the_modern_recipe(read):
    cfg = read(FOLDER / 'r50_00_baseline.py', sample=True)
    assert cfg.model.mixup is None
    names = [type(part).__name__ for part in train_transform(**cfg.train_dataloader.dataset.transform).transforms]
    assert names[2:] == ['ToNormalized']


def test_the_old_recipe_trains(image_folder, tmp_path):
    options = ['model.backbone.depths=[1,1,1,1]', 'model.backbone.width=8', *SMALL, 'optim_wrapper.optimizer.lr=0.1']
    argv = [str(FOLDER / 'r50_00_baseline.py'), '--data', str(image_folder), '--work-dir', str(tmp_path)]
    assert run_verb('train', [*argv, '--epochs', '3', '--cfg-options', *options]) == 0
    lr = [value for _, value in read_scalars(tmp_path)['train/lr']]
    assert lr == pytest.approx([0.1] * 6 + [0.01] * 6 + [0.001] * 6)


def test_the_sample_has_no_ema_either(read):
    cfg = read(FOLDER / 'r50_12_gelu.py', sample=True)
    assert cfg.default_hooks.ema is None
    assert cfg.train_dataloader.dataset.transform.input_size == 32


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
    capsys.readouterr()
    assert run_verb('train', [path, '--work-dir', str(tmp_path), '--resume', '--epochs', '1', *data]) == 0
    assert 'the run was finished' in capsys.readouterr().out
    assert run_verb('convert_weights', [str(tmp_path), str(tmp_path / 'x.pth')]) == 2
    assert 'is no ConvNeXt as it is known here' in capsys.readouterr().err
