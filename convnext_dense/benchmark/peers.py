"""ConvNeXt classifiers of timm, torchvision and Hugging Face transformers, with our weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..archs import ArchSettings
from ..weights.conversion import convert

Weights = Mapping[str, Tensor]


class Peer(NamedTuple):
    """Another library's classifier.

    Attributes:
        build: function from the size and our classifier's weights to the classifier; raises ImportError if the library
            is not installed.
        layout: memory format for weights and images.
    """

    name: str
    build: Callable[[ArchSettings, Weights], nn.Module]
    layout: torch.memory_format = torch.contiguous_format


def peers(device: torch.device) -> list[Peer]:
    """List the peers: timm with defaults and in its fastest setting, the others in the layout that avoids copies."""
    last = torch.channels_last
    if device.type == 'cuda':
        fastest = Peer('timm, channels_last', _timm, last)
    else:
        fastest = Peer('timm, conv_mlp, channels_last', _timm_conv_mlp, last)
    return [
        Peer('timm', _timm),
        fastest,
        Peer('torchvision', _torchvision, last),
        Peer('transformers', _transformers, last),
    ]


def _timm(size: ArchSettings, weights: Weights, conv_mlp: bool = False) -> nn.Module:
    from timm.models import ConvNeXt

    classes = len(weights['head.weight'])
    model = ConvNeXt(num_classes=classes, depths=size.depths, dims=size.dims, ls_init_value=1.0, conv_mlp=conv_mlp)
    model.load_state_dict(convert(weights, 'timm', conv_mlp=conv_mlp).state)
    return model


def _timm_conv_mlp(size: ArchSettings, weights: Weights) -> nn.Module:
    return _timm(size, weights, conv_mlp=True)


def _torchvision(size: ArchSettings, weights: Weights) -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    following = [*size.dims[1:], None]
    settings = [CNBlockConfig(*stage) for stage in zip(size.dims, following, size.depths, strict=True)]
    model = ConvNeXt(settings, layer_scale=1.0, num_classes=len(weights['head.weight']))
    model.load_state_dict(convert(weights, 'torchvision').state)
    return model


def _transformers(size: ArchSettings, weights: Weights) -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(
        hidden_sizes=list(size.dims),
        depths=list(size.depths),
        layer_scale_init_value=1.0,
        layer_norm_eps=1e-6,
        num_labels=len(weights['head.weight']),
    )
    model = ConvNextForImageClassification(config)
    model.load_state_dict(convert(weights, 'hf').state)
    return _Logits(model)


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images).logits
