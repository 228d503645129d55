"""Transforms of training and of evaluation."""

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from timm.data import create_transform

from convnext_dense.data.classification.transforms import (
    CenterCropDown,
    eval_transform,
    preprocessing_of,
    train_transform,
)
from convnext_dense.data.sampler import seeded
from convnext_dense.errors import UserError

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def pil_reference(image: Image.Image, resized: tuple[int, int], size: int) -> torch.Tensor:
    image = image.resize(resized, Image.Resampling.BICUBIC)
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    pixels = np.asarray(image.crop((left, top, left + size, top + size)), dtype=np.float32) / 255
    return ((torch.from_numpy(pixels) - MEAN) / STD).permute(2, 0, 1)


@pytest.mark.parametrize(
    ('size', 'resized'),
    [(224, (384, 256)), (64, (109, 73)), (384, (384, 384)), (512, (512, 512))],
    ids=['crop at 224', 'crop at 64', 'warp at 384', 'warp at 512'],
)
def test_evaluation_crops_below_384_and_warps_from_there_on(size, resized):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8))
    assert torch.allclose(eval_transform(size)(image), pil_reference(image, resized, size), atol=2e-5)


def test_an_option_that_timm_does_not_have_is_named():
    with pytest.raises(UserError, match="transform has an option 're_probability' that timm"):
        train_transform(48, re_probability=0.25)


@pytest.mark.parametrize('crop_mode', ['center', 'squash', 'border'])
def test_evaluation_has_timms_modes_at_any_size_with_its_mean_and_std(crop_mode):
    values = dict(interpolation='bilinear', crop_mode=crop_mode, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (223, 301, 3), dtype=np.uint8))
    for size in (64, 384):
        theirs = create_transform(size, crop_pct=0.9, **values)
        assert torch.equal(eval_transform(size, 0.9, **values)(image), theirs(image))


def test_the_border_has_a_level():
    image = Image.new('RGB', (40, 20), (255, 255, 255))
    values = dict(crop_mode='border', mean=(0.0,) * 3, std=(1.0,) * 3)
    assert eval_transform(32, 1.0, border=51, **values)(image)[:, 0, 0].tolist() == pytest.approx([0.2] * 3)
    assert eval_transform(32, 1.0, **{**values, 'mean': (0.4,) * 3})(image)[:, 0, 0].abs().max() < 1e-3  # the mean


@pytest.mark.parametrize('margin', [0, 1, 2, 3, 5, 7])
def test_odd_margins_are_rounded_down_as_in_transformers(margin):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64 + margin, 3), dtype=np.uint8)
    cropped = CenterCropDown(64)(Image.fromarray(pixels))
    assert np.array_equal(np.asarray(cropped), transformers.image_transforms.center_crop(pixels, (64, 64)))


@pytest.mark.parametrize('transform', [train_transform, eval_transform])
@pytest.mark.parametrize(
    ('mean', 'std'), [((0.5, 0.5), (0.5,) * 3), ((0.5,) * 3, (0.5, 0.0, 0.5)), ((124, 116, 104), 1)]
)
def test_a_wrong_mean_or_std_is_refused(transform, mean, std):
    with pytest.raises(UserError, match=r'^transform: (mean|std) '):
        transform(32, mean=mean, std=std)


@pytest.mark.parametrize('name', ['interpolation', 'crop_mode'])
def test_a_name_that_does_not_exist_is_refused(name):
    with pytest.raises(UserError, match=rf"transform has {name}='cubic': take one of "):
        eval_transform(32, **{name: 'cubic'})


@pytest.mark.parametrize(
    ('arguments', 'wanted'),
    [
        (dict(input_size=224), ((224, 224), 0.875, 'bicubic', 'center')),
        (dict(input_size=384, crop_ratio=0.9), ((384, 384), 1.0, 'bicubic', 'squash')),
        (dict(input_size=384, crop_ratio=0.9, crop_mode='center'), ((384, 384), 0.9, 'bicubic', 'center')),
        (dict(input_size=64, interpolation='bilinear'), ((64, 64), 0.875, 'bilinear', 'center')),
    ],
)
def test_a_transform_is_described(arguments, wanted):
    found = preprocessing_of(arguments, training=False)
    assert (found.input_size, found.crop_ratio, found.interpolation, found.crop_mode) == wanted
    assert found.is_imagenets


def test_albumentations_come_before_the_normalization_and_are_seeded():
    """Whatever else is drawn, a black image stays one in timm's part, and becomes a white one here."""
    white = [dict(type='InvertImg', p=1.0)]
    for options in ({}, dict(auto_augment='rand-m5', re_prob=0.5), dict(color_jitter=None)):
        made = train_transform(32, white, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), **options)
        kinds = [type(part).__name__ for part in made.transforms]
        assert kinds.index('AlbumentationsOfImage') == kinds.index('ToNormalized') - 1
    plain = train_transform(32, white, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), color_jitter=None)
    assert (plain(Image.new('RGB', (40, 50))) == 1).all()
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8))
    several = [train_transform(32, [dict(type='Affine', translate_percent=0.4)]) for _ in range(2)]
    results = []
    for one in several:
        with seeded(5):
            results.append(one(noise))
    assert torch.equal(*results)


def test_albumentations_keep_the_size():
    transform = train_transform(32, [dict(type='CenterCrop', height=16, width=16)])
    with pytest.raises(UserError, match=r'made \(16, 16, 3\) of an image of 32 x 32: leave out what changes the size'):
        transform(Image.new('RGB', (40, 50)))
    with pytest.raises(UserError, match='albumentations has no Flipp'):
        train_transform(32, [dict(type='Flipp')])
