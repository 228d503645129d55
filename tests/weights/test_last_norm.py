"""The norm of the last stage's output starts from a final norm that is for positions as well."""

import json

import pytest
import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file

from convnext_dense.models import ConvNeXt
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.loading import load_pretrained
from tests.helpers.small_classifier import ARCH, classifier, official, save
from tests.helpers.timm_kinds import SIZE, randomize, timm_network


def dense(**options) -> torch.nn.Module:
    model = torch.nn.Module()
    model.backbone = ConvNeXt(**{'arch': ARCH, **options}).double().eval()
    return model


STARTS = 'norm3 starts from the final norm, which these weights have for positions as well'


@torch.no_grad()
def test_the_last_features_are_those_of_transformers_dinov3(tmp_path):
    config = transformers.DINOv3ConvNextConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[4, 8, 12, 16], layer_norm_eps=1e-2, hidden_act='silu'
    )
    theirs = transformers.DINOv3ConvNextModel(config).double().eval()
    randomize(theirs)
    theirs.save_pretrained(tmp_path)
    ours = dense()
    line = load_pretrained(ours, tmp_path / 'model.safetensors')
    assert STARTS in line and 'fresh: norms of the outputs' not in line and 'left over in the file: nothing' in line
    assert 'fresh: backbone.norm0, backbone.norm1, backbone.norm2;' in line
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    output = theirs(images)
    features = ours.backbone(images)
    positions = output.last_hidden_state[:, 1:].transpose(1, 2).unflatten(2, (2, 3))
    torch.testing.assert_close(features[3], positions, rtol=1e-9, atol=1e-12)
    raw = transformers.DINOv3ConvNextBackbone.from_pretrained(tmp_path, out_features=['stage1', 'stage4']).double()
    for own, stage in ((0, 0), (3, 1)):
        maps = raw.eval()(images).feature_maps[stage].permute(0, 2, 3, 1)
        norm = ours.backbone.get_submodule(f'norm{own}')
        expected = F.layer_norm(maps, maps.shape[-1:], norm.weight, norm.bias, 1e-2).permute(0, 3, 1, 2)
        torch.testing.assert_close(features[own], expected, rtol=1e-5, atol=1e-6)  # raw was read in float32
    assert (ours.backbone.norm0.weight == 1).all() and not (ours.backbone.norm3.weight == 1).any()


def with_norms(values: dict[str, float], projectors: bool = False) -> dict:
    """An official file with ``norms.*``, each leaf the final norm's plus a value."""
    content = official(classifier())
    state = content['model']
    for place, offset in values.items():
        state |= {f'norms.{place}.{leaf}': state[f'norm.{leaf}'] + offset for leaf in ('weight', 'bias')}
    if projectors:
        state['projectors.0.weight'] = torch.zeros(2, 2)
    return {name: t for name, t in state.items() if not name.startswith('head.')}


@pytest.mark.parametrize(
    ('content', 'starts'),
    [
        (lambda: with_norms({'3': 0}), True),  # DINOv3's
        (lambda: with_norms({'3': 0}, projectors=True), True),  # EUPE's
        (lambda: with_norms({'3': 1}, projectors=True), False),
        (lambda: with_norms({'2': 0}, projectors=True), False),
        (lambda: with_norms({}), False),
    ],
)
def test_official_files_start_it_where_they_repeat_the_final_norm(content, starts, tmp_path):
    state = content()
    model = dense()
    line = load_pretrained(model, save(state, tmp_path / 'w.pth'))
    assert (STARTS in line) == starts
    for leaf, fresh in (('weight', 1.0), ('bias', 0.0)):
        loaded = model.backbone.norm3.get_parameter(leaf)
        expected = state[f'norm.{leaf}'].double() if starts else torch.full_like(loaded, fresh)
        torch.testing.assert_close(loaded.detach(), expected)
    assert STARTS not in load_pretrained(dense(out_indices=(0, 1)), tmp_path / 'w.pth')
    classifies = classifier()
    line = load_pretrained(classifies, tmp_path / 'w.pth')
    assert STARTS not in line and 'fresh: head' in line
    assert torch.equal(classifies.backbone.norm.weight, state['norm.weight'])


@pytest.mark.parametrize(
    ('folder', 'cfg', 'starts'),
    [
        ('a', {'pretrained_cfg': {'tag': 'dinov3_lvd1689m'}}, True),
        ('timm--convnext_tiny.dinov3_lvd1689m', {}, True),
        ('timm--convnext_tiny.dinov3_lvd1689m', None, True),
        ('b', {'pretrained_cfg': {'tag': 'fb_in1k'}}, False),
        ('c', None, False),
        ('models--timm--convnext_tiny.dinov3_lvd1689m', None, True),
        ('timm--convnext_tiny.dinov3_lvd1689m', {'pretrained_cfg': {'tag': 'fb_in1k'}}, False),
        ('d', {'architecture': 'convnext_tiny.dinov3_lvd1689m'}, True),
        ('compare_with_dinov3', None, False),  # folders of a user tell nothing
        ('convnext_tiny.dinov3_lvd1689m', {'pretrained_cfg': {}}, False),
    ],
)
def test_timms_dinov3_starts_it_by_tag_or_name(folder, cfg, starts, tmp_path):
    source = classifier()
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / 'model.safetensors'
    save_file({n: t for n, t in convert(source.state_dict(), 'timm').state.items() if 'head.fc' not in n}, file)
    if cfg is not None:
        arguments = {'architecture': 'convnext_tiny', 'model_args': ARCH | {'num_classes': 0}}
        file.with_name('config.json').write_text(json.dumps(arguments | cfg))
    model = dense()
    assert (STARTS in load_pretrained(model, file)) == starts
    expected = source.backbone.norm.weight if starts else torch.ones(16)
    torch.testing.assert_close(model.backbone.norm3.weight.detach(), expected.detach().double())


@pytest.mark.parametrize(
    ('name', 'starts'),
    [
        ('convnext_tiny.dinov3_lvd1689m.safetensors', True),
        ('0a1b2c3d-convnext_tiny.dinov3_lvd1689m.safetensors', True),  # of a download by URL
        ('compare_with_dinov3/convnext_atto.d2_in1k.safetensors', False),
        ('convnext_atto_better_than_dinov3.safetensors', False),
    ],
)
def test_a_bare_file_is_timms_dinov3_by_its_own_name_alone(name, starts, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    state = convert(classifier().state_dict(), 'timm').state
    save_file({n: t for n, t in state.items() if 'head.fc' not in n}, tmp_path / name)
    assert (STARTS in load_pretrained(dense(), tmp_path / name)) == starts


@torch.no_grad()
def test_timms_norm_before_the_pooling_is_the_last_outputs(tmp_path):
    theirs = timm_network('convnext_tiny_hnf')
    save_file({n: t.contiguous() for n, t in theirs.state_dict().items()}, tmp_path / 'model.safetensors')
    model = dense(arch=SIZE)
    assert STARTS in load_pretrained(model, tmp_path / 'model.safetensors')
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    torch.testing.assert_close(model.backbone(images)[3], theirs.forward_features(images), rtol=1e-9, atol=1e-12)
