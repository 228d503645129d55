"""Weights in other libraries' formats: the networks of timm, torchvision and transformers are the reference."""

import re

import pytest
import timm
import torch
import transformers
from torchvision.models import convnext as torchvision_convnext

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.formats import FORMATS, TIMM_CONV_MLP, detect_arch

DEPTHS, DIMS = [1, 2, 1, 1], [8, 16, 24, 32]
CLASSES = 5


def classifier(version: int = 1, **backbone) -> ImageClassifier:
    arch = dict(depths=DEPTHS, dims=DIMS)
    backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, version=version) | backbone
    return perturbed(ImageClassifier(backbone, CLASSES))


def perturbed(model: torch.nn.Module) -> torch.nn.Module:
    """No parameter at its start, where a swapped or lost one would make no difference."""
    for name, p in model.named_parameters():
        torch.nn.init.normal_(p, mean=0.7 if 'norm' in name and name.endswith('weight') else 0, std=0.3)
    return model.eval()


def of_timm(version: int, conv_mlp: bool) -> torch.nn.Module:
    return timm.models.convnext.ConvNeXt(
        depths=DEPTHS,
        dims=DIMS,
        num_classes=CLASSES,
        conv_mlp=conv_mlp,
        use_grn=version == 2,
        ls_init_value=1e-6 if version == 1 else None,
    )


def of_torchvision() -> torch.nn.Module:
    setting = torchvision_convnext.CNBlockConfig
    after = [*DIMS[1:], None]
    settings = [setting(d, n, depth) for d, n, depth in zip(DIMS, after, DEPTHS, strict=True)]
    return torchvision_convnext.ConvNeXt(settings, num_classes=CLASSES)


def of_transformers(version: int) -> torch.nn.Module:
    of = 'ConvNext' if version == 1 else 'ConvNextV2'
    config = getattr(transformers, f'{of}Config')(
        depths=DEPTHS, hidden_sizes=DIMS, num_labels=CLASSES, layer_norm_eps=1e-6
    )
    return getattr(transformers, f'{of}ForImageClassification')(config)


