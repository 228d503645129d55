"""Published results with their sources, as plain data.

Sources: R, the official repository's README (github.com/facebookresearch/ConvNeXt and ConvNeXt-V2);
P, the paper "A ConvNet for the 2020s" (arXiv 2201.03545). Results that others published are marked as theirs.
MACs are multiply-accumulates of convolutions and linear layers (the paper calls them FLOPs), in 10^9;
parameters are in 10^6, with a head of 1000 classes; top-1 is in percent on ImageNet-1k's validation set.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A published ImageNet-1k result."""

    arch: str
    resolution: int
    params: float  # 10^6
    macs: float  # 10^9
    top1: float  # percent
    source: str
    note: str = ''  # where sources disagree


# Trained from scratch on ImageNet-1k.
CONVNEXT_1K: tuple[Published, ...] = (
    Published(
        *('tiny', 224, 28.6, 4.5, 82.1, 'R'),
        note="the paper's roadmap (table 10) prints 4.49, V2's repository 4.47; the architecture counts 4.46",
    ),
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

# ConvNeXt V2, FCMAE pre-training, then fine-tuning on ImageNet-22k and on ImageNet-1k.
CONVNEXTV2_22K_TO_1K: tuple[Published, ...] = (
    Published('nano', 224, 15.6, 2.45, 82.1, 'R'),
    Published('nano', 384, 15.6, 7.21, 83.4, 'R'),
    Published('tiny', 224, 28.6, 4.47, 83.9, 'R'),
    Published('tiny', 384, 28.6, 13.1, 85.1, 'R'),
    Published('base', 224, 89.0, 15.4, 86.8, 'R'),
    Published('base', 384, 89.0, 45.2, 87.7, 'R'),
    Published('large', 224, 198.0, 34.4, 87.3, 'R'),
    Published('large', 384, 198.0, 101.1, 88.2, 'R'),
    Published('huge', 384, 660.0, 337.9, 88.7, 'R'),
    Published('huge', 512, 660.0, 600.8, 88.9, 'R'),
)

# The isotropic variants, trained from scratch on ImageNet-1k.
ISOTROPIC_1K: tuple[Published, ...] = (
    Published(*('small', 224, 22.0, 4.3, 78.7, 'R'), note='top-1: the repository prints 78.7, the paper 79.7'),
    Published('base', 224, 87.0, 16.9, 82.0, 'R'),
    Published('large', 224, 306.0, 59.7, 82.6, 'R'),
)


AUTHORS = 'the authors of ConvNeXt'


class PublishedDense(NamedTuple):
    """A published result of a detector or segmentor whose backbone was pre-trained on ``data``."""

    arch: str
    data: str  # 'ImageNet-1k' or 'ImageNet-22k'
    params: float | None  # 10^6; None where none are published
    macs: float | None  # 10^9; None where none are published
    scores: tuple[float, ...]  # box AP, then mask AP if there is one; single- and multi-scale mIoU
    by: str = AUTHORS  # who published it


# COCO (R; P table 3), Mask R-CNN and Cascade Mask R-CNN. MACs at 1280 x 800: backbone, FPN,
# RPN, and at each of the three stages the box head on 1000 proposals and the mask head on 100.
MASK_RCNN_COCO = (PublishedDense('tiny', 'ImageNet-1k', 48, 262, (46.2, 41.7)),)
CASCADE_COCO = (
    PublishedDense('tiny', 'ImageNet-1k', 86, 741, (50.4, 43.7)),
    PublishedDense('small', 'ImageNet-1k', 108, 827, (51.9, 45.0)),
    PublishedDense('base', 'ImageNet-1k', 146, 964, (52.7, 45.6)),
    PublishedDense('base', 'ImageNet-22k', 146, 964, (54.0, 46.9)),
    PublishedDense('large', 'ImageNet-22k', 255, 1354, (54.8, 47.6)),
    PublishedDense('xlarge', 'ImageNet-22k', 407, 1898, (55.2, 47.7)),
)

# COCO, box AP of DINO-4scale after 12 epochs, by detrex (github.com/IDEA-Research/detrex: its
# projects/dino/README.md has those of 22k, from weights fine-tuned on 1k at 384).
DINO_COCO = (
    PublishedDense('tiny', 'ImageNet-1k', None, None, (51.4,), 'detrex'),
    PublishedDense('small', 'ImageNet-1k', None, None, (52.0,), 'detrex'),
    PublishedDense('base', 'ImageNet-1k', None, None, (52.6,), 'detrex'),
    PublishedDense('large', 'ImageNet-1k', None, None, (53.4,), 'detrex'),
    PublishedDense('tiny', 'ImageNet-22k', None, None, (52.4,), 'detrex'),
    PublishedDense('small', 'ImageNet-22k', None, None, (54.2,), 'detrex'),
    PublishedDense('base', 'ImageNet-22k', None, None, (55.1,), 'detrex'),
    PublishedDense('large', 'ImageNet-22k', None, None, (55.5,), 'detrex'),
)

# COCO, box AP of RTMDet-l with ConvNeXt-B (mmdet's configs/rtmdet/metafile.yml), from weights fine-tuned on 1k at 384.
RTMDET_COCO = (PublishedDense('base', 'ImageNet-22k', None, None, (53.1,), 'mmdet'),)

# ADE20K (R; P tables 4 and 7), UPerNet. MACs at 2048 x 512 (22k weights: 2560 x 640): backbone and decode head without
# the auxiliary head, which the parameters include.
UPERNET_ADE20K = (
    PublishedDense('tiny', 'ImageNet-1k', 60, 939, (46.0, 46.7)),
    PublishedDense('small', 'ImageNet-1k', 82, 1027, (48.7, 49.6)),
    PublishedDense('base', 'ImageNet-1k', 122, 1170, (49.1, 49.9)),
    PublishedDense('base', 'ImageNet-22k', 122, 1828, (52.6, 53.1)),
    PublishedDense('large', 'ImageNet-22k', 235, 2458, (53.2, 53.7)),
    PublishedDense('xlarge', 'ImageNet-22k', 391, 3335, (53.6, 54.0)),
)

# ADE20K, mIoU of a linear layer on the frozen features of DINOv3's ConvNeXts (DINOv3, arXiv 2508.10104).
DINOV3_ADE20K_LINEAR: dict[str, float] = {'tiny': 42.7, 'small': 44.8, 'base': 46.3, 'large': 47.8}


class PublishedNearest(NamedTuple):
    """A published result of the model that is nearest to one of ours, on the same backbone."""

    arch: str
    params: float  # 10^6
    miou: tuple[float, float]  # single- and multi-scale, percent
    pq: float  # percent
    mask_ap: float  # percent


# ADE20K at 640 pixels, OneFormer with weights of ImageNet-22k (README of github.com/SHI-Labs/OneFormer): nearest to
# Mask2Former, whose head it extends by text and a task token.
ONEFORMER_ADE20K = (
    PublishedNearest('large', 220, (56.6, 57.4), 50.0, 36.2),
    PublishedNearest('xlarge', 372, (57.4, 58.8), 50.1, 36.3),
)

# ADE20K, single-scale mIoU of mmseg's own UPerNet with ConvNeXt-T (mmseg's configs/convnext/metafile.yaml).
MMSEG_UPERNET_TINY = 46.11

# Official weights by name: {1k, 22k, 22k_1k} is the training data; `_ema` marks weight averages, `_fcmae` V2's
# pre-training without a head. V2's `22k` are pre-trained by FCMAE and fine-tuned on ImageNet-22k, then on ImageNet-1k.
# Detectors and segmentors are named as their files, after the data of their backbone. Addresses: R, and its folders.
_HOST = 'https://dl.fbaipublicfiles.com/convnext'
_V1 = (
    *(f'convnext_{arch}_1k_224' for arch in ('tiny', 'small', 'base')),
    *(f'convnext_{arch}_1k_224_ema' for arch in ('tiny', 'small', 'base', 'large')),
    *(f'convnext_{arch}_1k_384' for arch in ('base', 'large')),
    *(f'convnext_{arch}_22k_224' for arch in ('tiny', 'small', 'base', 'large', 'xlarge')),
    *(
        f'convnext_{arch}_22k_1k_{resolution}'
        for arch in ('tiny', 'small', 'base', 'large')
        for resolution in (224, 384)
    ),
    *(f'convnext_xlarge_22k_1k_{resolution}_ema' for resolution in (224, 384)),
    *(f'convnext_iso_{arch}_1k_224_ema' for arch in ('small', 'base', 'large')),
)
_COCO = (
    'mask_rcnn_convnext_tiny_1k_3x',
    *(f'cascade_mask_rcnn_convnext_{arch}_1k_3x' for arch in ('tiny', 'small', 'base')),
    *(f'cascade_mask_rcnn_convnext_{arch}_22k_3x' for arch in ('base', 'large', 'xlarge')),
)
_ADE20K = (
    *(f'upernet_convnext_{arch}_1k_512x512' for arch in ('tiny', 'small', 'base')),
    *(f'upernet_convnext_{arch}_22k_640x640' for arch in ('base', 'large', 'xlarge')),
)
_V2_22K = (
    *(f'convnextv2_{a}_22k_{resolution}_ema' for a in ('nano', 'tiny', 'base', 'large') for resolution in (224, 384)),
    *(f'convnextv2_huge_22k_{resolution}_ema' for resolution in (384, 512)),
)
_V2 = ('atto', 'femto', 'pico', 'nano', 'tiny', 'base', 'large', 'huge')
OFFICIAL_WEIGHTS: dict[str, str] = {
    **{name: f'{_HOST}/{name}.pth' for name in _V1},
    **{f'convnextv2_{a}_1k_224_fcmae': f'{_HOST}/convnextv2/pt_only/convnextv2_{a}_1k_224_fcmae.pt' for a in _V2},
    **{f'convnextv2_{a}_1k_224_ema': f'{_HOST}/convnextv2/im1k/convnextv2_{a}_1k_224_ema.pt' for a in _V2},
    **{name: f'{_HOST}/convnextv2/im22k/{name}.pt' for name in _V2_22K},
    **{name: f'{_HOST}/coco/{name}.pth' for name in _COCO},
    **{name: f'{_HOST}/ade20k/{name}.pth' for name in _ADE20K},
}


class RoadmapResult(NamedTuple):
    """A published step of the roadmap from a ResNet to a ConvNeXt."""

    step: str  # its name in roadmap/steps.py
    top1: float  # percent
    std: float | None  # of top1 over three seeds; None where the paper prints one run
    macs: float  # 10^9, as printed
    misprint: str = ''  # why the printed MACs must be wrong; empty if they are right


# P: table 10 for ResNet-50 to ConvNeXt-T, table 11 for ResNet-200 to ConvNeXt-B. Without EMA, hence ConvNeXt-T's 81.97
# here and 82.1 above. Two of table 10's GFLOPs are misprints; all others equal the architectures' MACs.
ROADMAP: dict[str, tuple[RoadmapResult, ...]] = {
    'resnet50': (
        RoadmapResult('baseline', 76.13, None, 4.09),
        RoadmapResult('modern_recipe', 78.82, 0.07, 4.09),
        RoadmapResult('stage_ratio', 79.36, 0.07, 4.53),
        RoadmapResult('patchify_stem', 79.51, 0.18, 4.42),
        RoadmapResult('depthwise_conv', 78.28, 0.08, 2.35),
        RoadmapResult('width', 80.50, 0.02, 5.27),
        RoadmapResult('inverted_bottleneck', 80.64, 0.03, 4.64),
        RoadmapResult('depthwise_conv_up', 79.92, 0.08, 4.07),
        RoadmapResult('kernel_5', 80.35, 0.08, 4.10),
        RoadmapResult('kernel_7', 80.57, 0.14, 4.15),
        RoadmapResult('kernel_9', 80.57, 0.06, 4.21),
        RoadmapResult('kernel_11', 80.47, 0.11, 4.29),
        RoadmapResult('gelu', 80.62, 0.14, 4.15),
        RoadmapResult('fewer_activations', 81.27, 0.06, 4.15),
        RoadmapResult('fewer_norms', 81.41, 0.09, 4.15),
        RoadmapResult(
            *('layer_norm', 81.47, 0.09, 4.46),
            misprint='norms count no MACs: it is 4.15, as one row before; figure 2 has 4.2, table 11 no change',
        ),
        RoadmapResult(
            *('separate_downsampling', 81.97, 0.06, 4.49),
            misprint='ConvNeXt-T counts 4.46, which is printed one row before; table 1 has 4.5',
        ),
    ),
    'resnet200': (
        RoadmapResult('baseline', 78.20, None, 15.01),
        RoadmapResult('modern_recipe', 81.14, None, 15.01),
        RoadmapResult('stage_ratio', 81.33, None, 14.52),
        RoadmapResult('patchify_stem', 81.59, None, 14.38),
        RoadmapResult('depthwise_conv', 80.54, None, 7.23),
        RoadmapResult('width', 81.85, None, 16.76),
        RoadmapResult('inverted_bottleneck', 82.64, None, 15.68),
        RoadmapResult('depthwise_conv_up', 82.04, None, 14.63),
        RoadmapResult('kernel_5', 82.32, None, 14.70),
        RoadmapResult('kernel_7', 82.30, None, 14.81),
        RoadmapResult('kernel_9', 82.27, None, 14.95),
        RoadmapResult('kernel_11', 82.18, None, 15.13),
        RoadmapResult('gelu', 82.19, None, 14.81),
        RoadmapResult('fewer_activations', 82.71, None, 14.81),
        RoadmapResult('fewer_norms', 83.17, None, 14.81),
        RoadmapResult('layer_norm', 83.35, None, 14.81),
        RoadmapResult('separate_downsampling', 83.60, None, 15.35),
    ),
}
