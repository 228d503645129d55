"""The kinds of ConvNeXt that timm has, small, with our arguments for each."""

from typing import Any

import timm
import torch
from torch import nn

SIZE: dict[str, Any] = dict(depths=(1, 2, 1, 1), dims=(16, 24, 32, 40))
KINDS: dict[str, dict[str, Any]] = {
    'convnext_tiny': {},
    'convnext_atto': {},  # 1x1 convolutions
    'convnext_nano_ols': dict(stem='overlap'),
    'convnext_atto_ols': dict(stem='overlap_tiered'),
    'convnext_zepto_rms_ols': dict(stem='overlap_act', norm='simple_norm'),
    'convnext_zepto_rms': dict(norm='simple_norm'),
    'convnext_atto_rms': dict(norm='rms_norm'),
    'convnext_tiny_hnf': dict(norm_before_pooling=True),
    'convnext_xxlarge': dict(norm_eps=1e-5),
    'convnextv2_tiny': dict(version=2),
    'test_convnext': dict(norm_eps=1e-5, activation='gelu_tanh'),
    'test_convnext3': dict(norm_eps=1e-5, activation='silu', kernel_size=(7, 5, 5, 3)),
}
KINDS = {name: arguments for name, arguments in KINDS.items() if timm.is_model(name)}  # not all are in older versions
FOLLOWING = ('norm_eps', 'activation')  # arguments that follow the weights


def timm_network(name: str, **arguments: Any) -> nn.Module:
    """timm's network of a kind, of a small size, for 4 classes, with all parameters random, in float64."""
    network = timm.create_model(name, num_classes=4, **SIZE, **arguments).double().eval()
    randomize(network)
    return network


def randomize(network: nn.Module) -> None:
    """Weights so small that the eps of norms counts, and none of which is without effect."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * (0.5 if p.ndim == 1 else 0.05))
