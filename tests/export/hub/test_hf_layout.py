"""Folders in transformers' layout, loaded by transformers: image in, logits or features out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor
from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.errors import UserError
from convnext_dense.export.hub.hf_layout import write_hf
from convnext_dense.export.hub.model import HubModel, shared_model
from convnext_dense.models import ConvNeXt
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.preprocessing import Preprocessing
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.pushed import CLASSES, checkpoint, largest_difference, photo, push, randomize
from tests.helpers.small_classifier import ARCH, save

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def processed(folder: Path) -> Tensor:
    """The test's image, prepared by transformers with Pillow, as our own transforms use it."""
    return AutoImageProcessor.from_pretrained(folder, backend='pil')(photo(), return_tensors='pt').pixel_values


@pytest.mark.parametrize('backbone', [{}, {'version': 2}, {'layer_scale_init_value': 0}, {'final_norm_eps': 1e-12}])
def test_transformers_computes_the_same_logits_from_the_same_image(tmp_path, backbone):
    path, model = checkpoint(tmp_path / 'x.pth', **backbone)
    assert push(path, tmp_path / 'out', '--to', 'hf') == 0
    theirs = AutoModelForImageClassification.from_pretrained(tmp_path / 'out').eval()
    own = eval_transform(224)(photo())[None]
    assert largest_difference(processed(tmp_path / 'out'), own) < 1e-6
    with torch.no_grad():
        expected = model.double()(own.double())
        assert largest_difference(theirs.double()(own.double()).logits, expected) < 1e-10
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    assert theirs.convnext.layernorm.eps == 1e-12 if 'final_norm_eps' in backbone else True


@pytest.mark.parametrize('version', [1, 2])
@pytest.mark.parametrize('activation', ['gelu_tanh', 'silu', 'relu', 'leaky_relu', 'mish', 'hard_swish'])
def test_activations(tmp_path, activation, version):
    path, model = checkpoint(tmp_path / 'x.pth', activation=activation, version=version)
    assert push(path, tmp_path / 'out', '--to', 'hf') == 0
    theirs = AutoModelForImageClassification.from_pretrained(tmp_path / 'out').eval().double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert largest_difference(theirs(x).logits, model.double()(x)) < 1e-10


@pytest.mark.parametrize(
    ('backbone', 'says'),
    [
        ({'stem': 'overlap'}, 'stem overlap'),
        ({'norm': 'rms_norm'}, 'norms without a bias'),
        ({'kernel_size': 5}, 'kernel_size'),
        ({'norm_before_pooling': True}, 'norm before the pooling'),
        ({'norm_eps': 1e-5}, 'eps 1e-05 in the norms'),
    ],
)
def test_variants_of_timm_are_refused_by_name(tmp_path, capsys, backbone, says):
    path, _ = checkpoint(tmp_path / 'x.pth', **backbone)
    assert push(path, tmp_path / 'out', '--to', 'hf') == 2
    err = capsys.readouterr().err
    assert 'transformers has no ConvNeXt with' in err and says in err and 'push it --to timm' in err


def of(path: Path, preprocessing: Preprocessing) -> HubModel:
    return shared_model(extract_weights(read_checkpoint(path), path), preprocessing)