NETWORKS = {
    'timm': lambda: of_timm(1, conv_mlp=False),
    'timm, conv_mlp': lambda: of_timm(1, conv_mlp=True),
    'timm V2': lambda: of_timm(2, conv_mlp=False),
    'timm V2, conv_mlp': lambda: of_timm(2, conv_mlp=True),
    'torchvision': of_torchvision,
    'hf': lambda: of_transformers(1),
    'hf V2': lambda: of_transformers(2),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_other_libraries_networks_give_our_logits_both_ways(name):
    version, format = 2 if 'V2' in name else 1, re.split(r'[ ,]', name)[0]
    theirs, ours = perturbed(NETWORKS[name]()), classifier(version)
    images = torch.randn(2, 3, 64, 96)

    def logits() -> torch.Tensor:
        out = theirs(images)
        return getattr(out, 'logits', out)

    with torch.no_grad():
        assert (logits() - ours(images)).abs().max() > 0.1
        taken = convert(theirs.state_dict(), 'ours')
        assert taken.source == format
        assert taken.left_over == []
        own = ours.state_dict()
        ours.load_state_dict(taken.state)
        torch.testing.assert_close(ours(images), logits(), rtol=0, atol=1e-5)

        given = convert(own, format, conv_mlp='conv_mlp' in name)
        theirs.load_state_dict(given.state)
        ours.load_state_dict(own)
        torch.testing.assert_close(logits(), ours(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize('version', [1, 2])
def test_a_backbone_of_transformers_without_a_head_gives_our_features(version):
    theirs = perturbed(of_transformers(version)).base_model
    ours = classifier(version).backbone
    taken = convert(theirs.state_dict(), 'ours').state
    ours.load_state_dict({n.removeprefix('backbone.'): t for n, t in taken.items()})
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images).pooler_output, rtol=0, atol=1e-5)
    back = convert(taken, 'hf').state
    theirs.load_state_dict(back)


def test_transformers_dinov3_gives_our_features():
    config = transformers.DINOv3ConvNextConfig(depths=DEPTHS, hidden_sizes=DIMS)
    theirs = perturbed(transformers.DINOv3ConvNextModel(config))
    ours = ConvNeXt(dict(depths=DEPTHS, dims=DIMS), out_indices=None).eval()
    weights = convert(theirs.state_dict(), 'ours')
    assert weights.source == 'hf, DINOv3' and not weights.left_over
    ours.load_state_dict({name.removeprefix('backbone.'): tensor for name, tensor in weights.state.items()})
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        assert (theirs(images).pooler_output - ours(images)).abs().max() < 1e-4


def test_official_dinov3_repeats_its_final_norm_as_norms_3():
    state = {name.removeprefix('backbone.'): tensor for name, tensor in classifier().backbone.state_dict().items()}
    copy = {f'norms.3.{leaf}': state[f'norm.{leaf}'].clone() for leaf in ('weight', 'bias')}
    weights = convert({**state, **copy}, 'ours')
    assert {name.removeprefix('backbone.') for name in weights.state} == state.keys()
    assert weights.left_over == list(copy)
    copy['norms.3.bias'][0] += 1
    with pytest.raises(UserError, match=r'^x\.pth has other values in norms\.3 than in norm, of which it is a copy'):
        convert({**state, **copy}, 'ours', path='x.pth')


@pytest.mark.parametrize('norms', [0, 3])
def test_eupes_projectors_and_norms_of_features_are_left_over(norms):
    state = {name.removeprefix('backbone.'): tensor for name, tensor in classifier().backbone.state_dict().items()}
    beside = {f'projectors.{name}.mlp.0.weight': torch.randn(3, 3) for name in ('clip', 'dino')} if norms else {}
    beside |= {f'norms.{s}.{leaf}': torch.randn(DIMS[s]) for s in range(norms, 4) for leaf in ('weight', 'bias')}
    weights = convert({**state, **beside}, 'ours')
    assert {name.removeprefix('backbone.') for name in weights.state} == state.keys()
    assert set(weights.left_over) == beside.keys()


def of_timm_with(**arguments) -> torch.nn.Module:
    arguments = dict(depths=DEPTHS, dims=DIMS, num_classes=CLASSES) | arguments
    return perturbed(timm.models.convnext.ConvNeXt(**arguments))


WIDE = [24, 16, 24, 32]  # half of 8 is rounded up to 8
VARIANTS = {
    'a hidden layer in its head': (dict(head_hidden_size=48), {}, 48),
    'stem overlap': (dict(stem_type='overlap'), dict(stem='overlap'), None),
    'stem overlap_tiered': (
        dict(stem_type='overlap_tiered', dims=WIDE),
        dict(stem='overlap_tiered', arch=dict(depths=DEPTHS, dims=WIDE)),
        None,
    ),
    'stem overlap_act': (dict(stem_type='overlap_act'), dict(stem='overlap_act'), None),
    'norms without a bias': (dict(norm_layer='rmsnorm', norm_eps=1e-6), dict(norm='rms_norm'), None),
    'norms without a bias, but': (dict(norm_layer='simplenorm', norm_eps=1e-6), dict(norm='simple_norm'), None),
    'norm before the pooling': (dict(head_norm_first=True), dict(norm_before_pooling=True), None),
    'kernel_size (7, 5, 5, 3)': (dict(kernel_sizes=(7, 5, 5, 3)), dict(kernel_size=(7, 5, 5, 3)), None),
}


@pytest.mark.parametrize('name', VARIANTS)
def test_timms_variants_give_our_logits_both_ways_and_other_formats_refuse_them_by_name(name):
    theirs, backbone, hidden = VARIANTS[name]
    theirs = of_timm_with(**theirs)
    backbone = dict(type='convnext_dense.ConvNeXt', arch=dict(depths=DEPTHS, dims=DIMS), out_indices=None) | backbone
    ours = ImageClassifier(backbone, CLASSES, head_hidden_size=hidden).eval()
    weights = convert(theirs.state_dict(), 'ours')
    assert not weights.left_over
    ours.load_state_dict(weights.state)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-5)
    assert detect_arch(weights.state).size == (ours.backbone.depths, ours.backbone.dims)
    conv_mlp = theirs.stages[0].blocks[0].mlp.fc1.weight.ndim == 4
    assert equal(convert(ours.state_dict(), 'timm', conv_mlp).state, theirs.state_dict())
    for format in FORMATS.keys() - {'ours', 'timm'}:
        said = re.escape(name.split(', but')[0])
        with pytest.raises(UserError, match=f'^{format} has no ConvNeXt with {said}: take the format timm or ours$'):
            convert(weights.state, format)


@pytest.mark.parametrize('shape', [(-1,), (1, -1), (1, 1, 1, -1)])
def test_grn_of_official_files_may_have_any_of_its_shapes(shape):
    own = classifier(version=2).state_dict()
    theirs = {n.removeprefix('backbone.'): t.reshape(shape) if '.grn.' in n else t for n, t in own.items()}
    weights = convert(theirs, 'ours')
    assert weights.source == 'official'
    for name, tensor in own.items():
        assert torch.equal(weights.state[name], tensor), name


