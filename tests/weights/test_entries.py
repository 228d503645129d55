"""What the catalog says of weights, against the libraries that publish them and the networks themselves."""

import json
from pathlib import Path

import open_clip
import pytest
import timm
import torch
import torchvision

from convnext_dense import paper
from convnext_dense.archs import ARCHS
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.weights import entries, names


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize(('arch', 'classes'), [('atto', 0), ('tiny', 1000), ('base', 21841), ('xlarge', 0)])
def test_parameters_are_counted_as_the_network_has_them(arch, version, classes):
    with torch.device('meta'):
        if classes:
            backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, version=version, out_indices=None)
            network = ImageClassifier(backbone, classes)
        else:
            network = ConvNeXt(arch, version, out_indices=None)
    counted = sum(parameter.numel() for parameter in network.parameters())
    assert entries.count_parameters(ARCHS[arch], version, classes) == counted


def test_torchvisions_entries_are_its_enumeration():
    for name in names.TORCHVISION:
        entry, weights = entries.torchvision_entry(name), torchvision.models.get_model_weights(name).DEFAULT
        own = entries.count_parameters(ARCHS[entry.arch], 1, 1000)
        assert entry.url == weights.url
        assert entry.params == weights.meta['num_params'] / 1e6 == own / 1e6
        assert entry.megabytes == pytest.approx(4 * own / 1e6, rel=1e-3)
        assert entry.published == f'top-1 {weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]:.1f}'
        assert (entry.resolution, entry.normalization, entry.license) == (224, 'ImageNet', 'torchvision')


def test_timms_entries_are_its_registry():
    normalizations = {}
    for tag in ('convnext_base.clip_laiona_320', 'convnext_zepto_rms.ra4_e3600_r224_in1k', 'convnextv2_tiny.fcmae'):
        entry, cfg = entries.timm_entry(tag), timm.models.get_pretrained_cfg(tag)
        assert (entry.repository, entry.license) == (cfg.hf_hub_id, cfg.license)
        assert entry.resolution == cfg.input_size[1]
        with torch.device('meta'):
            network = timm.create_model(tag.split('.')[0], num_classes=cfg.num_classes)
        assert entry.params * 1e6 == sum(parameter.numel() for parameter in network.parameters())
        normalizations[entry.normalization] = (cfg.mean, cfg.std)
    constants = timm.data.constants
    assert normalizations == {
        'CLIP': (constants.OPENAI_CLIP_MEAN, constants.OPENAI_CLIP_STD),
        'Inception': (constants.IMAGENET_INCEPTION_MEAN, constants.IMAGENET_INCEPTION_STD),
        'ImageNet': (constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD),
    }


def test_short_names_say_what_timm_says():
    for name, tag in names.DISTILLED.items():
        of_timm = entries.timm_entry(tag)
        assert entries.distilled_entry(name)._replace(name=of_timm.name) == of_timm


def test_clips_entries_have_the_size_of_open_clips_models():
    folder = Path(open_clip.__file__).parent / 'model_configs'
    for name in names.CLIP:
        entry, model = entries.clip_entry(name), name.split('.')[0]
        vision = json.loads((folder / f'{model}.json').read_text())['vision_cfg']
        assert entry.resolution == vision['image_size'], name
        assert vision['timm_model_name'] == f'convnext_{entry.arch.split("_")[0]}', name
        cfg = open_clip.get_pretrained_cfg(*name.split('.'))
        assert entries.name_normalization(cfg['mean'], cfg['std']) == entry.normalization


