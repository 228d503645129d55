"""A classifier whose weights are a file of a few kilobytes."""

from pathlib import Path

import torch

from convnext_dense.models import ImageClassifier

ARCH = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])


def classifier(num_classes: int = 4, **backbone) -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None) | backbone
    backbone = {key: value for key, value in backbone.items() if value is not ...}
    model = ImageClassifier(backbone, num_classes)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


def official(model: ImageClassifier) -> dict:
    """The file layout of the official release."""
    return {'model': {n.removeprefix('backbone.'): t for n, t in model.state_dict().items()}}


def save(content: object, path: Path) -> Path:
    torch.save(content, path)
    return path
