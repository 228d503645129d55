"""What weights don't tell about their network: eps and GELU, from the config beside them."""

import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import save_file
from transformers.activations import ACT2FN

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.models.layers import ACTIVATIONS, NORMS
from convnext_dense.weights.conversion import ConvertedWeights, convert
from convnext_dense.weights.hub_config import NAMES_OF_ACTIVATIONS, NORMS_OF_TIMM, network_settings
from convnext_dense.weights.loading import load_pretrained
from tests.helpers.small_classifier import classifier as small_classifier
from tests.helpers.small_classifier import save
from tests.helpers.timm_kinds import FOLLOWING, KINDS, SIZE, randomize, timm_network

DEPTHS, DIMS = [1, 1, 1, 1], [4, 8, 12, 16]


def classifier(**backbone) -> ImageClassifier:
    arch = dict(depths=DEPTHS, dims=DIMS)
    return ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, **backbone), 4).eval()


def repository(folder: Path, format: str, config: dict | None) -> Path:
    folder.mkdir()
    state = convert(classifier().state_dict(), format).state
    save_file({n: t.contiguous() for n, t in state.items()}, folder / 'model.safetensors')
    if config is not None:
        (folder / 'config.json').write_text(json.dumps(config))
    return folder / 'model.safetensors'


def test_transformers_own_folder_gives_its_logits_with_its_eps(tmp_path):
    config = transformers.ConvNextConfig(depths=DEPTHS, hidden_sizes=DIMS, num_labels=4, layer_norm_eps=0.1)
    theirs = transformers.ConvNextForImageClassification(config).eval()
    torch.nn.init.normal_(theirs.classifier.weight)
    theirs.save_pretrained(tmp_path)
    file = tmp_path / 'model.safetensors'
    with pytest.raises(UserError, match=r'has eps 0\.1, this model 0\.01: leave model\.backbone\.final_norm_eps out$'):
        load_pretrained(classifier(final_norm_eps=0.01), file)
    ours = classifier()
    assert "final norm's eps 0.1 and exact GELU, from config.json" in load_pretrained(ours, file)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images).logits, rtol=0, atol=1e-5)


def test_a_model_without_a_final_norm_takes_any_eps(tmp_path):
    file = repository(tmp_path / 'r', 'hf', {'model_type': 'convnext'})  # transformers' own eps is 1e-12
    dense = torch.nn.Module()
    dense.backbone = ConvNeXt(dict(depths=DEPTHS, dims=DIMS))
    assert 'eps 1e-12' in load_pretrained(dense, file)
    model = classifier()
    load_pretrained(model, file)
    assert model.backbone.norm.eps == 1e-12


