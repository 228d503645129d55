"""Tables of names, and the network that weights are of."""

import pytest
import torch

from convnext_dense.models import ConvNeXt
from convnext_dense.weights.formats import FORMATS, HF_DINOV3, TIMM_FEATURES, TORCHVISION_FEATURES, detect_arch

ALL = (*FORMATS.values(), TIMM_FEATURES, TORCHVISION_FEATURES, HF_DINOV3)


@pytest.mark.parametrize('format', ALL, ids=lambda format: format.name)
def test_names_of_a_format_differ_and_one_tells_it_from_the_others(format):
    names = list(format.names(blocks=3).values())
    assert len(set(names)) == len(names)
    others = {other.signature for other in ALL if other.name not in (format.name, 'ours', 'official')}
    assert format.signature not in others


def state(**arguments) -> dict[str, torch.Tensor]:
    with torch.device('meta'):
        return {f'backbone.{name}': t for name, t in ConvNeXt(**arguments).state_dict().items()}


@pytest.mark.parametrize('stem', ['patch', 'overlap', 'overlap_tiered', 'overlap_act'])
@pytest.mark.parametrize('arch', ['zepto', 'atto', 'xxlarge'])
def test_sizes_are_known_whatever_the_stem_and_the_order_of_the_tensors(arch, stem):
    weights = state(arch=arch, stem=stem)
    for ordered in (weights, dict(sorted(weights.items(), reverse=True))):
        assert str(detect_arch(ordered)) == f'ConvNeXt V1 {arch}'
    only_stems = {name: t for name, t in weights.items() if 'dwconv' not in name}
    assert detect_arch(only_stems).size.dims == detect_arch(weights).size.dims


def test_a_head_with_grn_makes_no_v2_of_a_v1():
    weights = state(arch='atto') | {'decode_head.grn.gamma': torch.zeros(1), 'teacher.grn.beta': torch.zeros(1)}
    assert detect_arch(weights).version == 1
    assert detect_arch(state(arch='atto', version=2)).version == 2
