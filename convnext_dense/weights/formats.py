"""Formats of published ConvNeXt weights, as tables of names, and the network that weights are of.

:mod:`.conversion` converts weights from one to another. In this package's names, the backbone is under ``backbone.``
and a classifier's last linear layer under ``head.``; neck and heads of dense models keep the names of mmdet and mmseg.
Importing this module does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ..archs import ARCHS, ArchSettings

if TYPE_CHECKING:
    from torch import Tensor

STAGES = range(4)


@dataclass(frozen=True)
class Format:
    """A format: the names of a ConvNeXt's modules and parameters.

    Names contain {s} for the stage, {b} for the block, {i} for 0 or 1, and, for formats with another numbering,
    {down} = 2s, {stage} = 2s + 1 and {after} = s + 1.
    """

    name: str
    # convolution and norm; an overlapping stem has another convolution and perhaps an activation between them
    stem: tuple[str, ...] = tuple(f'downsample_layers.0.{i}' for i in range(4))
    downsample: str = 'downsample_layers.{s}.{i}'  # norm, convolution
    block: str = 'stages.{s}.{b}'
    dwconv: str = 'dwconv'
    norm: str = 'norm'
    pwconv: tuple[str, str] = ('pwconv1', 'pwconv2')
    gamma: str = 'gamma'
    gamma_shape: tuple[int, ...] = (-1,)
    grn: tuple[str, str] | None = ('grn.gamma', 'grn.beta')  # None for a format without V2
    grn_shape: tuple[int, ...] = (1, 1, 1, -1)
    final_norm: str | None = 'norm'
    norm_pre: str | None = None  # the norm before the pooling in a network with one
    output_norm: str | None = 'norm{s}'
    head: str | None = 'head'
    head_hidden: str | None = None  # the hidden layer of a head that has one
    prefixes: tuple[str, ...] = ('',)  # of the backbone's names in a full model, for V1 and V2; the head has none
    dense: bool = False  # True if it is also used for detectors and segmentors, with mmdet's and mmseg's names

    @property
    def signature(self) -> str:
        """Name of a tensor that exists only in this format."""
        return f'{self.block.format(s=0, b=0, down=0, stage=1)}.{self.dwconv}.weight'

    def names(self, blocks: int, final_norm: bool = True) -> dict[str, str]:
        """Map the names of our modules, and of parameters directly in a block, to the names in this format.

        Args:
            blocks: maximum number of blocks in a stage.
            final_norm: True if the weights have a final norm; mmpretrain uses the same name for it and for the norm of
                the last output.
        """
        names = {f'backbone.downsample_layers.0.{i}': stem for i, stem in enumerate(self.stem)}
        for s in STAGES:
            place = dict(s=s, down=2 * s, stage=2 * s + 1, after=s + 1)
            for i in (0, 1) if s else ():
                names[f'backbone.downsample_layers.{s}.{i}'] = self.downsample.format(i=i, **place)
            for b in range(blocks):
                ours, theirs = f'backbone.stages.{s}.{b}', self.block.format(b=b, **place)
                names[f'{ours}.dwconv'] = f'{theirs}.{self.dwconv}'
                names[f'{ours}.norm'] = f'{theirs}.{self.norm}'
                for n, pwconv in enumerate(self.pwconv, start=1):
                    names[f'{ours}.pwconv{n}'] = f'{theirs}.{pwconv}'
                names[f'{ours}.gamma'] = f'{theirs}.{self.gamma}'
                for own, other in zip(('gamma', 'beta'), self.grn or (), strict=False):
                    names[f'{ours}.grn.{own}'] = f'{theirs}.{other}'
            if self.output_norm:
                names[f'backbone.norm{s}'] = self.output_norm.format(**place)
        if self.final_norm and final_norm:
            names = {ours: theirs for ours, theirs in names.items() if theirs != self.final_norm}
            names['backbone.norm'] = self.final_norm
        others = (('backbone.norm_pre', self.norm_pre), ('head', self.head), ('head.hidden', self.head_hidden))
        names.update((ours, theirs) for ours, theirs in others if theirs)
        return names


OURS = Format('ours', norm_pre='norm_pre', head_hidden='head.hidden', prefixes=('backbone.',), dense=True)
OFFICIAL = Format('official')
TIMM = Format(
    name='timm',
    stem=('stem.0', 'stem.1', 'stem.2', 'stem.3'),
    downsample='stages.{s}.downsample.{i}',
    block='stages.{s}.blocks.{b}',
    dwconv='conv_dw',
    pwconv=('mlp.fc1', 'mlp.fc2'),
    grn=('mlp.grn.weight', 'mlp.grn.bias'),
    grn_shape=(-1,),
    final_norm='head.norm',
    norm_pre='norm_pre',
    output_norm=None,
    head='head.fc',
    head_hidden='head.pre_logits.fc',
)
TIMM_FEATURES = replace(
    TIMM,
    name='timm, features_only',
    stem=('stem_0', 'stem_1', 'stem_2', 'stem_3'),
    downsample='stages_{s}.downsample.{i}',
    block='stages_{s}.blocks.{b}',
    final_norm=None,
    norm_pre=None,
    head=None,
    head_hidden=None,
)
TORCHVISION = Format(
    name='torchvision',
    stem=('features.0.0', 'features.0.1'),
    downsample='features.{down}.{i}',
    block='features.{stage}.{b}',
    dwconv='block.0',
    norm='block.2',
    pwconv=('block.3', 'block.5'),
    gamma='layer_scale',
    gamma_shape=(-1, 1, 1),
    grn=None,
    final_norm='classifier.0',
    output_norm=None,
    head='classifier.2',
)
TORCHVISION_FEATURES = replace(  # in torchvision's detectors
    TORCHVISION,
    name='torchvision, features',
    stem=('0.0', '0.1'),
    downsample='{down}.{i}',
    block='{stage}.{b}',
    final_norm=None,
    head=None,
)
HF = Format(
    name='hf',
    stem=('embeddings.patch_embeddings', 'embeddings.layernorm'),
    downsample='encoder.stages.{s}.downsampling_layer.{i}',
    block='encoder.stages.{s}.layers.{b}',
    norm='layernorm',
    gamma='layer_scale_parameter',
    grn=('grn.weight', 'grn.bias'),
    final_norm='layernorm',
    output_norm='hidden_states_norms.stage{after}',
    head='classifier',
    prefixes=('convnext.', 'convnextv2.'),
)
HF_DINOV3 = Format(
    name='hf, DINOv3',
    stem=('stages.0.downsample_layers.0', 'stages.0.downsample_layers.1'),
    downsample='stages.{s}.downsample_layers.{i}',
    block='stages.{s}.layers.{b}',
    dwconv='depthwise_conv',
    norm='layer_norm',
    pwconv=('pointwise_conv1', 'pointwise_conv2'),
    grn=None,
    final_norm='layer_norm',
    output_norm=None,
    head=None,
)
MMPRETRAIN = Format(
    name='mmpretrain',
    dwconv='depthwise_conv',
    pwconv=('pointwise_conv1', 'pointwise_conv2'),
    grn_shape=(-1,),
    final_norm='norm3',
    head='head.fc',
    prefixes=('backbone.',),
    dense=True,
)
FCMAE = Format(  # the official files of V2's masked pre-training; fcmae_layout.py has what else differs
    name='fcmae',
    stem=('encoder.downsample_layers.0.0', 'encoder.downsample_layers.0.1'),
    downsample='encoder.downsample_layers.{s}.{i}',
    block='encoder.stages.{s}.{b}',
    norm='norm.ln',
    pwconv=('pwconv1.linear', 'pwconv2.linear'),
    grn_shape=(1, -1),
    final_norm=None,
    output_norm=None,
    head=None,
)
FORMATS = {f.name: f for f in (OURS, OFFICIAL, TIMM, TORCHVISION, HF, MMPRETRAIN, FCMAE)}

# Tensors that identify two other official networks: the encoder of V2's masked pre-training, and the isotropic ones.
FCMAE_KERNEL = 'encoder.stages.0.0.dwconv.kernel'
ISOTROPIC = 'blocks.0.dwconv.weight'
# timm builds these with 1x1 convolutions, whose weights are (out, in, 1, 1), and the others with linear layers
TIMM_CONV_MLP = ('zepto', 'atto', 'femto', 'pico', 'nano')


class Arch(NamedTuple):
    """Version and size of a backbone.

    Attributes:
        version: 1 or 2.
        size: depths and dims.
        name: name of the size, such as ``'tiny'``; None if it is not a published size.
    """

    version: int
    size: ArchSettings
    name: str | None

    def __str__(self) -> str:
        if not any(self.size.depths):
            return 'isotropic ConvNeXt'
        size = self.name or f'depths {self.size.depths}, dims {self.size.dims}'
        return f'ConvNeXt V{self.version} {size}'


def detect_arch(state_dict: Mapping[str, Tensor]) -> Arch:
    """Detect version and size of the backbone from weights in our names.

    Depths and dims are 0 for stages that the network does not have, as in isotropic networks.
    """
    depths, dims = [], []
    for s in STAGES:
        blocks = {name.split('.')[3] for name in state_dict if name.startswith(f'backbone.stages.{s}.')}
        depths.append(len(blocks))
        dims.append(next(map(len, _kernels(state_dict, s)), 0))
    size = ArchSettings((depths[0], depths[1], depths[2], depths[3]), (dims[0], dims[1], dims[2], dims[3]))
    version = 2 if any(name.startswith('backbone.') and '.grn.' in name for name in state_dict) else 1
    return Arch(version, size, next((name for name, known in ARCHS.items() if known == size), None))


def _kernels(state_dict: Mapping[str, Tensor], stage: int) -> Iterator[Tensor]:
    """Yield the kernels with a stage's number of output channels."""
    for place in (rf'stages\.{stage}\.\d+\.dwconv', rf'downsample_layers\.{stage}\.\d+'):
        found = [n for n, t in state_dict.items() if re.fullmatch(rf'backbone\.{place}\.weight', n) and t.ndim == 4]
        yield from (state_dict[name] for name in sorted(found, reverse=True))  # an overlapping stem has several
