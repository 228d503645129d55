"""Names of published weights, against the registries of the libraries that publish them."""

import subprocess
import sys

import open_clip
import pytest
import timm
import torchvision

from convnext_dense.errors import UserError
from convnext_dense.weights import names


def test_short_names_are_tags_of_timm():
    assert {f'dinov3_{arch}' for arch in ('tiny', 'small', 'base', 'large')} <= names.DISTILLED.keys()
    for tag in names.DISTILLED.values():
        assert timm.models.get_pretrained_cfg(tag).hf_hub_id == f'timm/{tag}'
    of_timm = {tag for tag in timm.list_models('convnext*', pretrained=True) if 'lvd1689m' in tag}
    assert set(names.DISTILLED.values()) == of_timm


def test_clips_names_and_repositories_are_open_clips():
    pairs = [(model, tag) for model, tag in open_clip.list_pretrained() if model.startswith('convnext')]
    repositories = {
        f'{model}.{tag}': open_clip.get_pretrained_cfg(model, tag)['hf_hub'].strip('/') for model, tag in pairs
    }
    assert {name: f'laion/{place}' for name, place in names.CLIP.items()} == repositories


def test_torchvisions_names_are_torchvisions():
    assert sorted(names.TORCHVISION) == sorted(torchvision.models.list_models(include='convnext*'))
    for name in names.TORCHVISION:
        assert len(torchvision.models.get_model_weights(name)) == 1


def test_a_model_of_clip_with_one_tag_needs_none():
    assert names.clip_repository('convnext_large_d') == 'laion/CLIP-convnext_large_d.laion2B-s26B-b102K-augreg'
    with pytest.raises(
        UserError, match=r'clip:convnext_base_w has 3 sets of weights: take one of clip:convnext_base_w\.'
    ):
        names.clip_repository('convnext_base_w')


@pytest.mark.parametrize(
    ('wrong', 'near'),
    [
        ('dinov3_tyni', 'dinov3_tiny'),
        ('dinov3', 'dinov3_tiny'),
        ('convnext_tiny_1k_244', 'convnext_tiny_1k_224'),
        ('convnextv2_tiny', 'convnextv2_tiny_1k_224_fcmae'),
        ('convnext_tiny.fb_in1k', 'timm:convnext_tiny.fb_in1k'),
        ('facebook/convnext-tiny-224', 'hf:facebook/convnext-tiny-224'),
        ('torchvision:convnext_tinny', 'torchvision:convnext_tiny'),
        ('clip:convnext_large_d_320', 'clip:convnext_large_d_320.laion2b_s29b_b131k_ft'),
    ],
)
def test_a_wrong_name_has_near_ones_with_their_prefix(wrong, near):
    assert names.near_names(wrong)[0] == near


@pytest.mark.parametrize('path', ['w.pth', 'work_dirs/convnext_t/epoch_3.pth', 'x'])
def test_a_path_has_none(path):
    assert names.near_names(path) == []


def test_what_is_known_without_a_network_is_checked_at_once():
    names.check_known('clip:convnext_xxlarge.laion2b_s34b_b82k_augreg')
    names.check_known('hf:any/thing')
    with pytest.raises(UserError, match='no weights are named torchvision:convnext_huge: did you mean torchvision:'):
        names.check_known('torchvision:convnext_huge')
    with pytest.raises(
        UserError, match='no weights are named clip:ViT-B-32: `convnext-dense weights` lists the names'
    ):
        names.check_known('clip:ViT-B-32')


def test_importing_the_names_and_the_catalog_is_light():
    code = 'import sys, convnext_dense.weights.catalog; print(*{"torch", "timm", "mmengine"} & sys.modules.keys())'
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout == '\n'
