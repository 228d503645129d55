"""Published numbers, as data only, each with its source.

Sources: R, the official repository's README (github.com/facebookresearch/ConvNeXt and ConvNeXt-V2);
P, the paper "A ConvNet for the 2020s" (arXiv 2201.03545).
MACs are multiply-accumulates of convolutions and linear layers (what the paper calls FLOPs), in 10^9;
parameters are in 10^6, with a head of 1000 classes; top-1 is in percent on ImageNet-1k's validation set.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """One published ImageNet-1k result."""

    arch: str
    resolution: int
    params: float  # 10^6
    macs: float  # 10^9
    top1: float  # percent
    source: str


# Trained from scratch on ImageNet-1k. tiny's MACs are printed as 4.5; the paper's roadmap (table 10) prints 4.49,
# which its own architecture does not reproduce: it counts 4.46.
CONVNEXT_1K: tuple[Published, ...] = (
    Published('tiny', 224, 28.6, 4.5, 82.1, 'R'),
    Published('small', 224, 50.2, 8.7, 83.1, 'R'),
    Published('base', 224, 88.6, 15.4, 83.8, 'R'),
    Published('large', 224, 198.0, 34.4, 84.3, 'R'),
    Published('base', 384, 88.6, 45.1, 85.1, 'R'),
    Published('large', 384, 198.0, 101.1, 85.5, 'R'),
)

# Pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k.
CONVNEXT_22K_TO_1K: tuple[Published, ...] = (
    Published('tiny', 224, 28.6, 4.5, 82.9, 'R'),
    Published('small', 224, 50.2, 8.7, 84.6, 'R'),
    Published('base', 224, 88.6, 15.4, 85.8, 'R'),
    Published('large', 224, 198.0, 34.4, 86.6, 'R'),
    Published('xlarge', 224, 350.0, 60.9, 87.0, 'R'),
    Published('tiny', 384, 28.6, 13.1, 84.1, 'R'),
    Published('small', 384, 50.2, 25.5, 85.8, 'R'),
    Published('base', 384, 88.6, 45.1, 86.8, 'R'),
    Published('large', 384, 198.0, 101.1, 87.5, 'R'),
    Published('xlarge', 384, 350.0, 179.0, 87.8, 'R'),
)

# ConvNeXt V2, FCMAE pre-training and fine-tuning on ImageNet-1k.
CONVNEXTV2_1K: tuple[Published, ...] = (
    Published('atto', 224, 3.7, 0.55, 76.7, 'R'),
    Published('femto', 224, 5.2, 0.78, 78.5, 'R'),
    Published('pico', 224, 9.1, 1.37, 80.3, 'R'),
    Published('nano', 224, 15.6, 2.45, 81.9, 'R'),
    Published('tiny', 224, 28.6, 4.47, 83.0, 'R'),
    Published('base', 224, 89.0, 15.4, 84.9, 'R'),
    Published('large', 224, 198.0, 34.4, 85.8, 'R'),
    Published('huge', 224, 660.0, 115.0, 86.3, 'R'),
)

# The isotropic variants, trained from scratch on ImageNet-1k. For small the paper prints 79.7.
ISOTROPIC_1K: tuple[Published, ...] = (
    Published('small', 224, 22.0, 4.3, 78.7, 'R'),
    Published('base', 224, 87.0, 16.9, 82.0, 'R'),
    Published('large', 224, 306.0, 59.7, 82.6, 'R'),
)

# Official weights by name: {1k, 22k, 22k_1k} is what they were trained on; `_ema` marks averaged ones, `_fcmae` V2's
# pre-training without a head.
_HOST = 'https://dl.fbaipublicfiles.com/convnext'
_V1 = (
    *(f'convnext_{arch}_1k_224{kind}' for arch in ('tiny', 'small', 'base', 'large') for kind in ('', '_ema')),
    *(f'convnext_{arch}_1k_384' for arch in ('base', 'large')),
    *(f'convnext_{arch}_22k_224' for arch in ('tiny', 'small', 'base', 'large', 'xlarge')),
    *(
        f'convnext_{arch}_22k_1k_{resolution}'
        for arch in ('tiny', 'small', 'base', 'large', 'xlarge')
        for resolution in (224, 384)
    ),
)
_V2 = ('atto', 'femto', 'pico', 'nano', 'tiny', 'base', 'large', 'huge')
OFFICIAL_WEIGHTS: dict[str, str] = {
    **{name: f'{_HOST}/{name}.pth' for name in _V1},
    **{f'convnextv2_{a}_1k_224_fcmae': f'{_HOST}/convnextv2/pt_only/convnextv2_{a}_1k_224_fcmae.pt' for a in _V2},
    **{f'convnextv2_{a}_1k_224_ema': f'{_HOST}/convnextv2/im1k/convnextv2_{a}_1k_224_ema.pt' for a in _V2},
}
