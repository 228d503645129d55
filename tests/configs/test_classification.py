"""Every config in the repo builds what its name says."""

import json
from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense import paper
from convnext_dense.analysis.complexity import Complexity, count_config
from convnext_dense.benchmark.published import compare, rows
from convnext_dense.config.read import read_config

CONFIGS = Path(__file__).parents[2] / 'configs'
FILES = sorted(path.relative_to(CONFIGS) for path in CONFIGS.glob('[!_]*/*.py'))
CLASSIFICATION = [path for path in FILES if path.parts[0] == 'classification']
ARCHS = dict(a='atto', f='femto', p='pico', n='nano', t='tiny', s='small', b='base', l='large', xl='xlarge', h='huge')


# By name: the class, and the published numbers that it must have.
PUBLISHED = {
    'convnext': {(p.arch, p.resolution): p for p in (*paper.CONVNEXT_22K_TO_1K, *paper.CONVNEXT_1K)},
    'convnext_iso': {(p.arch, p.resolution): p for p in paper.ISOTROPIC_1K},
    'convnextv2': {(p.arch, p.resolution): p for p in paper.CONVNEXTV2_1K},
}
ROWS = list(rows())


def load(path: Path) -> Config:
    return Config.fromfile(CONFIGS / path)


COUNTED: dict[str, Complexity] = {}


def counted(cfg: Config) -> Complexity:
    """Many recipes share a network."""
    key = json.dumps([dict(cfg.model.backbone, drop_path_rate=0.0), cfg.test_dataloader.dataset.transform.input_size])
    if key not in COUNTED:
        COUNTED[key] = count_config(cfg)
    return COUNTED[key]


def family_and_arch(path: Path) -> tuple[str, str]:
    """From the name alone: convnext_b_22k.py is a base, convnext_iso_s.py an isotropic small."""
    family, *rest = path.stem.split('_')
    if rest[0] == 'iso':
        family, rest = 'convnext_iso', rest[1:]
    return family, ARCHS[rest[0]]


@pytest.mark.parametrize('path', CLASSIFICATION, ids=str)
def test_config_builds_the_model_of_its_name_with_the_published_size(path):
    cfg = load(path)
    family, arch = family_and_arch(path)
    assert cfg.model.backbone.arch == arch
    assert cfg.model.backbone.get('version', 1) == (2 if family == 'convnextv2' else 1)
    size = cfg.train_dataloader.dataset.transform.input_size
    assert size == (384 if path.stem.endswith('_384') else 224)
    assert cfg.model.num_classes == (21841 if path.stem.endswith('_22k') else 1000)
    cfg.model.num_classes = 1000  # as in the published numbers
    found = counted(cfg)
    assert found.input_shape == (1, 3, size, size)
    # V1 atto to nano are V2's sizes without GRN, which has few parameters and no MACs that are counted
    published = PUBLISHED[family].get((arch, size)) or PUBLISHED['convnextv2'][arch, size]
    assert found.params / 1e6 == pytest.approx(published.params, rel=0.015)
    assert found.macs / 1e9 == pytest.approx(published.macs, rel=0.01)
    for row in ROWS:
        if row.config == f'configs/{path}':
            assert {difference.verdict for difference in compare(row, found).values()} <= {'within', 'rounding'}


# From the official repositories' TRAINING pages, per kind of run:
# epochs, warm-up, total batch, lr, weight decay, layer decay, scheme, head_init_scale, Mixup, smoothing, EMA
RECIPES = {
    'scratch': (300, 20, 4096, 4e-3, 0.05, None, None, 1.0, True, 0.1, True),
    'iso': (300, 50, 4096, 4e-3, 0.05, None, None, 1.0, True, 0.1, True),
    '22k': (90, 5, 4096, 4e-3, 0.05, None, None, 1.0, True, 0.1, False),
    '384': (30, 0, 512, 5e-5, 1e-8, 0.7, 'layer_wise', 0.001, False, 0.1, False),
    '22k_to_1k': (30, 0, 512, 5e-5, 1e-8, 0.8, 'layer_wise', 0.001, False, 0.1, False),
    'v2_a': (600, 0, 1024, 8e-4, 0.3, 0.9, 'single', 0.001, False, 0.2, True),
    'v2_t': (300, 40, 1024, 3.2e-3, 0.05, 0.9, 'single', 0.001, True, 0.1, True),
    'v2_b': (100, 20, 1024, 2.5e-3, 0.05, 0.6, 'layer_wise', 0.001, True, 0.1, True),
}
DROP_PATH = {
    'scratch': dict(atto=0, femto=0, pico=0, nano=0, tiny=0.1, small=0.4, base=0.5, large=0.5),
    'iso': dict(small=0.1, base=0.2, large=0.5),
    '22k': dict(tiny=0, small=0, base=0.1, large=0.1, xlarge=0.2),
    '384': dict(base=0.8, large=0.95),
    '22k_to_1k': dict(tiny=0, small=0.1, base=0.2, large=0.3, xlarge=0.4),
    'v2_a': dict(atto=0.1, femto=0.1, pico=0.1, nano=0.1),
    'v2_t': dict(tiny=0.2),
    'v2_b': dict(base=0.1, large=0.1, huge=0.1),
}
STARTS = {
    '22k_to_1k': 'convnext_{}_22k_224',
    '384': 'convnext_{}_1k_224',
    'v2': 'convnextv2_{}_1k_224_fcmae',
}


