"""The configs of DINO, RTMDet and RetinaNet: recipes, sizes, and the models that they build."""

from pathlib import Path

import mmdet
import pytest
import torch
from mmengine.config import Config

from convnext_dense import paper
from convnext_dense.analysis.complexity import count_config
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.optim.layer_decay import parameter_groups
from tests.helpers.run_tool import ROOT

THEIRS = Path(mmdet.__file__).parent / '.mim' / 'configs'
FOLDER = ROOT / 'configs' / 'det'
# arch, weights, channels of the neck, and counted here: parameters and MACs at 800 x 1280
DINO = {
    'dino_convnext_t_coco': ('tiny', 'convnext_tiny_1k_224', [192, 384, 768]),
    'dino_convnext_s_coco': ('small', 'convnext_small_1k_224', [192, 384, 768]),
    'dino_convnext_b_coco': ('base', 'convnext_base_1k_224', [256, 512, 1024]),
    'dino_convnext_l_coco': ('large', 'convnext_large_1k_224_ema', [384, 768, 1536]),  # raw ones are not published
    'dino_convnext_t_22k_coco': ('tiny', 'convnext_tiny_22k_1k_384', [192, 384, 768]),
    'dino_convnext_s_22k_coco': ('small', 'convnext_small_22k_1k_384', [192, 384, 768]),
    'dino_convnext_b_22k_coco': ('base', 'convnext_base_22k_1k_384', [256, 512, 1024]),
    'dino_convnext_l_22k_coco': ('large', 'convnext_large_22k_1k_384', [384, 768, 1536]),
    'dino_convnext_a_coco': ('atto', 'work_dirs/convnext_a/epoch_300.pth', [80, 160, 320]),
}
RTMDET = {
    'rtmdet_convnext_t_coco': ('tiny', 'convnext_tiny_22k_1k_384', 0.4, [192, 384, 768]),
    'rtmdet_convnext_b_coco': ('base', 'convnext_base_22k_1k_384', 0.7, [256, 512, 1024]),
}


