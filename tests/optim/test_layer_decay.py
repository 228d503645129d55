"""Layer-wise lr decay and weight decay, against an independent statement of the official rules."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from torch import nn

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier, IsotropicConvNeXt
from convnext_dense.optim.layer_decay import parameter_groups

OPTIMIZER = dict(type='AdamW', lr=1e-3, weight_decay=0.05)
SMALL = dict(depths=[1, 1, 4, 1], dims=[4, 8, 12, 16])
# By hand, for depths (3, 3, 9, 3) and (3, 3, 27, 3): the layer ids of the downsample layers and of the blocks.
LAYER_WISE = {
    6: ([0, 2, 3, 6], [[1] * 3, [2] * 3, [3, 3, 3, 4, 4, 4, 5, 5, 5], [6] * 3]),
    12: ([0, 2, 3, 12], [[1] * 3, [2] * 3, [i for i in range(3, 12) for _ in range(3)], [12] * 3]),
}
STAGE_WISE = {
    6: ([0, 0, 0, 0], [[1] * 3, [2] * 3, [3] * 9, [4] * 3]),
    12: ([0, 0, 0, 0], [[1] * 3, [2] * 3, [3] * 27, [4] * 3]),
}


class Detector(nn.Module):
    """A backbone under a prefix, beside another module."""

    def __init__(self, **options):
        super().__init__()
        self.student = nn.Module()
        self.student.backbone = ConvNeXt(**options)
        self.neck = nn.Conv2d(4, 4, 1)
        self.bn = nn.BatchNorm2d(4)


def table(model: nn.Module, **rules) -> dict[str, tuple[float, float]]:
    groups = parameter_groups(model, OPTIMIZER, rules)
    return {name: (group.lr_scale, group.weight_decay) for group in groups for name in group.parameters}


def expected_decay(name: str) -> float:
    kernels = ('dwconv.weight', 'pwconv1.weight', 'pwconv2.weight', 'neck.weight', 'head.weight')
    first = 'downsample_layers.0.0.weight'
    others = tuple(f'downsample_layers.{i}.1.weight' for i in (1, 2, 3))
    return 0.05 if name.endswith((*kernels, first, *others)) else 0.0


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('scheme', ['layer_wise', 'stage_wise'])
@pytest.mark.parametrize('arch', ['tiny', 'small', 'base', 'large', 'xlarge'])
def test_every_parameter_has_the_official_scale_and_decay(arch, scheme, version):
    with torch.device('meta'):
        model = Detector(arch=arch, version=version)
    num_layers = 6 if arch == 'tiny' else 12
    downsample, blocks = (LAYER_WISE if scheme == 'layer_wise' else STAGE_WISE)[num_layers]
    found = table(model, decay_rate=0.7, scheme=scheme)
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, (scale, decay) in found.items():
        path = name.removeprefix('student.backbone.').split('.')
        if path[0] == 'downsample_layers':
            layer_id = downsample[int(path[1])]
        elif path[0] == 'stages':
            layer_id = blocks[int(path[1])][int(path[2])]
        else:  # norm0 to norm3, the neck
            layer_id = num_layers + 1
        assert scale == pytest.approx(0.7 ** (num_layers + 1 - layer_id), rel=1e-12), name
        assert decay == expected_decay(name), name


def test_stage_wise_scales_are_the_published_ones():
    """In the official configs' terms: decay 0.9, and num_layers sets the gap to the head."""
    for num_layers, downsample, stages in (
        (6, 0.478, [0.531, 0.590, 0.656, 0.729]),
        (12, 0.254, [0.282, 0.314, 0.349, 0.387]),
    ):
        with torch.device('meta'):
            found = table(ConvNeXt('tiny'), decay_rate=0.9, scheme='stage_wise', num_layers=num_layers)
        for i, scale in enumerate(stages):
            assert found[f'downsample_layers.{i}.0.weight'][0] == pytest.approx(downsample, abs=1e-3)
            assert found[f'stages.{i}.2.dwconv.weight'][0] == pytest.approx(scale, abs=1e-3)
        assert found['norm0.weight'][0] == 1


