"""The catalog: every name once, and found again by its name, its repository and its file."""

from pathlib import Path

import pytest
import timm

from convnext_dense.paper import OFFICIAL_WEIGHTS
from convnext_dense.weights.catalog import entries, entry_of_path, find_entry
from convnext_dense.weights.names import LIGHT_NAMES


def test_every_name_is_listed_once_and_found_again():
    listed = list(entries())
    names = [entry.name for entry in listed]
    of_timm = [f'timm:{tag}' for tag in timm.list_models('*convnext*', pretrained=True)]
    assert names == [*LIGHT_NAMES, *of_timm]
    assert len(set(names)) == len(names)
    for entry in listed:
        short = entry.origin == 'timm' and 'lvd1689m' in entry.name  # a short name stands for the same repository
        assert short or find_entry(entry.name) == entry, entry.name
        assert bool(entry.url) != bool(entry.repository), entry.name
        assert entry.license and entry.data and entry.normalization, entry.name


@pytest.mark.parametrize(
    ('source', 'name'),
    [
        ('timm:convnext_atto', 'timm:convnext_atto.d2_in1k'),  # timm's default
        ('timm:convnext_tiny.dinov3_lvd1689m', 'dinov3_tiny'),
        ('hf:timm/convnextv2_atto.fcmae', 'timm:convnextv2_atto.fcmae'),
        ('hf:facebook/EUPE-ConvNeXt-S', 'eupe_small'),
        ('hf:laion/CLIP-convnext_base-laion400M-s13B-b51K', 'clip:convnext_base.laion400m_s13b_b51k'),
        ('clip:convnext_large_d', 'clip:convnext_large_d.laion2b_s26b_b102k_augreg'),
        (OFFICIAL_WEIGHTS['convnextv2_atto_1k_224_ema'], 'convnextv2_atto_1k_224_ema'),
        ('https://host/mirror/convnextv2_atto_1k_224_ema.pt#sha256=' + '0' * 64, 'convnextv2_atto_1k_224_ema'),
    ],
)
def test_other_ways_to_name_the_same_weights(source, name):
    assert find_entry(source).name == name


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('cache/weights/convnextv2_tiny_1k_224_fcmae.pt', 'convnextv2_tiny_1k_224_fcmae'),
        ('downloads/convnextv2_tiny_1k_224_fcmae.pt', 'convnextv2_tiny_1k_224_fcmae'),
        ('cache/weights/01234567-convnextv2_tiny_1k_224_fcmae.pt', 'convnextv2_tiny_1k_224_fcmae'),
        ('cache/weights/timm--convnextv2_atto.fcmae/model.safetensors', 'timm:convnextv2_atto.fcmae'),
        ('cache/weights/timm--convnext_base.dinov3_lvd1689m/model.safetensors', 'dinov3_base'),
        (
            'hub/models--facebook--convnextv2-base-1k-224/snapshots/a1b2/model.safetensors',
            'hf:facebook/convnextv2-base-1k-224',
        ),
        ('x/dinov3_convnext_small_pretrain_lvd1689m-296db49d.pth', 'dinov3_small'),
        ('x/eupe_convnext_tiny_pretrain_lvd1689m.pth', 'eupe_tiny'),
        ('x/EUPE-ConvNeXt-B.pt', 'eupe_base'),
        ('x/convnext_tiny-983f1562.pth', 'torchvision:convnext_tiny'),
        (
            'cache/weights/laion--CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg/open_clip_model.safetensors',
            'clip:convnext_xxlarge.laion2b_s34b_b82k_augreg',
        ),
    ],
)
def test_a_file_is_known_by_its_name_or_its_folder(path, name):
    assert entry_of_path(Path(path)).name == name


@pytest.mark.parametrize(
    'path',
    [
        *('work_dirs/convnextv2_t/epoch_3.pth', 'model.safetensors', 'a--b/model.safetensors', 'convnext_tiny.pth'),
        *('timm--resnet50.a1_in1k/model.safetensors', 'convnext_tiny_x-983f1562.pth', '/', 'facebook--other/w.bin'),
    ],
)
def test_other_files_are_not(path):
    assert entry_of_path(Path(path)) is None


@pytest.mark.parametrize(
    'name', ['timm:vit_tiny_patch16_224', 'timm:nothing', 'hf:a/b', 'clip:x', 'w.pth', 'torchvision:x']
)
def test_other_names_are_not(name):
    assert find_entry(name) is None