def read(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def without_scope(part: object) -> object:
    """Copy nested settings with the names of mmdet and mmcv as their own configs have them, and lists for tuples."""
    if isinstance(part, dict):
        return {key: without_scope(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [without_scope(value) for value in part]
    return part.split('.')[-1] if isinstance(part, str) and part.startswith(('mmdet.', 'mmcv.')) else part


def test_every_config_is_below():
    found = {path.stem for path in FOLDER.glob('*.py') if path.stem.startswith(('dino', 'rtmdet', 'retinanet'))}
    assert found == {*DINO, *RTMDET, 'retinanet_convnext_t_coco'}


@pytest.mark.parametrize('name', DINO)
def test_dinos_recipe_is_that_of_detrex(name):
    """Of projects/dino/configs: dino-convnext/*, models/dino_convnext.py, models/dino_r50.py; and configs/common."""
    cfg = read(name)
    arch, weights, channels = DINO[name]
    backbone, optimizer = cfg.model.backbone, cfg.optim_wrapper.optimizer
    assert (backbone.arch, cfg.pretrained, list(cfg.model.neck.in_channels)) == (arch, weights, channels)
    assert weights in paper.OFFICIAL_WEIGHTS or arch == 'atto'
    assert (backbone.out_indices, backbone.get('drop_path_rate', 0.0)) == ((1, 2, 3), 0.0)
    assert backbone.layer_scale_init_value == 1.0
    assert (optimizer.type, optimizer.lr, optimizer.betas, optimizer.weight_decay) == (
        'AdamW',
        1e-4,
        (0.9, 0.999),
        1e-4,
    )
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.1, norm_type=2)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.total_batch_size) == (12, 16)
    (drop,) = cfg.param_scheduler
    assert (drop.type, drop.milestones, drop.gamma) == ('MultiStepLR', [11], 0.1)
    queries = (cfg.model.num_queries, cfg.model.dn_cfg.group_cfg.num_dn_queries)
    assert queries == ((100, 30) if arch == 'atto' else (900, 100))
    assert (cfg.model.dn_cfg.label_noise_scale, cfg.model.dn_cfg.box_noise_scale) == (0.5, 1.0)
    embedding = cfg.model.positional_encoding
    assert (embedding.temperature, embedding.offset, embedding.normalize) == (10000, -0.5, True)
    (resize,), (before, crop, after) = cfg.train_dataloader.dataset.pipeline[3].transforms
    assert [tuple(scale) for scale in resize.scales] == [(side, 1333) for side in range(480, 801, 32)]
    assert [scale[0] for scale in before.scales] == [400, 500, 600]
    assert min(scale[1] for scale in before.scales) > 7 * 600 - 1  # no limit for images as wide as COCO's
    assert (crop.crop_type, crop.crop_size, after) == ('absolute_range', (384, 600), resize)


def test_dinos_groups_are_those_of_detrex():
    """The backbone learns a tenth as fast, and norms have no weight decay; biases have it."""
    cfg = read('dino_convnext_t_coco')
    with torch.device('meta'):
        model = build_model(cfg)
    groups = parameter_groups(model, cfg.optim_wrapper.optimizer, cfg.optim_wrapper.paramwise_cfg)
    rules = {name: (group.lr, group.weight_decay) for group in groups for name in group.parameters}
    assert rules.keys() == dict(model.named_parameters()).keys()
    for name, (lr, decay) in rules.items():
        assert lr == pytest.approx(1e-5 if name.startswith('backbone') else 1e-4), name
        owner = model.get_submodule(name.rpartition('.')[0])
        norm = isinstance(owner, torch.nn.LayerNorm | torch.nn.GroupNorm)
        assert decay == (0 if norm or name.endswith('.gamma') else 1e-4), name


def test_the_model_is_mmdets_but_for_the_position_embeddings():
    ours, theirs = (
        without_scope(cfg.model.to_dict())
        for cfg in (read('dino_convnext_t_coco'), Config.fromfile(THEIRS / 'dino/dino-4scale_r50_8xb2-12e_coco.py'))
    )
    for model in (ours, theirs):
        for key in ('backbone', 'positional_encoding'):
            del model[key]
        for key in ('in_channels',):
            del model['neck'][key]
    for attention in (ours['encoder']['layer_cfg']['self_attn_cfg'], ours['decoder']['layer_cfg']['cross_attn_cfg']):
        assert attention.pop('num_heads') == 8  # mmcv's default
    assert ours['bbox_head'].pop('embed_dims') == 256  # mmdet's default
    assert ours == theirs


@pytest.mark.parametrize('name', RTMDET)
def test_rtmdets_recipe_is_mmdets(name):
    """Beside mmdet's config: all of the model, the schedule, and the steps of both pipelines but the caches."""
    file = THEIRS / 'rtmdet/rtmdet_l_convnext_b_4xb32-100e_coco.py'
    cfg, theirs = read(name), Config.fromfile(file, import_custom_modules=False)
    arch, weights, drop_path, channels = RTMDET[name]
    backbone = cfg.model.backbone
    assert (backbone.arch, cfg.pretrained, backbone.drop_path_rate) == (arch, weights, drop_path)
    assert (backbone.out_indices, backbone.layer_scale_init_value, backbone.with_cp) == ((1, 2, 3), 1.0, True)
    assert cfg.model.neck.in_channels == channels
    models = [without_scope(one.model.to_dict()) for one in (cfg, theirs)]
    for model in models:
        del model['backbone'], model['neck']['in_channels']
    assert models[0]['data_preprocessor'].pop('pad_size_divisor') == 32  # squares of 640 are not padded
    assert models[0] == models[1]
    rules = theirs.optim_wrapper.paramwise_cfg
    assert cfg.optim_wrapper.paramwise_cfg == dict(decay_rate=rules.decay_rate, scheme=rules.decay_type)
    assert cfg.optim_wrapper.optimizer == dict(theirs.optim_wrapper.optimizer, betas=(0.9, 0.999))
    for key in ('max_epochs', 'val_interval', 'dynamic_intervals'):
        assert cfg.train_cfg[key] == theirs.train_cfg[key]
    assert cfg.train_cfg.total_batch_size == 4 * theirs.train_dataloader.batch_size
    warm_up, cosine = theirs.param_scheduler
    assert cosine.pop('T_max') == cosine.end - cosine.begin
    assert cfg.param_scheduler == [warm_up, cosine]
    average, switch = theirs.custom_hooks
    assert (cfg.default_hooks.ema.momentum, cfg.default_hooks.ema.gamma) == (average.momentum, 2000)  # its default
    assert cfg.custom_hooks[0].switch_epoch == switch.switch_epoch
    cached = {name: f'convnext_dense.{name.removeprefix("Cached")}' for name in ('CachedMosaic', 'CachedMixUp')}
    cached['LoadImageFromFile'] = 'convnext_dense.LoadImage'
    pairs = [
        (
            [*cfg.train_dataloader.dataset.dataset.pipeline, *cfg.train_dataloader.dataset.pipeline],
            theirs.train_dataloader.dataset.pipeline,
        ),
        (
            [*cfg.train_dataloader.dataset.dataset.pipeline, *cfg.custom_hooks[0].switch_pipeline],
            switch.switch_pipeline,
        ),
    ]
    for ours, expected in pairs:
        for step, other in zip(without_scope(ours), without_scope(expected), strict=True):
            assert step['type'] == cached.get(other['type'], other['type'])
            same = {key: value for key, value in other.items() if key in step and key not in ('type', 'pad_val')}
            assert same == {key: step[key] for key in same}


def test_retinanet_is_mmdets_on_our_backbone():
    cfg, theirs = read('retinanet_convnext_t_coco'), Config.fromfile(THEIRS / '_base_/models/retinanet_r50_fpn.py')
    models = [without_scope(one.model.to_dict()) for one in (cfg, theirs)]
    for model in models:
        del model['backbone'], model['neck']['in_channels']
    assert models[0]['train_cfg']['assigner'].pop('type') == 'convnext_dense.MaxIoUAssigner'  # for ignore regions
    assert models[1]['train_cfg']['assigner'].pop('type') == 'MaxIoUAssigner'
    assert models[0] == models[1]
    recipe = read('mask_rcnn_convnext_t_coco')
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'pretrained'):
        assert cfg[key] == recipe[key]


@pytest.mark.parametrize(
    ('name', 'shape', 'params', 'macs'),
    [
        pytest.param('dino_convnext_t_coco', (800, 1280), 48_624_172, 282.5, marks=pytest.mark.faults),
        ('dino_convnext_a_coco', (800, 1280), 4_799_252, 19.9),
        ('rtmdet_convnext_t_coco', (640, 640), 44_406_204, 72.2),
        ('rtmdet_convnext_b_coco', (640, 640), 113_744_892, 171.2),
        ('retinanet_convnext_t_coco', (800, 1280), 38_759_572, 243.0),
    ],
)
def test_sizes(name, shape, params, macs):
    found = count_config(read_config(str(FOLDER / f'{name}.py'), needs_data=False))
    assert found.input_shape == (1, 3, *shape)
    assert found.params == params
    assert found.macs / 1e9 == pytest.approx(macs, abs=0.05)
