"""Crops and flips of bands: the values stay those of the bands, and follow the seed of a sample."""

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.data.pretraining.band_transforms import eval_bands, train_bands
from convnext_dense.data.sampler import seeded
from convnext_dense.errors import UserError


def bands(height=90, width=120, count=6):
    rng = np.random.default_rng(0)
    small = rng.uniform(0, 4095, (6, 8, count)).astype(np.float32)
    channels = [
        np.asarray(Image.fromarray(small[..., band]).resize((width, height), Image.Resampling.BICUBIC))
        for band in range(count)
    ]
    return np.stack(channels, axis=2)


@pytest.mark.parametrize('size', [64, 384])
def test_evaluation_shows_what_that_of_rgb_shows(size):
    levels = (bands(count=3) / 4095 * 255).clip(0, 255).round().astype(np.uint8)
    own = eval_bands(size)(levels.astype(np.float32)) / 255
    expected = eval_transform(size, mean=(0.0,) * 3, std=(1.0,) * 3)(Image.fromarray(levels))
    assert own.shape == expected.shape == (3, size, size)
    assert (own - expected).abs().max() < 0.02  # Pillow rounds to levels


def test_training_follows_the_seed_and_crops_all_bands_alike():
    image = bands()
    image[..., 3] = image[..., 0] * 2 + 100
    transform = train_bands(32, scale=(0.2, 1.0))
    crops = []
    for seed in (1, 2, 1):
        with seeded(seed):
            crops.append(transform(image))
    assert crops[0].shape == (6, 32, 32) and crops[0].dtype == torch.float32
    assert torch.equal(crops[0], crops[2]) and not torch.equal(crops[0], crops[1])
    torch.testing.assert_close(crops[0][3], crops[0][0] * 2 + 100, rtol=1e-4, atol=0.1)


def test_flips_have_the_probabilities_that_are_stated():
    image = bands(64, 64, 2)
    plain = train_bands(64, scale=(1.0, 1.0), ratio=(1.0, 1.0), hflip=0.0)(image)
    flipped = train_bands(64, scale=(1.0, 1.0), ratio=(1.0, 1.0), hflip=1.0, vflip=1.0)(image)
    torch.testing.assert_close(plain, torch.from_numpy(image.transpose(2, 0, 1)))
    assert torch.equal(flipped, plain.flip(1, 2))


@pytest.mark.parametrize('make', [train_bands, eval_bands])
def test_an_interpolation_that_bands_do_not_have_is_refused(make):
    with pytest.raises(UserError, match=r"^transform has interpolation='lanczos', and bands take one of nearest"):
        make(32, interpolation='lanczos')