@pytest.mark.parametrize(
    ('name', 'arch', 'data', 'side', 'license', 'published'),
    [
        ('convnext_tiny_1k_224_ema', 'tiny', 'ImageNet-1k', 224, 'mit', 'top-1 82.1'),
        ('convnext_tiny_1k_224', 'tiny', 'ImageNet-1k', 224, 'mit', ''),  # the page has the figure of the average
        ('convnext_base_1k_384', 'base', 'ImageNet-1k', 384, 'mit', 'top-1 85.1'),
        ('convnext_large_22k_224', 'large', 'ImageNet-22k', 224, 'mit', ''),
        ('convnext_xlarge_22k_1k_384_ema', 'xlarge', 'ImageNet-22k > ImageNet-1k', 384, 'mit', 'top-1 87.8'),
        ('convnext_iso_small_1k_224_ema', 'iso_small', 'ImageNet-1k', 224, 'mit', 'top-1 78.7'),
        ('convnextv2_huge_1k_224_fcmae', 'huge', 'FCMAE ImageNet-1k', 224, 'cc-by-nc-4.0', ''),
        (
            *('convnextv2_huge_22k_512_ema', 'huge', 'FCMAE ImageNet-1k > ImageNet-22k > ImageNet-1k', 512),
            *('cc-by-nc-4.0', 'top-1 88.9'),
        ),
        ('cascade_mask_rcnn_convnext_base_22k_3x', 'base', 'ImageNet-22k > COCO', None, 'mit', 'AP 54.0 / 46.9'),
        ('upernet_convnext_base_1k_512x512', 'base', 'ImageNet-1k > ADE20K', 512, 'mit', 'mIoU 49.1'),
    ],
)
def test_official_names_say_what_the_pages_say(name, arch, data, side, license, published):
    entry = entries.official_entry(name)
    assert (entry.arch, entry.data, entry.resolution) == (arch, data, side)
    assert (entry.license, entry.published, entry.url) == (license, published, paper.OFFICIAL_WEIGHTS[name])


def test_every_official_name_has_an_entry_whose_size_is_near_the_published_one():
    published = {(1, row.arch): row.params for row in (*paper.CONVNEXT_1K, *paper.CONVNEXT_22K_TO_1K)}
    published |= {(2, row.arch): row.params for row in paper.CONVNEXTV2_1K}
    for name in paper.OFFICIAL_WEIGHTS:
        entry = entries.official_entry(name)
        if entry.published.startswith('top-1') and not entry.arch.startswith('iso'):
            assert entry.params == pytest.approx(published[entry.version, entry.arch], rel=0.01), name
        assert (entry.license == 'cc-by-nc-4.0') == (entry.version == 2), name


@pytest.mark.parametrize(
    ('repository', 'same'),
    [
        ('facebook/convnext-tiny-224', 'convnext_tiny_1k_224_ema'),
        ('facebook/convnext-large-384', 'convnext_large_1k_384'),
        ('facebook/convnext-base-224-22k', 'convnext_base_22k_224'),
        ('facebook/convnext-xlarge-384-22k-1k', 'convnext_xlarge_22k_1k_384_ema'),
        ('facebook/convnextv2-nano-22k-384', 'convnextv2_nano_22k_384_ema'),
    ],
)
def test_repositories_of_transformers_are_the_official_files(repository, same):
    entry, official = entries.hugging_face_entry(repository), entries.official_entry(same)
    assert (entry.published, entry.data, entry.resolution) == (official.published, official.data, official.resolution)
    assert (entry.name, entry.repository, entry.url) == (f'hf:{repository}', repository, '')


def test_v2_is_not_for_commercial_use_whoever_copies_it():
    licenses = {entries.hugging_face_entry(name).license for name in names.HUGGING_FACE if 'convnextv2' in name}
    licenses |= {entries.timm_entry(tag).license for tag in timm.list_models('convnextv2*', pretrained=True)}
    assert licenses == {'cc-by-nc-4.0'}


def test_all_other_repositories_have_an_entry():
    found = {name: entries.hugging_face_entry(name) for name in names.HUGGING_FACE}
    assert {entry.license for name, entry in found.items() if 'dinov3' in name} == {'dinov3-license'}
    assert {entry.license for name, entry in found.items() if 'upernet' in name} == {'mit'}
    assert found['openmmlab/upernet-convnext-tiny'].published == f'mIoU {paper.MMSEG_UPERNET_TINY}'
