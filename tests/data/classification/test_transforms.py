"""Transforms of training and of evaluation."""

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.data.classification.dataset import eval_transform
from convnext_dense.data.classification.transforms import train_transform
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