def test_single_gives_every_block_an_id_of_its_own():
    with torch.device('meta'):
        model = ImageClassifier(
            dict(type='convnext_dense.ConvNeXt', arch='atto', version=2, out_indices=None), num_classes=5
        )
    found = table(model, decay_rate=0.9, scheme='single')
    # depths 2 2 6 2: the blocks are 1 to 12; a downsample layer has the id of the block after it
    ids = {'stages.0.0': 1, 'stages.0.1': 2, 'stages.1.0': 3, 'stages.2.0': 5, 'stages.2.5': 10, 'stages.3.1': 12}
    ids |= {'downsample_layers.0': 1, 'downsample_layers.1': 3, 'downsample_layers.2': 5, 'downsample_layers.3': 11}
    for prefix, layer_id in ids.items():
        for name in found:
            if name.startswith(f'backbone.{prefix}.'):
                assert found[name][0] == pytest.approx(0.9 ** (13 - layer_id)), name
    assert found['head.weight'] == (1.0, 0.05)
    assert found['backbone.norm.weight'] == (1.0, 0.0)
    assert found['backbone.stages.0.0.grn.gamma'][1] == found['backbone.stages.0.0.grn.beta'][1] == 0.0


def test_isotropic_blocks_count_from_the_stem():
    with torch.device('meta'):
        found = table(IsotropicConvNeXt('small'), decay_rate=0.8, scheme='layer_wise')
    for name, layer_id in {'stem.weight': 0, 'blocks.0.dwconv.weight': 1, 'blocks.17.pwconv1.weight': 18}.items():
        assert found[name] == (pytest.approx(0.8 ** (19 - layer_id)), 0.05)
    assert found['norm.weight'] == (1.0, 0.0)
    with pytest.raises(UserError, match='one stage'):
        table(IsotropicConvNeXt('small'), decay_rate=0.8, scheme='stage_wise')


def build(model: nn.Module, **rules) -> torch.optim.Optimizer:
    config = dict(
        type='OptimWrapper',
        constructor='convnext_dense.LayerDecayConstructor',
        optimizer=dict(OPTIMIZER),
        paramwise_cfg=rules,
    )
    return build_optim_wrapper(model, config).optimizer


def test_the_optimizer_gets_the_groups_without_what_is_frozen():
    model = Detector(arch=SMALL, frozen_stages=1)
    optimizer = build(model, decay_rate=0.5, scheme='layer_wise')
    assert type(optimizer) is torch.optim.AdamW
    names = {id(p): name for name, p in model.named_parameters()}
    trained = {names[id(p)]: group for group in optimizer.param_groups for p in group['params']}
    frozen = ('student.backbone.downsample_layers.0.', 'student.backbone.stages.0.')
    assert trained.keys() == {name for name in names.values() if not name.startswith(frozen)}
    # depth 4 of stage 2: ids 3 and 4, so num_layers is 5
    group = trained['student.backbone.stages.2.3.dwconv.weight']
    assert (group['group_name'], group['layer_id'], group['weight_decay']) == ('layer_4_decay', 4, 0.05)
    assert group['lr'] == pytest.approx(1e-3 * 0.25)
    assert trained['bn.weight']['weight_decay'] == trained['neck.bias']['weight_decay'] == 0.0
    assert trained['neck.weight']['lr'] == 1e-3
    assert len({group['group_name'] for group in optimizer.param_groups}) == len(optimizer.param_groups)


def test_without_rules_there_is_one_lr():
    optimizer = build(Detector(arch=SMALL))
    assert [(g['group_name'], g['lr'], g['weight_decay']) for g in optimizer.param_groups] == [
        ('decay', 1e-3, 0.05),
        ('no_decay', 1e-3, 0.0),
    ]


def test_a_distributed_wrapper_changes_nothing(monkeypatch):
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    monkeypatch.setenv('MASTER_PORT', '0')
    model = Detector(arch=SMALL)
    bare = table(model, decay_rate=0.7, scheme='layer_wise')
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    try:
        assert table(MMDistributedDataParallel(model), decay_rate=0.7, scheme='layer_wise') == bare
    finally:
        torch.distributed.destroy_process_group()


