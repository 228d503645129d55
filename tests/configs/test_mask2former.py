"""The configs of Mask2Former: one head for three tasks, as in mmdet's and mmseg's own configs, and its recipe."""

import re
from pathlib import Path

import mmdet
import mmseg
import pytest
import torch
from mmengine.config import Config

from convnext_dense import paper
from convnext_dense.config.find import packaged_configs
from convnext_dense.engine.building import build_model
from convnext_dense.optim.layer_decay import parameter_groups
from tests.helpers.run_tool import ROOT

FILES = {f'{path.parent.name}/{path.stem}': path for path in (ROOT / 'configs').glob('*/mask2former_*.py')}
THEIRS = {
    'panoptic': (mmdet, 'mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco-panoptic'),
    'det': (mmdet, 'mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco'),
    'seg': (mmseg, 'mask2former_swin-b-in1k-384x384-pre_8xb2-160k_ade20k-640x640'),
}
CHANNELS = {'a': 40, 't': 96, 's': 96, 'b': 128, 'l': 192, 'xl': 256}
# By the tasks' folders: sizes with their weights
WEIGHTS = {
    'panoptic': dict(
        t='convnext_tiny_1k_224', s='convnext_small_1k_224', b='convnext_base_1k_224', l='convnext_large_22k_224'
    ),
    'det': dict(t='convnext_tiny_1k_224'),
    'seg': dict(
        t='convnext_tiny_22k_1k_384',
        b='convnext_base_22k_1k_384',
        l='convnext_large_22k_1k_384',
        xl='convnext_xlarge_22k_1k_384_ema',
    ),
}


def size_of(name: str) -> str:
    return re.search(r'convnext_(\w+)_', name)[1]


def theirs_for(name: str) -> Config:
    package, file = THEIRS[name.split('/')[0]]
    return Config.fromfile(Path(package.__file__).parent / '.mim' / 'configs' / 'mask2former' / f'{file}.py')


def unscoped(part: object) -> object:
    """The settings without the scopes of names, and without those that are None or an ``im2col_step``."""
    if isinstance(part, dict):
        unset = {'im2col_step', 'attn_drop', 'proj_drop', 'dropout_layer', 'add_identity', 'dropout', 'norm_cfg'}
        return {
            key: value.split('.')[-1] if key == 'type' else unscoped(value)
            for key, value in part.items()
            if value is not None and (key not in unset or (key == 'norm_cfg' and value))
        }
    return [unscoped(item) for item in part] if isinstance(part, list | tuple) else part


def head_of(model: Config) -> Config:
    return model.get('decode_head') or model.panoptic_head


def test_every_size_is_there():
    expected = {f'{task}/mask2former_convnext_{s}' for task, sizes in WEIGHTS.items() for s in (*sizes, 'a')}
    assert {name.rpartition('_')[0] for name in FILES} == expected
    assert {f'configs/{name}' for name in FILES} <= {name.removesuffix('.py') for name in packaged_configs()}


@pytest.mark.parametrize('name', [name for name in FILES if '_a_' not in name])
def test_the_head_is_that_of_mmdet_and_mmseg(name):
    cfg, theirs = Config.fromfile(FILES[name]), theirs_for(name)
    ours, head = unscoped(head_of(cfg.model)), unscoped(head_of(theirs.model))
    channels = [CHANNELS[size_of(name)] * 2**stage for stage in range(4)]
    head.update(in_channels=channels, num_queries=250 if 'seg' in name else 200 if '_l_' in name else 100)
    assert ours == head
    for part in ('panoptic_fusion_head', 'test_cfg', 'train_cfg'):
        assert unscoped(cfg.model.get(part)) == unscoped(theirs.model.get(part)), part
    preprocessors = [unscoped(one.model.data_preprocessor) for one in (cfg, theirs)]
    if 'seg' in name:  # as mmseg has it for ResNets, since strides of 32 round down
        assert preprocessors[0].pop('test_cfg') == dict(size_divisor=32)
    assert preprocessors[0] == preprocessors[1]