def kind_of(path: Path) -> str:
    family, arch = family_and_arch(path)
    if family == 'convnextv2':
        return {'tiny': 'v2_t', 'base': 'v2_b', 'large': 'v2_b', 'huge': 'v2_b'}.get(arch, 'v2_a')
    if family == 'convnext_iso':
        return 'iso'
    rest = path.stem.split('_', 2)[2:]  # such as 22k_to_1k_384
    return rest[0].replace('22k_to_1k_384', '22k_to_1k') if rest else 'scratch'


@pytest.mark.parametrize('path', CLASSIFICATION, ids=str)
def test_recipe_is_the_official_one(path):
    cfg, kind = load(path), kind_of(path)
    epochs, warm_up, batch, lr, decay, rate, scheme, head, mixup, smoothing, ema = RECIPES[kind]
    _, arch = family_and_arch(path)
    assert cfg.train_cfg == dict(type='convnext_dense.TrainLoop', max_epochs=epochs, total_batch_size=batch)
    *warming, cosine = cfg.param_scheduler
    assert [(part.type, part.begin, part.end) for part in warming] == [('LinearLR', 0, warm_up)][: bool(warm_up)]
    assert (cosine.type, cosine.begin, cosine.end) == ('CosineAnnealingLR', warm_up, epochs)
    assert cosine.eta_min_ratio * lr == pytest.approx(1e-6)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('AdamW', lr, decay)
    rules = cfg.optim_wrapper.get('paramwise_cfg', {})
    assert (rules.get('decay_rate'), rules.get('scheme')) == (rate, scheme)
    assert cfg.model.head_init_scale == head
    assert (cfg.model.mixup is not None) == mixup
    assert cfg.model.label_smoothing == smoothing
    assert cfg.model.backbone.drop_path_rate == DROP_PATH[kind][arch]
    scaled = 0.0 if kind == 'iso' and arch != 'large' else 1e-6
    assert cfg.model.backbone.layer_scale_init_value == scaled
    assert (cfg.default_hooks.ema is not None) == (ema or path.stem.startswith('convnext_xl_22k_to'))
    start = STARTS.get(kind[:2] if kind[0] == 'v' else kind)
    averaged = '_ema' if (kind, arch) == ('384', 'large') else ''  # as the official TRAINING page says
    assert cfg.pretrained == (start.format(arch) + averaged if start else None)
    assert cfg.pretrained in (None, *paper.OFFICIAL_WEIGHTS)
    assert cfg.pretrained_weights == 'raw'
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert loader.dataset.root == ('data/imagenet22k' if kind == '22k' else 'data/imagenet')
        assert loader.dataset.transform.input_size == (384 if path.stem.endswith('384') else 224)


@pytest.mark.parametrize('path', CLASSIFICATION, ids=str)
def test_sample_settings_switch_nothing_on(path):
    """The settings for `--data sample` must not bring back what a config has switched off, such as Mixup or EMA."""
    cfg = load(path)
    off = [cfg.model.mixup is None, cfg.default_hooks.ema is None, cfg.val_dataloader is None]
    cfg = read_config(str(CONFIGS / path), data='sample', needs_data=False)
    assert off == [cfg.model.mixup is None, cfg.default_hooks.ema is None, cfg.val_dataloader is None]
    assert cfg.pretrained is None
    assert cfg.default_hooks.ema is None or cfg.default_hooks.ema == dict(type='convnext_dense.EMA', momentum=0.02)


def test_no_two_configs_resolve_equal():
    resolved = [load(path).to_dict() for path in FILES]
    for i, one in enumerate(resolved):
        for other, path in zip(resolved[:i], FILES, strict=False):
            assert one != other, f'{FILES[i]} equals {path}'


@pytest.mark.parametrize('path', FILES, ids=str)
def test_derived_configs_are_short(path):
    text = (CONFIGS / path).read_text()
    lines = [x for x in text.splitlines() if x and not x.startswith('#')]
    is_recipe = '\n_base_ = [\n' in text  # of data set, model and schedule
    assert is_recipe or path.stem == 'convnext_t' or len(lines) <= 20


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