@pytest.mark.parametrize(
    ('preprocessing', 'reference'),
    [
        (Preprocessing(*CLIP, (224, 224), 0.9), lambda timm: timm(224, crop_pct=0.9, mean=CLIP[0], std=CLIP[1])),
        (Preprocessing(*CLIP, (384, 384)), lambda timm: timm(384, crop_mode='squash', crop_pct=1.0)),
        (Preprocessing(*CLIP, (384, 384), 0.95), lambda timm: timm(384)),
        (Preprocessing(*CLIP, (224, 224), 0.9, crop_mode='transformers'), lambda timm: timm(224)),
        (
            Preprocessing(*CLIP, (384, 384), 0.9, crop_mode='transformers'),
            lambda timm: timm(384, crop_mode='squash', crop_pct=1.0),
        ),
        (Preprocessing(*CLIP, (256, 256), 1.0), lambda timm: timm(256, crop_pct=1.0)),
        (Preprocessing(*CLIP, (256, 256), 1.0, 'bilinear', 'squash'), lambda timm: timm(256, crop_mode='squash')),
        (Preprocessing(*CLIP, (128, 256), 1.0, crop_mode='squash'), lambda timm: timm((128, 256), crop_mode='squash')),
    ],
    ids=[
        'crop 224',
        'warp 384',
        'crop 384',
        'transformers 224',
        'transformers 384',
        'crop 256 of 256',
        'warp 256',
        'warp to a rectangle',
    ],
)
def test_images_are_prepared_as_by_timm_whatever_the_preprocessing(tmp_path, preprocessing, reference):
    from timm.data import create_transform

    path, _ = checkpoint(tmp_path / 'x.pth')
    model = of(path, preprocessing)
    (tmp_path / 'out').mkdir()
    write_hf(model, tmp_path / 'out')
    images = model.preprocessing

    def timm(size: object, **options: object) -> Callable:
        options = (
            dict(crop_pct=images.crop_ratio, mean=CLIP[0], std=CLIP[1], interpolation=images.interpolation) | options
        )
        return create_transform(size, **options)

    expected = reference(timm)(photo())[None]
    assert largest_difference(processed(tmp_path / 'out'), expected) < 1e-5


def test_a_preprocessing_that_no_processor_has_is_refused(tmp_path):
    path, _ = checkpoint(tmp_path / 'x.pth')
    for images, says in (
        (Preprocessing(*CLIP, (224, 224), 0.9, crop_mode='border', source='a.json'), 'crop mode border'),
        (Preprocessing(*CLIP, (224, 224), 0.9, crop_mode='squash', source='a.json'), 'crop ratio 0.9'),
        (Preprocessing(*CLIP, (224, 224), 0.9, 'random', source='a.json'), "interpolation 'random', as a.json has"),
    ):
        with pytest.raises(UserError, match=says):
            write_hf(of(path, images), tmp_path)


def test_backbones_load_as_such(tmp_path):
    x = torch.rand(1, 3, 64, 64)
    path, model = checkpoint(tmp_path / 'x.pth', version=2)
    assert push(path, tmp_path / 'features', '--to', 'hf', '--backbone') == 0
    with torch.no_grad():
        features = AutoModel.from_pretrained(tmp_path / 'features').eval()(x).pooler_output
        assert largest_difference(features, model.backbone(x)) < 1e-5

    for version in (1, 2):
        backbone = randomize(ConvNeXt(ARCH, version, out_indices=(1, 3)))
        state = {f'backbone.{name}': tensor for name, tensor in backbone.state_dict().items()}
        save({'state_dict': {**state, 'neck.a.weight': torch.ones(2)}}, tmp_path / 'detector.pth')
        out = tmp_path / f'maps{version}'
        assert push(tmp_path / 'detector.pth', out, '--to', 'hf', '--backbone') == 0
        kind = getattr(transformers, json.loads((out / 'config.json').read_text())['architectures'][0])
        with torch.no_grad():
            maps = kind.from_pretrained(out).eval()(x).feature_maps
            for theirs, own in zip(maps, backbone(x), strict=True):
                assert largest_difference(theirs, own) < 1e-5
        image = AutoImageProcessor.from_pretrained(out)(photo(), return_tensors='pt').pixel_values
        assert image.shape == (1, 3, 375, 500)


def test_weights_of_half_precision_stay_such(tmp_path):
    path, model = checkpoint(tmp_path / 'x.pth')
    save({'state_dict': {n: t.half() for n, t in model.state_dict().items()}}, path)
    assert push(path, tmp_path / 'out', '--to', 'hf') == 0
    assert AutoModelForImageClassification.from_pretrained(tmp_path / 'out').dtype == torch.float16