def test_a_segmentor_of_transformers_has_the_config_of_its_backbone_inside(tmp_path):
    backbone = transformers.ConvNextConfig(
        depths=DEPTHS, hidden_sizes=DIMS, out_features=[f'stage{s}' for s in range(1, 5)]
    )
    config = transformers.UperNetConfig(backbone_config=backbone, hidden_size=8, auxiliary_in_channels=DIMS[2])
    theirs = transformers.UperNetForSemanticSegmentation(config).eval()
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    theirs.save_pretrained(tmp_path)
    ours = torch.nn.Module()
    ours.backbone = ConvNeXt(dict(depths=DEPTHS, dims=DIMS)).eval()
    assert 'fresh: nothing' in load_pretrained(ours, tmp_path / 'model.safetensors')
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for own, other in zip(ours.backbone(images), theirs.backbone(images).feature_maps, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


OF_TIMM = {'architecture': 'convnext_tiny', 'model_args': {'depths': DEPTHS, 'dims': DIMS}}


def of_timm(architecture: str = 'convnext_tiny', **arguments) -> dict:
    return {'architecture': architecture, 'model_args': {**OF_TIMM['model_args'], **arguments}}


@pytest.mark.parametrize(
    ('format', 'config', 'said'),
    [
        ('hf', {'model_type': 'convnext', 'hidden_act': 'quick_gelu'}, "activation 'quick_gelu'"),
        ('hf', {'model_type': 'convnext', 'layer_norm_eps': -1}, 'layer_norm_eps -1'),
        ('hf', {'model_type': 'convnext', 'layer_norm_eps': 'small'}, 'is not the config of a ConvNeXt'),
        ('hf', {'model_type': 'vit'}, 'is not the config of a ConvNeXt'),
        ('timm', of_timm(act_layer='quick_gelu'), 'activation QuickGELU'),
        ('timm', of_timm(norm_layer='batchnorm2d', conv_mlp=True), 'norms of kind BatchNorm'),
        ('timm', of_timm(output_stride=16), 'output_stride 16'),
        ('timm', OF_TIMM | {'global_pool': 'max'}, "global_pool 'max' before its head"),
        ('timm', of_timm(norm_layer='batchnorm2d'), 'is not the config of a ConvNeXt'),  # timm can't build it
        ('timm', {'architecture': 'resnet50'}, 'is not the config of a ConvNeXt'),
        ('timm', {'architecture': 'hf_hub:someone/else'}, 'is not the config of a ConvNeXt'),
        ('timm', [], 'is not a JSON file with a dict'),
        ('timm', {'model_type': 'convnext'}, "config.json is transformers', and the weights in .* have timm's names"),
        ('hf', OF_TIMM, "config.json is timm's, and the weights in .* have transformers' names"),
    ],
)
def test_what_our_network_does_not_compute_is_refused(tmp_path, format, config, said):
    with pytest.raises(UserError, match=said) as error:
        load_pretrained(classifier(), repository(tmp_path / 'r', format, config))
    assert 'config.json' in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('format', 'config', 'said'),
    [
        ('hf', {'model_type': 'convnextv2'}, 'model_type is convnextv2 there, and convnext in'),
        ('hf', {'model_type': 'dinov3_convnext'}, 'model_type is dinov3_convnext there, and convnext in'),
        (
            'hf',
            {'model_type': 'convnext', 'depths': [1, 1, 2, 1]},
            r'depths is \(1, 1, 2, 1\) there, and \(1, 1, 1, 1\)',
        ),
        ('hf', {'model_type': 'convnext', 'hidden_sizes': [4, 8, 12, 24]}, r'hidden_sizes is \(4, 8, 12, 24\) there'),
        ('hf', {'model_type': 'convnext', 'num_channels': 1}, 'num_channels is 1 there, and 3 in'),
        ('hf', {'model_type': 'convnext', 'id2label': dict.fromkeys('abc')}, 'number of labels is 3 there, and 4 in'),
        ('hf', {'model_type': 'convnext', 'num_labels': 5}, 'number of labels is 5 there, and 4 in'),
        (
            'timm',
            {'architecture': 'convnext_atto'},
            r'depths \(by architecture convnext_atto\) is \(2, 2, 6, 2\) there',
        ),
        ('timm', of_timm(dims=[8, 8, 12, 16]), r'dims is \(8, 8, 12, 16\) there, and \(4, 8, 12, 16\)'),
        ('timm', of_timm(depths=[1] * 10**6), 'depths is'),  # a network that is never built
        ('timm', of_timm('convnextv2_tiny'), 'version .* is 2 there, and 1 in'),
        ('timm', of_timm('convnext_nano_ols'), 'stem .* is overlap there, and patch in'),
        ('timm', of_timm('convnext_tiny_hnf'), 'norm_before_pooling .* is True there, and False in'),
        ('timm', of_timm(norm_layer='rmsnorm'), 'norm .* is without a bias there, and layer_norm in'),
        ('timm', of_timm(kernel_sizes=5), r'kernel_size .* is \(5, 5, 5, 5\) there, and \(7, 7, 7, 7\) in'),
        ('timm', OF_TIMM | {'num_classes': 1000}, 'num_classes is 1000 there, and 4 in'),
    ],
)
def test_a_config_that_contradicts_the_weights_is_refused_with_both_values(tmp_path, format, config, said):
    file = repository(tmp_path / 'r', format, config)
    with pytest.raises(UserError, match=rf'config\.json contradicts its weights: {said}') as error:
        load_pretrained(classifier(), file)
    assert str(file) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('name', KINDS)
@torch.no_grad()
def test_timms_networks_give_their_logits_with_eps_activation_and_norm_of_the_config(tmp_path, name):
    theirs = timm_network(name)
    save_file({n: t.contiguous() for n, t in theirs.state_dict().items()}, tmp_path / 'model.safetensors')
    config = {'architecture': name, 'num_classes': 4, 'model_args': SIZE}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    arguments = {key: value for key, value in KINDS[name].items() if key not in FOLLOWING}
    ours = small_classifier(arch=SIZE, **arguments).double().eval()
    line = load_pretrained(ours, tmp_path / 'model.safetensors')
    assert 'fresh: nothing' in line and 'from config.json' in line
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('activation', ['gelu_new', 'silu', 'gelu_pytorch_tanh'])
@pytest.mark.parametrize('kind', ['ConvNext', 'ConvNextV2'])
@torch.no_grad()
def test_transformers_networks_give_their_logits_with_another_activation(tmp_path, kind, activation):
    config = getattr(transformers, f'{kind}Config')(
        depths=DEPTHS, hidden_sizes=DIMS, num_labels=4, hidden_act=activation
    )
    theirs = getattr(transformers, f'{kind}ForImageClassification')(config).double().eval()
    randomize(theirs)
    theirs.save_pretrained(tmp_path)
    ours = small_classifier(version=2 if kind.endswith('2') else 1).double().eval()
    load_pretrained(ours, tmp_path / 'model.safetensors')
    assert ours.backbone.norm.eps == 1e-12
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images).logits, rtol=1e-9, atol=1e-12)