def test_parts_beside_the_backbone_keep_their_shapes():
    own = classifier(version=2).state_dict()
    beside = {
        'decode_head.grn.gamma': torch.ones(4),
        'neck.pwconv1.weight': torch.ones(2, 3, 1, 1),
        'neck.norm.gamma': torch.ones(4, 1, 1),
    }
    weights = convert({**own, **beside}, 'ours')
    assert {name: weights.state[name].shape for name in beside} == {name: t.shape for name, t in beside.items()}


@pytest.mark.parametrize('feature_cls', ['list', 'getter'])
def test_timms_features_only_are_recognized(feature_cls):
    with torch.device('meta'):
        theirs = timm.create_model('convnext_atto', features_only=True, feature_cls=feature_cls)
        ours = ConvNeXt('atto', out_indices=())
    taken = convert(theirs.state_dict(), 'ours')
    trunk = {n.removeprefix('backbone.'): t.shape for n, t in taken.state.items()}
    assert trunk == {n: t.shape for n, t in ours.state_dict().items()}
    assert taken.left_over == []


@pytest.mark.parametrize(('version', 'arch'), [(1, 'atto'), (1, 'nano'), (1, 'tiny'), (2, 'pico'), (2, 'tiny')])
def test_weights_for_timm_fit_what_timm_builds_by_the_sizes_name(version, arch):
    name = f'convnext{"v2" if version == 2 else ""}_{arch}'
    with torch.device('meta'):
        theirs = timm.create_model(name)
        backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, version=version)
        state = convert(ImageClassifier(backbone, 1000).state_dict(), 'timm').state
    assert {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in theirs.state_dict().items()}
    assert (arch in TIMM_CONV_MLP) == (state['stages.0.blocks.0.mlp.fc1.weight'].ndim == 4)


