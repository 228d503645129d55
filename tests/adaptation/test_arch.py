"""The ConvNeXt that ``--arch`` names."""

import pytest

from convnext_dense.adaptation import find_arch
from convnext_dense.archs import ARCHS
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('name', 'arch', 'version', 'title', 'stem'),
    [
        ('tiny', 'tiny', 'v1', 'ConvNeXt-T', 'convnext_t'),
        ('v2_xlarge', 'xlarge', 'v2', 'ConvNeXt V2-XL', 'convnextv2_xl'),
        ('xxlarge', 'xxlarge', 'v1', 'ConvNeXt-XXL', 'convnext_xxl'),
        ('v2_atto', 'atto', 'v2', 'ConvNeXt V2-A', 'convnextv2_a'),
    ],
)
def test_a_name_is_a_size_and_a_version(name, arch, version, title, stem):
    found = find_arch(name)
    assert found[:3] == (name, arch, version) and (found.title, found.stem) == (title, stem)
    assert found.dims == ARCHS[arch].dims


def test_names_of_files_differ():
    assert len({find_arch(name).stem for name in ARCHS}) == len(ARCHS)


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('tinny', 'did you mean tiny or v2_tiny?'),
        ('v2_bas', 'did you mean v2_base or v2_'),
        ('resnet', 'take one of zepto, atto, '),
        ('v3_giant', 'take one of'),
    ],
)
def test_an_unknown_name_is_answered_with_near_ones(name, hint):
    with pytest.raises(UserError, match=f"no ConvNeXt is named '{name}': {hint}"):
        find_arch(name)