def test_what_it_computes_is_taken_and_an_assumption_is_stated(tmp_path):
    config = of_timm(checkpoint_path='/etc/passwd')
    line = load_pretrained(classifier(), repository(tmp_path / 'a', 'timm', config))
    assert line.endswith("final norm's eps 1e-06 and exact GELU, from config.json")
    for name, format, eps in (('b', 'timm', '1e-06'), ('c', 'hf', '1e-12')):  # transformers' own
        model = classifier()
        line = load_pretrained(model, repository(tmp_path / name, format, None))
        assert line.endswith(f"final norm's eps {eps} and exact GELU assumed, without a config.json")
        assert model.backbone.norm.eps == float(eps)
    model = classifier(final_norm_eps=1e-6, activation='silu')  # of which the file tells nothing
    line = load_pretrained(model, tmp_path / 'c' / 'model.safetensors')
    assert line.endswith('final_norm_eps 1e-06 and activation silu as in the config, of which the file tells nothing')
    assert (model.backbone.norm.eps, model.backbone.activation) == (1e-6, 'silu')


@pytest.mark.parametrize(
    ('arch', 'options', 'norm_eps', 'norm', 'note'),
    [
        ('xxlarge', {}, 1e-5, 'layer_norm', "eps 1e-05 in all norms and exact GELU, as in timm's xxlarge"),
        ('zepto', dict(norm='simple_norm'), 1e-6, 'simple_norm', "SimpleNorm, .* as in timm's zepto"),
        ('tiny', {}, 1e-6, 'layer_norm', ''),
        ('nano', dict(stem='overlap'), 1e-6, 'layer_norm', ''),
        ('atto', dict(norm='rms_norm'), 1e-6, None, 'assumed, without a config.json'),
        (dict(depths=DEPTHS, dims=DIMS), {}, 1e-6, 'layer_norm', 'assumed, without a config.json'),
    ],
)
def test_a_bare_file_of_timm_has_the_settings_of_its_size(arch, options, norm_eps, norm, note):
    with torch.device('meta'):
        state = ImageClassifier(
            dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, **options), 4
        ).state_dict()
    found = network_settings(Path('bare.safetensors'), ConvertedWeights('timm', state, []), {})
    assert (found.norm_eps, found.final_norm_eps, found.activation, found.norm) == (norm_eps, norm_eps, 'gelu', norm)
    assert re.search(f'{note}$', found.note) and bool(found.note) == bool(note)


@pytest.mark.parametrize(
    ('name', 'config', 'said'),
    [
        (
            'open_clip_model.safetensors',
            {'model_cfg': {'vision_cfg': {'timm_model_name': 'convnext_base'}}},
            r'open_clip_config\.json contradicts its weights: depths .* is \(3, 3, 27, 3\) there, and \(1, 1, 1, 1\)',
        ),
        (
            'model.safetensors',
            {'model_type': 'detr', 'backbone_config': {'model_type': 'timm_backbone', 'backbone': 'convnext_atto'}},
            r'config\.json contradicts its weights: depths',
        ),
        (
            'model.safetensors',
            {'model_type': 'detr', 'use_timm_backbone': True, 'backbone': 'convnext_atto', 'output_stride': 16},
            'output_stride 16, with dilated convolutions',
        ),
        (
            'open_clip_model.safetensors',
            {'model_cfg': {'vision_cfg': {'layers': [3, 4, 6, 3]}}},
            r'open_clip_config\.json is not the config of a ConvNeXt',
        ),
    ],
)
def test_configs_of_open_clip_and_of_detectors_are_held_against_the_weights(tmp_path, name, config, said):
    state = convert(classifier().state_dict(), 'timm').state
    save_file({f'visual.trunk.{n}': t.contiguous() for n, t in state.items()}, tmp_path / name)
    file = 'open_clip_config.json' if name.startswith('open_clip') else 'config.json'
    (tmp_path / file).write_text(json.dumps(config))
    with pytest.raises(UserError, match=said):
        load_pretrained(classifier(), tmp_path / name)


OF_MMPRETRAIN = "model = dict(type='ImageClassifier', backbone=dict(type='ConvNeXt'{}))\n"


