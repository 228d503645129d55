"""Models for a hub: small ones with random values everywhere, and an image whose crop has even margins."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from convnext_dense.cli import run_verb
from convnext_dense.weights.settings import settings_for_meta
from tests.helpers.small_classifier import classifier, save

CLASSES = ['red', 'green', 'blue', 'fox terrier']


def randomize(model: nn.Module) -> nn.Module:
    """Give every parameter and every buffer a random value that leaves outputs near 1."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.3, generator=generator)
        if 'running_var' in name:
            tensor.abs_().add_(0.5)
    return model.eval()


def checkpoint(path: Path, **backbone: object) -> tuple[Path, nn.Module]:
    """A classifier's checkpoint, and the model."""
    model = randomize(classifier(len(CLASSES), **backbone))
    meta = {'dataset_meta': {'classes': CLASSES}, **settings_for_meta(model)}
    return save({'state_dict': model.state_dict(), 'meta': meta}, path), model


def photo() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((500, 375), Image.Resampling.BICUBIC)


def push(*arguments: object) -> int:
    return run_verb('push', [str(argument) for argument in arguments])


def largest_difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return float((a - b).abs().max())