@pytest.mark.parametrize('task', ['panoptic', 'det', 'seg'])
def test_the_light_head_differs_in_numbers_alone(task):
    full, light = (
        head_of(Config.fromfile(ROOT / 'configs' / task / f'mask2former_convnext_{size}_{data}.py').model).to_dict()
        for size in 'ta'
        for data in ['ade20k' if task == 'seg' else 'coco']
    )

    def shape(part: object) -> object:
        if isinstance(part, dict):
            return {key: shape(value) for key, value in part.items()}
        return len(part) if isinstance(part, list) else type(part)

    assert shape(full) == shape(light) and full != light
    assert light['loss_cls'] == full['loss_cls'] and light['pixel_decoder']['num_outs'] == 3


@pytest.mark.parametrize('name', [name for name in FILES if '_a_' not in name])
def test_recipe(name):
    cfg, theirs = Config.fromfile(FILES[name]), theirs_for(name)
    task, size = name.split('/')[0], size_of(name)
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer == theirs.optim_wrapper.optimizer
    assert cfg.optim_wrapper.clip_grad == theirs.optim_wrapper.clip_grad == dict(max_norm=0.01, norm_type=2)
    assert cfg.optim_wrapper.type == ('AmpOptimWrapper' if task == 'seg' else 'OptimWrapper')
    assert cfg.model.backbone.drop_path_rate == (0.4 if task == 'seg' else 0.3)
    assert (cfg.pretrained, cfg.model.backbone.layer_scale_init_value) == (WEIGHTS[task][size], 1.0)
    assert cfg.pretrained in paper.OFFICIAL_WEIGHTS
    assert cfg.train_cfg.total_batch_size == 16
    (schedule,) = cfg.param_scheduler
    if task == 'seg':
        (poly,) = theirs.param_scheduler
        assert schedule == poly and cfg.train_cfg.max_iters == theirs.train_cfg.max_iters == 160000
        return
    epochs, steps = (100 if size == 'l' else 50), theirs.train_cfg.max_iters
    assert cfg.train_cfg.max_epochs == schedule.end == epochs
    shares = [milestone / steps for milestone in theirs.param_scheduler.milestones]
    assert [milestone / epochs for milestone in schedule.milestones] == pytest.approx(shares, abs=1e-5)
    resize, crop = (
        next(step for step in cfg.train_dataloader.dataset.pipeline if step.type.endswith(kind))
        for kind in ('RandomResize', 'RandomCrop')
    )
    pipeline = theirs.train_dataloader.dataset.pipeline
    for own, kind in ((resize, 'RandomResize'), (crop, 'RandomCrop')):
        stock = next(step for step in pipeline if step.type == kind)
        assert {**unscoped(own), 'resize_type': None} == {**unscoped(stock), 'resize_type': None}


@pytest.mark.parametrize('name', ['panoptic/mask2former_convnext_t_coco', 'seg/mask2former_convnext_a_ade20k'])
def test_norms_and_queries_have_no_weight_decay_and_the_backbone_a_tenth_of_the_lr(name):
    cfg = Config.fromfile(FILES[name])
    with torch.device('meta'):
        model = build_model(cfg)
    optimizer = cfg.optim_wrapper.optimizer
    of_name = {
        parameter: (round(group.lr / optimizer.lr, 6), group.weight_decay)
        for group in parameter_groups(model, optimizer, cfg.optim_wrapper.paramwise_cfg)
        for parameter in group.parameters
    }
    norms = {
        f'{prefix}.{parameter}'
        for prefix, module in model.named_modules()
        if 'Norm' in type(module).__name__
        for parameter, _ in module.named_parameters(recurse=False)
    }
    queries = ('query_embed.weight', 'query_feat.weight', 'head.level_embed.weight')
    for parameter, found in of_name.items():
        spared = parameter in norms or parameter.endswith(('.gamma', *queries))
        expected = (0.1 if parameter.startswith('backbone.') else 1.0, 0.0 if spared else 0.05)
        assert found == expected, parameter
    assert len(norms) > 20 and sum(parameter.endswith(queries) for parameter in of_name) == 3