def of_mmpretrain(path: Path, options: str | None, model: ImageClassifier, key: str = 'cfg') -> Path:
    """A checkpoint of mmpretrain with some options of its backbone in the config; None for no config."""
    meta = {} if options is None else {key: OF_MMPRETRAIN.format(options)}
    return save({'state_dict': convert(model.state_dict(), 'mmpretrain').state, 'meta': meta}, path)


@pytest.mark.parametrize('key', ['cfg', 'config'])  # of mmengine and mmcv 1
@pytest.mark.parametrize(
    ('options', 'eps', 'activation'),
    [
        ('', 1e-6, 'gelu'),
        (", act_cfg=dict(type='SiLU'), norm_cfg=dict(type='LN2d', eps=0.1)", 0.1, 'silu'),
        (", act_cfg=dict(type='mmcv.HSwish', inplace=True)", 1e-6, 'hard_swish'),
        (", act_cfg=dict(type='GELU', approximate='tanh')", 1e-6, 'gelu_tanh'),
        (", norm_cfg=dict(type='LN2d')", 1e-5, 'gelu'),  # torch's default
    ],
)
def test_the_config_of_mmpretrains_backbone_is_followed(tmp_path, options, eps, activation, key):
    ours = small_classifier()
    load_pretrained(ours, of_mmpretrain(tmp_path / 'w.pth', options, small_classifier(), key))
    assert {module.eps for module in ours.modules() if isinstance(module, torch.nn.LayerNorm)} == {eps}
    assert ours.backbone.activation == activation
    with pytest.raises(UserError, match=r'this model 0\.01: leave model\.backbone\.norm_eps out$'):
        load_pretrained(small_classifier(norm_eps=0.01), tmp_path / 'w.pth')


@torch.no_grad()
def test_mmpretrains_norm_before_the_pooling(tmp_path):
    source = small_classifier()
    file = of_mmpretrain(tmp_path / 'w.pth', ', gap_before_final_norm=False', source)
    with pytest.raises(UserError, match=r'set model\.backbone\.norm_before_pooling=True$'):
        load_pretrained(small_classifier(), file)
    images = torch.randn(2, 3, 64, 96)
    ours = small_classifier(norm_before_pooling=True).eval()
    load_pretrained(ours, file)
    maps = source.backbone.eval().stages[3](source.backbone.downsample_layers[3](_until_last_stage(source, images)))
    normed = source.backbone.norm(maps.permute(0, 2, 3, 1)).mean((1, 2))
    torch.testing.assert_close(ours(images), source.head(normed))
    dense = torch.nn.Module()
    dense.backbone = ConvNeXt(dict(depths=DEPTHS, dims=DIMS))
    assert 'norm3 starts from the final norm' in load_pretrained(dense, file)


def _until_last_stage(model: ImageClassifier, x: torch.Tensor) -> torch.Tensor:
    for s in range(3):
        x = model.backbone.stages[s](model.backbone.downsample_layers[s](x))
    return x


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (", act_cfg=dict(type='ReLU6')", "activation 'ReLU6'"),
        (", act_cfg=dict(type='LeakyReLU', negative_slope=0.2)", "activation 'LeakyReLU' with negative_slope=0.2"),
        (", norm_cfg=dict(type='GN', num_groups=1)", "norms of kind 'GN'"),
        (', norm_cfg=OTHER', "norms of kind 'None'"),
        (", norm_cfg=dict(type='LN2d', eps=2)", 'eps 2'),
        (", norm_cfg=dict(type='LN2d', eps='small')", 'eps small'),
    ],
)
def test_what_mmpretrains_config_says_and_is_not_computed_is_refused(tmp_path, options, said):
    file = of_mmpretrain(tmp_path / 'w.pth', options, small_classifier())
    with pytest.raises(UserError, match=re.escape(said)) as error:
        load_pretrained(small_classifier(), file)
    assert f'see the config in {file}' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('options', [None, ')'])
def test_without_a_config_that_can_be_read_it_is_assumed(tmp_path, options):
    file = of_mmpretrain(tmp_path / 'w.pth', options, small_classifier())
    assert 'exact GELU assumed, without a config in it' in load_pretrained(small_classifier(), file)
    model = small_classifier(norm_eps=0.01)
    assert 'norm_eps 0.01 as in the config, of which the file tells nothing' in load_pretrained(model, file)


def test_activations_and_norms_have_one_table_for_reading_and_writing():
    assert NAMES_OF_ACTIVATIONS.keys() == ACTIVATIONS.keys()
    assert set(NORMS_OF_TIMM.values()) == NORMS.keys()
    x = torch.linspace(-4, 4, 41)
    for own, (written, *_) in NAMES_OF_ACTIVATIONS.items():
        torch.testing.assert_close(ACT2FN[written](x), ACTIVATIONS[own]()(x))