def equal(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(a[n].shape == b[n].shape and torch.equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize('arch', ['atto', 'femto', dict(depths=DEPTHS, dims=DIMS)], ids=str)
@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('format', FORMATS)
def test_there_and_back_is_equal(format, version, arch):
    state = classifier(version, arch=arch).state_dict()
    if (format, version) == ('torchvision', 2):
        with pytest.raises(UserError, match='torchvision has no ConvNeXt V2'):
            convert(state, format)
        return
    if format == 'fcmae':  # a pre-training's, of V2 without final norm and head, as in test_fcmae_layout.py
        if version == 1:
            return
        state = {n: t for n, t in state.items() if not n.startswith(('backbone.norm.', 'head.'))}
    there = convert(state, format)
    assert there.left_over == []
    back = convert(there.state, 'ours')
    assert back.source == format
    assert equal(back.state, state)
    assert equal(convert({f'module.{n}': t for n, t in there.state.items()}, 'ours').state, state)
    assert detect_arch(back.state).version == version
    assert detect_arch(back.state).name == (arch if isinstance(arch, str) else None)


def mmpretrains(state: dict) -> dict:
    """mmpretrain's names for a classifier of ours."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace('.dwconv.', '.depthwise_conv.').replace('.pwconv', '.pointwise_conv')
        name = re.sub(r'^backbone\.norm\.', 'backbone.norm3.', name)
        name = re.sub(r'^head\.', 'head.fc.', name)
        renamed[name] = tensor.flatten() if '.grn.' in name else tensor
    return renamed


@pytest.mark.parametrize('version', [1, 2])
def test_mmpretrains_classifier_has_its_final_norm_in_norm3(version):
    state = classifier(version).state_dict()
    assert equal(convert(mmpretrains(state), 'ours').state, state)
    assert equal(convert(state, 'mmpretrain').state, mmpretrains(state))
    trunk = {n.removeprefix('backbone.'): t for n, t in mmpretrains(state).items() if n.startswith('backbone.')}
    assert equal(convert(trunk, 'ours').state, {n: t for n, t in state.items() if n.startswith('backbone.')})


@pytest.mark.parametrize('indices', [(0, 1, 2, 3), (3,)])
def test_in_a_dense_model_norm3_is_the_norm_of_the_last_output(indices):
    """mmdet's and mmseg's own checkpoints, with mmpretrain's backbone."""
    backbone = perturbed(ConvNeXt(dict(depths=DEPTHS, dims=DIMS), out_indices=indices))
    state = {f'backbone.{n}': t for n, t in backbone.state_dict().items()}
    state |= {'neck.fpn.conv.weight': torch.randn(3), 'roi_head.bbox_head.fc_cls.weight': torch.randn(6, 2)}
    theirs = mmpretrains(state)
    taken = convert(theirs, 'ours')
    assert taken.source == 'mmpretrain'
    assert equal(taken.state, state)
    assert equal(convert(state, 'mmpretrain').state, theirs)


def test_of_a_dense_model_other_formats_take_the_backbone():
    backbone = perturbed(ConvNeXt(dict(depths=DEPTHS, dims=DIMS)))
    trunk = {f'backbone.{n}': t for n, t in backbone.state_dict().items()}
    state = trunk | {'neck.weight': torch.randn(3)}
    norms = [f'backbone.norm{s}.{kind}' for s in range(4) for kind in ('weight', 'bias')]
    assert sorted(convert(state, 'timm').left_over) == sorted([*norms, 'neck.weight'])
    assert convert(state, 'hf').left_over == ['neck.weight']
    assert equal(convert(convert(state, 'hf').state, 'ours').state, trunk)


def test_a_backbone_of_transformers_has_our_norms_of_outputs():
    config = transformers.ConvNextConfig(depths=DEPTHS, hidden_sizes=DIMS, out_indices=[1, 2, 3, 4])
    theirs = perturbed(transformers.ConvNextBackbone(config))
    ours = ConvNeXt(dict(depths=DEPTHS, dims=DIMS)).eval()
    taken = convert(theirs.state_dict(), 'ours')
    ours.load_state_dict({n.removeprefix('backbone.'): t for n, t in taken.state.items()})
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(ours(images), theirs(images).feature_maps, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_isotropic_weights_keep_their_names_and_have_two_formats():
    with torch.device('meta'):
        model = ImageClassifier(dict(type='convnext_dense.IsotropicConvNeXt', arch='small'), CLASSES)
    official = convert(model.state_dict(), 'official')
    assert 'blocks.0.dwconv.weight' in official.state
    assert convert(official.state, 'ours').state.keys() == model.state_dict().keys()
    with pytest.raises(UserError, match='timm has no isotropic'):
        convert(model.state_dict(), 'timm')


def test_what_is_no_convnext_or_more_than_one_is_an_error_that_names_the_first_tensors():
    with torch.device('meta'):
        vit = timm.create_model('vit_tiny_patch16_224').state_dict()
    with pytest.raises(UserError, match=r'x\.pth holds no ConvNeXt weights: its first tensors are cls_token'):
        convert(vit, 'ours', path='x.pth')
    with pytest.raises(UserError, match='no ConvNeXt weights'):
        convert({}, 'ours')
    one = classifier().state_dict()
    two = {f'teacher.{n}': t for n, t in one.items()} | {f'student.{n}': t for n, t in one.items()}
    with pytest.raises(UserError, match=r'more than one ConvNeXt, at teacher\.backbone\. .* and student\.backbone\.'):
        convert(two, 'ours')


def test_what_our_network_has_not_stays_in_the_backbone_to_be_refused():
    state = classifier().state_dict() | {'backbone.stages.0.0.attention.weight': torch.zeros(3)}
    assert 'backbone.stages.0.0.attention.weight' in convert(convert(state, 'ours').state, 'ours').state
    official = {name.removeprefix('backbone.'): tensor for name, tensor in state.items()}
    assert 'backbone.stages.0.0.attention.weight' in convert(official, 'ours').state


def test_open_clip_has_its_trunk_and_all_else_is_left_over():
    trunk = of_timm(1, conv_mlp=False)
    trunk.reset_classifier(0)
    state = {f'visual.trunk.{name}': tensor for name, tensor in perturbed(trunk).state_dict().items()}
    beside = {
        name: torch.randn(2)
        for name in (
            'positional_embedding',
            'logit_scale',
            'visual.head.proj.weight',
            'transformer.resblocks.0.ln_1.bias',
        )
    }
    weights = convert(beside | state, 'ours')
    assert weights.source == 'timm'
    assert weights.left_over == list(beside)
    ours = classifier().backbone
    ours.load_state_dict({name.removeprefix('backbone.'): tensor for name, tensor in weights.state.items()})
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), trunk(images), rtol=0, atol=1e-5)


def test_a_clip_model_around_another_network_holds_no_convnext():
    open_clip = pytest.importorskip('open_clip')
    vision = dict(layers=[1, 1, 1, 1], width=8, image_size=32)
    text = dict(context_length=8, vocab_size=16, width=8, heads=2, layers=1)
    state = open_clip.CLIP(embed_dim=8, vision_cfg=vision, text_cfg=text).state_dict()
    with pytest.raises(
        UserError, match=r'^x\.bin holds no ConvNeXt weights: its first tensors are positional_embedding'
    ):
        convert(state, 'ours', path='x.bin')
    only_text = {name: tensor for name, tensor in state.items() if not name.startswith('visual.')}
    with pytest.raises(UserError, match='holds no ConvNeXt weights'):
        convert(only_text, 'ours')


def test_numbers_in_names_cost_no_memory():
    state = classifier().state_dict() | {'neck.99999999999.weight': torch.zeros(1)}
    assert convert(state, 'timm').left_over == ['neck.99999999999.weight']