def test_norm_bias_and_custom_rules_join_the_layers_scale():
    custom = {
        'neck': dict(lr_mult=0.1),
        'stages.2': dict(decay_mult=0.5),
        'stages.2.0': dict(lr_mult=3.0),
    }
    found = table(
        Detector(arch=SMALL),
        decay_rate=0.5,
        scheme='layer_wise',
        norm_decay_mult=1.0,
        bias_decay_mult=0.2,
        custom_keys=custom,
    )
    assert found['bn.weight'] == found['bn.bias'] == (1.0, 0.05)
    assert found['neck.weight'] == (0.1, 0.05)
    assert found['neck.bias'] == (0.1, pytest.approx(0.01))
    assert found['student.backbone.stages.1.0.dwconv.bias'] == (0.5**4, pytest.approx(0.01))
    assert found['student.backbone.stages.1.0.gamma'] == (0.5**4, 0.0)  # by name, whatever the other rules
    assert found['student.backbone.stages.2.1.dwconv.weight'] == (0.5**3, 0.025)
    assert found['student.backbone.stages.2.0.dwconv.weight'] == (3 * 0.5**3, 0.05)  # the longest key alone


@pytest.mark.parametrize(
    ('rules', 'said'),
    [
        (dict(decay_rate=0.7, scheme='layer_wise', num_layers=12), r'num_layers 12 does not fit depths .*take 5'),
        (dict(decay_rate=0.7, scheme='single', num_layers=12), r'num_layers 12 does not fit .* take 7'),
        (dict(decay_rate=0.7, scheme='stage_wise', num_layers=3), 'num_layers 3 is less than the 4 stages'),
        (dict(decay_rate=0.0, scheme='layer_wise'), r'decay_rate 0.0 is outside \(0, 1\]'),
        (dict(decay_rate=1.1, scheme='layer_wise'), r'decay_rate 1.1 is outside \(0, 1\]'),
        (dict(decay_rate='0.7', scheme='layer_wise'), r"decay_rate '0.7' is outside \(0, 1\]"),
        (dict(decay_rate=0.7, scheme='layerwise'), 'layerwise.*take one of layer_wise, stage_wise, single'),
        (dict(decay_rate=0.7), 'has no scheme'),
        (dict(num_layers=6), 'has no decay_rate'),
        (dict(decay_type='layer_wise'), "no rule 'decay_type'.*takes decay_rate, scheme"),
        (dict(custom_keys={'nek': dict(lr_mult=0.1)}), "no parameter has 'nek' in its name"),
        (dict(custom_keys={'neck': dict(lr=0.1)}), "lr_mult and decay_mult, not 'lr'"),
    ],
)
def test_wrong_rules_say_what_is_allowed(rules, said):
    with pytest.raises(UserError, match=said) as error:
        build(Detector(arch=SMALL), **rules)
    assert '\n' not in str(error.value)


def test_a_model_without_layer_ids_is_refused():
    with pytest.raises(UserError, match=r'Sequential has no layer ids: .* such as convnext_dense\.ConvNeXt'):
        build(nn.Sequential(nn.Linear(2, 2)), decay_rate=0.7, scheme='layer_wise')


@pytest.mark.parametrize('scheme', ['layer_wise', 'stage_wise'])
def test_every_layer_of_an_overlapping_stem_is_the_stem_and_norms_without_bias_never_decay(scheme):
    model = ConvNeXt(SMALL, stem='overlap_act', norm='simple_norm', out_indices=None, norm_before_pooling=True)
    found = table(model, decay_rate=0.7, scheme=scheme, norm_decay_mult=0.5)
    last = model.num_layers(scheme) + 1
    stem = {name: values for name, values in found.items() if name.startswith('downsample_layers.0.')}
    assert len(stem) == 5
    for name, (scale, decay) in found.items():
        norm = 'norm' in name or name in (
            'downsample_layers.0.3.weight',
            *(f'downsample_layers.{i}.0.weight' for i in (1, 2, 3)),
        )
        wanted = 0.025 if norm else 0.05 if name.endswith('.weight') else 0.0
        assert decay == pytest.approx(wanted), name
        assert name not in stem or scale == pytest.approx(0.7**last), name
    assert found['norm_pre.weight'][0] == 1


def test_biases_of_attention_follow_the_rule_for_biases():
    model = nn.MultiheadAttention(4, 2)
    decays = {name: decay for name, (_, decay) in table(model, bias_decay_mult=0.5).items()}
    assert decays == {
        'in_proj_weight': 0.05,
        'in_proj_bias': 0.025,
        'out_proj.weight': 0.05,
        'out_proj.bias': 0.025,
    }
