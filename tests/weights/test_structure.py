"""The arguments that weights show, against the arguments of the networks they are of."""

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.structure import detect_structure
from tests.helpers.small_classifier import classifier
from tests.helpers.timm_kinds import KINDS, SIZE, timm_network


@pytest.mark.parametrize('name', KINDS)
def test_arguments_are_those_of_the_network(name):
    wanted = KINDS[name]
    found = detect_structure(convert(timm_network(name).state_dict(), 'ours').state)
    assert found.stem == wanted.get('stem', 'patch')
    assert found.kernel_size == wanted.get('kernel_size', (7, 7, 7, 7))
    assert found.in_channels == 3
    assert found.norm == (None if 'norm' in wanted else 'layer_norm')
    assert found.norm_before_pooling == wanted.get('norm_before_pooling', False)
    shown = {key: key in wanted for key in ('stem', 'kernel_size')}
    assert {key: f'{key} ' in str(found) for key in shown} == shown


STRUCTURES = {
    "stem='overlap'": dict(stem='overlap'),
    "stem='overlap_tiered'": dict(stem='overlap_tiered'),
    "stem='overlap_act'": dict(stem='overlap_act'),
    "norm='rms_norm' or model.backbone.norm='simple_norm'": dict(norm='simple_norm'),
    'kernel_size=(7, 5, 5, 3)': dict(kernel_size=(7, 5, 5, 3)),
    "norm='layer_norm'": {},
    "stem='patch' and model.backbone.norm='rms_norm' or model.backbone.norm='simple_norm'": dict(norm='rms_norm'),
}


@pytest.mark.parametrize('fix', STRUCTURES)
def test_weights_of_another_structure_are_refused_with_the_setting_that_fits(tmp_path, fix):
    own = dict(norm='rms_norm') if fix == "norm='layer_norm'" else dict(stem='overlap') if 'patch' in fix else {}
    source, target = classifier(arch=SIZE, **STRUCTURES[fix]), classifier(arch=SIZE, **own)
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'w.pth')
    with pytest.raises(UserError) as error:
        load_pretrained(target, tmp_path / 'w.pth')
    assert str(error.value).endswith(f': set model.backbone.{fix}')
    assert '\n' not in str(error.value)


def test_weights_of_another_size_and_structure_name_both_networks(tmp_path):
    torch.save({'state_dict': classifier(arch=SIZE, stem='overlap').state_dict()}, tmp_path / 'w.pth')
    with pytest.raises(
        UserError, match=r'its backbone is ConvNeXt V1 depths .* with stem overlap, that of the config'
    ):
        load_pretrained(classifier(), tmp_path / 'w.pth')
