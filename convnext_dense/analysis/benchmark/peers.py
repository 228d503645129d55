"""ConvNeXt classifiers of timm, torchvision and Hugging Face transformers, with our weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...models.convnext import Size

Weights = Mapping[str, Tensor]


class Peer(NamedTuple):
    """Another library's classifier.

    Attributes:
        build: makes it in the given size, with our classifier's weights; ImportError where the library is absent.
        layout: the memory format that its weights and pictures get.
    """

    name: str
    build: Callable[[Size, Weights], nn.Module]
    layout: torch.memory_format = torch.contiguous_format


def peers(device: torch.device) -> list[Peer]:
    """The libraries' defaults, and timm's fastest setting on the device."""
    last = torch.channels_last
    if device.type == 'cuda':
        fastest = Peer('timm, channels_last', _timm, last)
    else:
        fastest = Peer('timm, conv_mlp, channels_last', _timm_conv_mlp, last)
    return [
        Peer('timm', _timm),
        fastest,
        Peer('torchvision', _torchvision),
        Peer('transformers', _transformers),
    ]


def _timm(size: Size, weights: Weights, conv_mlp: bool = False) -> nn.Module:
    from timm.models import ConvNeXt
    from timm.models.convnext import checkpoint_filter_fn

    classes = len(weights['head.weight'])
    model = ConvNeXt(num_classes=classes, depths=size.depths, dims=size.dims, ls_init_value=1.0, conv_mlp=conv_mlp)
    model.load_state_dict(checkpoint_filter_fn(official(weights), model))
    return model


def _timm_conv_mlp(size: Size, weights: Weights) -> nn.Module:
    return _timm(size, weights, conv_mlp=True)


def _torchvision(size: Size, weights: Weights) -> nn.Module:
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    following = [*size.dims[1:], None]
    settings = [CNBlockConfig(*stage) for stage in zip(size.dims, following, size.depths, strict=True)]
    model = ConvNeXt(settings, layer_scale=1.0, num_classes=len(weights['head.weight']))
    own = model.state_dict()
    renamed = {_torchvision_name(name): tensor for name, tensor in official(weights).items()}
    model.load_state_dict({name: tensor.reshape(own[name].shape) for name, tensor in renamed.items()})
    return model


def _torchvision_name(name: str) -> str:
    """torchvision numbers stem, stages and downsample layers from 0 to 7, and the layers of a block by their place."""
    name = re.sub(r'^downsample_layers\.(\d)\.', lambda m: f'features.{2 * int(m[1])}.', name)
    name = re.sub(r'^stages\.(\d)\.', lambda m: f'features.{2 * int(m[1]) + 1}.', name)
    for part, place in {'dwconv': 0, 'norm': 2, 'pwconv1': 3, 'pwconv2': 5}.items():
        name = re.sub(rf'^(features\.\d\.\d+)\.{part}\.', rf'\1.block.{place}.', name)
    name = re.sub(r'\.gamma$', '.layer_scale', name)
    return re.sub(r'^norm\.', 'classifier.0.', re.sub(r'^head\.', 'classifier.2.', name))


def _transformers(size: Size, weights: Weights) -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(
        hidden_sizes=list(size.dims),
        depths=list(size.depths),
        layer_scale_init_value=1.0,
        layer_norm_eps=1e-6,
        num_labels=len(weights['head.weight']),
    )
    model = ConvNextForImageClassification(config)
    model.load_state_dict({_transformers_name(name): tensor for name, tensor in official(weights).items()})
    return _Logits(model)


def _transformers_name(name: str) -> str:
    if name.startswith('head.'):
        return name.replace('head', 'classifier')
    for ours, theirs in (
        (r'^downsample_layers\.0\.0\.', 'embeddings.patch_embeddings.'),
        (r'^downsample_layers\.0\.1\.', 'embeddings.layernorm.'),
        (r'^downsample_layers\.(\d)\.', r'encoder.stages.\1.downsampling_layer.'),
        (r'^stages\.(\d)\.', r'encoder.stages.\1.layers.'),
        (r'\.gamma$', '.layer_scale_parameter'),
        (r'\bnorm\.', 'layernorm.'),
    ):
        name = re.sub(ours, theirs, name)
    return f'convnext.{name}'


class _Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures).logits


def official(weights: Weights) -> dict[str, Tensor]:
    """Our classifier's weights by the official names."""
    return {name.removeprefix('backbone.'): tensor for name, tensor in weights.items()}
