"""Settings beside the weights: from a model into its checkpoint, and back into a model."""

from pathlib import Path

import pytest
import torch
from torch import nn

from convnext_dense.errors import UserError
from convnext_dense.models import ImageClassifier
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.loading import load_full_model, load_pretrained
from convnext_dense.weights.settings import NetworkSettings, set_network_settings, settings_for_meta
from tests.helpers.small_classifier import ARCH, classifier

PATH = Path('w.pth')


def checkpoint_of(model: nn.Module, **meta) -> dict:
    return {'state_dict': model.state_dict(), 'meta': {'convnext_dense': '1', **settings_for_meta(model), **meta}}


@pytest.mark.parametrize(
    'options',
    [
        dict(norm_eps=1e-2, activation='silu'),
        dict(norm_eps=1e-2, final_norm_eps=1e-3),
        dict(norm='simple_norm', norm_eps=1e-2, activation='gelu_tanh', stem='overlap_act'),
        dict(norm_before_pooling=True, final_norm_eps=0.1),
    ],
)
@torch.no_grad()
def test_a_checkpoint_carries_them_into_a_model_whose_config_leaves_them_out(options):
    source = classifier(**options).eval()
    structure = {k: v for k, v in options.items() if k in ('norm', 'stem', 'norm_before_pooling')}
    target = classifier(**structure).eval()
    note = load_full_model(target, extract_weights(checkpoint_of(source), PATH))
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(target(images), source(images))
    assert bool(note) == bool({'norm_eps', 'activation'} & options.keys())
    assert settings_for_meta(target) == settings_for_meta(source)


@pytest.mark.parametrize(
    ('own', 'said'),
    [
        (
            dict(norm_eps=1e-3),
            r'the norms of w\.pth have eps 0\.01, this model 0\.001: leave model\.backbone\.norm_eps out',
        ),
        (
            dict(final_norm_eps=1e-6),
            r'has eps 0\.01, this model 1e-06: leave model\.backbone\.final_norm_eps out',
        ),
        (
            dict(activation='gelu'),
            r'the activation of w\.pth is silu, this model gelu: leave model\.backbone\.activation out',
        ),
    ],
)
def test_a_config_that_sets_another_is_refused(own, said):
    weights = extract_weights(checkpoint_of(classifier(norm_eps=1e-2, activation='silu')), PATH)
    with pytest.raises(UserError, match=rf'(?:{said})$'):
        load_full_model(classifier(**own), weights)
    load_full_model(classifier(norm_eps=1e-2, activation='silu'), weights)  # the same is none other


def test_kinds_of_norms_with_the_same_weights_are_told_apart():
    weights = extract_weights(checkpoint_of(classifier(norm='simple_norm')), PATH)
    with pytest.raises(UserError, match=r"kind simple_norm, those of this model rms_norm: set .*norm='simple_norm'$"):
        load_full_model(classifier(norm='rms_norm'), weights)


def test_an_older_checkpoint_has_the_papers_settings():
    model = classifier()
    content = checkpoint_of(model, final_norm_eps=1e-12)
    for key in ('norm_eps', 'activation', 'norm'):
        del content['meta'][key]
    weights = extract_weights(content, PATH)
    assert weights.settings == NetworkSettings(1e-12, '', 1e-6, 'gelu')
    target = classifier()
    load_full_model(target, weights)
    assert {m.eps for m in target.modules() if isinstance(m, nn.LayerNorm)} == {1e-6, 1e-12}


def test_weights_that_another_backbone_does_not_compute_are_refused():
    model = nn.Module()
    model.backbone = nn.Linear(1, 1)
    assert set_network_settings(model, NetworkSettings(1e-12, 'x', 1e-6, 'gelu'), PATH) == 'x'
    for settings in (NetworkSettings(1e-5, '', 1e-5, 'gelu'), NetworkSettings(activation='silu')):
        with pytest.raises(UserError, match='which Linear does not compute: take other weights'):
            set_network_settings(model, settings, PATH)
    assert settings_for_meta(model) == dict.fromkeys(('norm_eps', 'final_norm_eps', 'activation', 'norm'))


def test_a_dense_model_has_no_final_norm_to_disagree_about():
    model = nn.Module()
    model.backbone = ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=(3,)), 4).backbone
    model.backbone.in_config['final_norm_eps'] = 0.5
    set_network_settings(model, NetworkSettings(1e-12, '', 1e-3, 'gelu'), PATH)
    assert model.backbone.norm3.eps == 1e-3


def test_an_activation_of_a_newer_version_is_refused():
    with pytest.raises(UserError, match=r'w\.pth is of a network with activation swiglu, unknown here'):
        extract_weights(checkpoint_of(classifier(), activation='swiglu'), PATH)


def test_norms_without_a_bias_of_which_a_file_tells_nothing_are_said(tmp_path):
    state = classifier(norm='rms_norm').state_dict()
    torch.save({n.removeprefix('backbone.'): t for n, t in state.items()}, tmp_path / 'w.pth')
    line = load_pretrained(classifier(norm='simple_norm'), tmp_path / 'w.pth')
    assert line.endswith('the file does not tell whether its norms are simple_norm as in the config')
