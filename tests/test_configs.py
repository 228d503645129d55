"""Every config in the repo builds what its name says."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from convnext_dense import paper
from convnext_dense.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs'
FILES = sorted(path.relative_to(CONFIGS) for path in CONFIGS.glob('[!_]*/*.py'))
NAMED_BY_SIZE = [path for path in FILES if path.parts[0] != 'roadmap']
ARCHS = dict(a='atto', f='femto', p='pico', n='nano', t='tiny', s='small', b='base', l='large', xl='xlarge', h='huge')


def load(path: Path) -> Config:
    return Config.fromfile(CONFIGS / path)


@pytest.mark.parametrize('path', NAMED_BY_SIZE, ids=str)
def test_config_builds_the_size_of_its_name(path):
    cfg = load(path)
    arch = ARCHS[path.stem.split('_')[1]]
    assert cfg.model.backbone.arch == arch
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    params = sum(p.numel() for p in model.parameters()) / 1e6
    published = {p.arch: p.params for p in (*paper.CONVNEXTV2_1K, *paper.CONVNEXT_1K)}
    assert params == pytest.approx(published[arch], rel=0.01)


def test_no_two_configs_resolve_equal():
    resolved = [load(path).to_dict() for path in FILES]
    for i, one in enumerate(resolved):
        for other, path in zip(resolved[:i], FILES, strict=False):
            assert one != other, f'{FILES[i]} equals {path}'


@pytest.mark.parametrize('path', FILES, ids=str)
def test_derived_configs_are_short(path):
    lines = [x for x in (CONFIGS / path).read_text().splitlines() if x and not x.startswith('#')]
    base = load(path).get('_base_')
    assert path.stem in ('convnext_t',) or len(lines) <= 20, base


def test_the_tiny_recipe_is_the_official_one():
    """Line by line from the official repository's TRAINING page and main.py."""
    cfg = load(Path('classification/convnext_t.py'))
    assert cfg.model.num_classes == 1000
    assert cfg.model.backbone.drop_path_rate == 0.1
    assert cfg.model.backbone.layer_scale_init_value == 1e-6
    assert cfg.model.head_init_scale == 1.0
    assert cfg.model.label_smoothing == 0.1
    assert cfg.model.mixup == dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch')
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert cfg.optim_wrapper.optimizer == dict(
        type='AdamW', lr=4e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True
    )
    assert 'clip_grad' not in cfg.optim_wrapper
    assert cfg.train_cfg.total_batch_size == 4096
    assert cfg.train_cfg.max_epochs == 300
    warmup, cosine = cfg.param_scheduler
    assert (warmup.begin, warmup.end, cosine.begin, cosine.end) == (0, 20, 20, 300)
    assert warmup.start_factor <= 1e-6
    assert cosine.eta_min_ratio * cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-6)
    assert warmup.convert_to_iter_based
    assert cosine.convert_to_iter_based
    assert cfg.default_hooks.ema == dict(type='convnext_dense.EMA', momentum=1e-4)
    train, val = cfg.train_dataloader.dataset.transform, cfg.val_dataloader.dataset.transform
    assert train == dict(
        input_size=224,
        interpolation='bicubic',
        auto_augment='rand-m9-mstd0.5-inc1',
        re_prob=0.25,
        re_mode='pixel',
        re_count=1,
    )
    assert val == dict(input_size=224, crop_ratio=0.875)
