"""Formats of published ConvNeXt weights, as tables of names, and conversion between them.

timm's model of the same size loads ``convert(model.state_dict(), 'timm').state``, and ours loads
``convert(timm_model.state_dict(), 'ours').state``. Tensors are renamed and reshaped; their values do not change.

In this package's names, the backbone is under ``backbone.`` and a classifier's linear layer under ``head.``; neck and
heads of dense models keep the names of mmdet and mmseg. Importing this module does not import torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ..archs import ARCHS, ArchSettings
from ..errors import UserError

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
    output_norm: str | None = 'norm{s}'
    head: str | None = 'head'
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
        if self.head:
            names['head'] = self.head
        return names


OURS = Format('ours', prefixes=('backbone.',), dense=True)
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
    output_norm=None,
    head='head.fc',
)
TIMM_FEATURES = replace(
    TIMM,
    name='timm, features_only',
    stem=('stem_0', 'stem_1', 'stem_2', 'stem_3'),
    downsample='stages_{s}.downsample.{i}',
    block='stages_{s}.blocks.{b}',
    final_norm=None,
    head=None,
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
FORMATS = {f.name: f for f in (OURS, OFFICIAL, TIMM, TORCHVISION, HF, MMPRETRAIN)}

# Tensors that identify two other official networks: the encoder of V2's masked pre-training, and the isotropic ones.
FCMAE = 'encoder.stages.0.0.dwconv.kernel'
ISOTROPIC = 'blocks.0.dwconv.weight'
# timm builds these with 1x1 convolutions, whose weights are (out, in, 1, 1), and the others with linear layers
TIMM_CONV_MLP = ('atto', 'femto', 'pico', 'nano')


class ConvertedWeights(NamedTuple):
    """Weights converted to another format.

    Attributes:
        source: name of the original format, for messages.
        state: tensors by name.
        left_over: names in the source without a counterpart in the other format.
    """

    source: str
    state: dict[str, Tensor]
    left_over: list[str]


def convert(
    state_dict: Mapping[str, Tensor], to: str, conv_mlp: bool | None = None, path: object = 'the state dict'
) -> ConvertedWeights:
    """Recognize the format of a ConvNeXt's weights, V1 or V2, and convert them to another format.

    Args:
        state_dict: weights in any format; the backbone may be part of a detector or segmentor.
        to: a key of :data:`FORMATS`. ``'hf'`` is a ``ConvNextForImageClassification``, or a ``ConvNextModel`` if the
            weights have no head.
        conv_mlp: timm's option of that name; None for the default of timm's network of this size.
        path: name of the weights in error messages.

    Raises:
        UserError: if the weights are not those of exactly one ConvNeXt, or the format has no such network.
    """
    ours = _to_ours(state_dict, path)
    if to == OURS.name:
        return ours
    state, left_over = _from_ours(ours.state, FORMATS[to], conv_mlp)
    return ConvertedWeights(ours.source, state, ours.left_over + left_over)


# -- from any format to our names


def _to_ours(state_dict: Mapping[str, Tensor], path: object) -> ConvertedWeights:
    signatures: list[tuple[str, Format | None]] = [(FCMAE, None), (ISOTROPIC, None)]
    signatures += [(f.signature, f) for f in (OFFICIAL, TIMM, TIMM_FEATURES, TORCHVISION, HF, HF_DINOV3, MMPRETRAIN)]
    matches = [
        (name.removesuffix(end), end, format)
        for name in state_dict
        for end, format in signatures
        if name == end or name.endswith(f'.{end}')
    ]
    if not matches:
        raise UserError(f'{path} holds no ConvNeXt weights: its first tensors are {_first_names(state_dict)}')
    if len(matches) > 1:
        places = ' and '.join(f'{prefix or "the top level"} ({end})' for prefix, end, _ in matches[:3])
        raise UserError(
            f'{path} holds more than one ConvNeXt, at {places}: save the wanted one alone; '
            f'its first tensors are {_first_names(state_dict)}'
        )
    prefix, end, format = matches[0]
    if end == FCMAE:
        state, left_over = _convert_fcmae(state_dict, prefix)
        return ConvertedWeights("official, FCMAE's encoder", state, left_over)
    if format is HF_DINOV3 and prefix.endswith('model.'):  # its layer_norm is beside them
        outer = prefix.removesuffix('model.')
        state_dict = {
            outer + name.removeprefix(prefix) if name.startswith(prefix) else name: tensor
            for name, tensor in state_dict.items()
        }
        prefix = outer
    if format in (None, OFFICIAL):
        return _from_our_names(state_dict, prefix, OURS if prefix.endswith('backbone.') else OFFICIAL)
    return _from_other_names(state_dict, prefix, format)


def _first_names(state_dict: Mapping[str, Tensor]) -> str:
    return ', '.join(list(state_dict)[:3])


def _from_our_names(state_dict: Mapping[str, Tensor], prefix: str, format: Format) -> ConvertedWeights:
    """Convert weights with our names or the official ones, under any prefix.

    Our weights have neck and heads next to the backbone; official ones have only ``head`` next to it.
    """
    state, left_over = {}, []
    outer = prefix.removesuffix('backbone.')
    for name, tensor in state_dict.items():
        if not name.startswith(outer):
            left_over.append(name)
        elif format is OURS or name.startswith(f'{outer}head.'):
            in_backbone = name.startswith(prefix) and format is OURS
            state[name.removeprefix(outer)] = _in_our_shape(name, tensor) if in_backbone else tensor
        elif _is_copy_of_the_final_norm(name.removeprefix(outer), tensor, state_dict, outer):
            left_over.append(name)
        else:
            state[f'backbone.{name.removeprefix(outer)}'] = _in_our_shape(name, tensor)
    return ConvertedWeights(format.name, state, left_over)


def _is_copy_of_the_final_norm(name: str, tensor: Tensor, state_dict: Mapping[str, Tensor], outer: str) -> bool:
    """Whether a tensor is one of ``norms.3`` in the official files of DINOv3, which repeats ``norm``."""
    if not name.startswith('norms.3.'):
        return False
    norm = state_dict.get(f'{outer}norm.{name.removeprefix("norms.3.")}')
    return norm is not None and norm.shape == tensor.shape and bool((norm == tensor).all())


def _from_other_names(state_dict: Mapping[str, Tensor], prefix: str, format: Format) -> ConvertedWeights:
    """Convert weights of another format; the backbone's names begin with ``prefix``."""
    outer = prefix
    for inner in format.prefixes:
        outer = outer.removesuffix(inner)
    beside = [name for name in state_dict if name.startswith(outer) and not name.startswith(prefix)]
    heads = [name for name in beside if not name.startswith(f'{outer}{format.head}.')]
    norms = [s for s in STAGES if f'{prefix}norm{s}.weight' in state_dict]
    final_norm = format is not MMPRETRAIN or (norms == [3] and not heads)
    names = format.names(_most_blocks(state_dict), final_norm)
    theirs = {other: own for own, other in names.items()}
    hidden = format is TIMM and f'{prefix}head.pre_logits.fc.weight' in state_dict

    state, left_over = {}, []
    for name, tensor in state_dict.items():
        inside = name.startswith(prefix)
        if hidden and inside and name.removeprefix(prefix).startswith(('head.pre_logits.', 'head.fc.')):
            left_over.append(name)  # a head of two layers, as that of CLIP's large_mlp, is another than ours
            continue
        other = name.removeprefix(prefix) if inside else name.removeprefix(outer)
        own = _renamed(other, theirs)
        if own is not None and inside == (own.startswith('backbone.') or prefix == outer):
            state[own] = _in_our_shape(own, tensor)
        elif inside:
            state[f'backbone.{other}'] = tensor  # unknown: loading it will fail and report this name
        elif format.dense and name in beside:
            state[other] = tensor
        else:
            left_over.append(name)
    return ConvertedWeights(format.name, state, left_over)


def _most_blocks(names: Collection[str]) -> int:
    """Return an upper bound on the blocks of a stage: one above the highest number in the names, or their count."""
    numbers = {int(n) for name in names for n in re.findall(r'\d+', name)}
    return min(1 + max(numbers, default=0), len(names))


def _renamed(name: str, names: Mapping[str, str]) -> str | None:
    """Rename a tensor by a map of module and parameter names; returns None if it is not in the map."""
    if name in names:
        return names[name]
    module, _, leaf = name.rpartition('.')
    return f'{names[module]}.{leaf}' if module in names else None


def _in_our_shape(name: str, tensor: Tensor) -> Tensor:
    """Reshape a tensor to our shape; one with an unexpected shape is kept, and loading it will report its shape."""
    if '.grn.' in name and tensor.ndim in (1, 2) and len(tensor) in (1, tensor.numel()):
        return tensor.view(1, 1, 1, -1)
    if name.endswith('.gamma') and tensor.ndim == 3 and tensor.shape[1:] == (1, 1):
        return tensor.flatten()
    if re.search(r'\.pwconv[12]\.weight$', name) and tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
        return tensor.flatten(1)
    return tensor


def _convert_fcmae(state_dict: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], list[str]]:
    """Convert the encoder of V2's masked pre-training, whose sparse convolutions store flattened kernels.

    A depthwise kernel is (k * k, C), any other (k * k, in, out), with the positions column by column. Norms and
    pointwise layers are one level deeper, under ``ln`` and ``linear``. GRN's parameters are (1, 4C).
    """
    state, left_over = {}, []
    for name, tensor in state_dict.items():
        if not name.startswith(f'{prefix}encoder.'):
            left_over.append(name)  # the decoder and its mask token
            continue
        rest = name.removeprefix(f'{prefix}encoder.')
        if rest.endswith('.kernel'):
            side = math.isqrt(tensor.shape[0])
            if tensor.ndim == 2:
                tensor = tensor[:, None]  # (k * k, 1, C)
            tensor = tensor.permute(2, 1, 0).unflatten(2, (side, side)).transpose(2, 3).contiguous()
            rest = rest.removesuffix('kernel') + 'weight'
        rest = rest.replace('.ln.', '.').replace('.linear.', '.')
        if rest.endswith('.bias'):
            tensor = tensor.flatten()
        elif '.grn.' in rest:
            tensor = tensor.reshape(1, 1, 1, -1)
        state[f'backbone.{rest}'] = tensor
    return state, left_over


# -- from our names to any format


def _from_ours(
    state_dict: Mapping[str, Tensor], format: Format, conv_mlp: bool | None
) -> tuple[dict[str, Tensor], list[str]]:
    arch = detect_arch(state_dict)
    if arch.version == 2 and format.grn is None:
        raise UserError(f'{format.name} has no ConvNeXt V2: take another format')
    if not all(arch.size.depths) and format not in (OURS, OFFICIAL):
        raise UserError(f'{format.name} has no isotropic ConvNeXt: take the format official or ours')
    full_model = 'head.weight' in state_dict or format is MMPRETRAIN
    prefix = format.prefixes[min(arch.version, len(format.prefixes)) - 1] if full_model else ''
    names = format.names(_most_blocks(state_dict), final_norm='backbone.norm.weight' in state_dict)
    if conv_mlp is None:
        conv_mlp = arch.name in TIMM_CONV_MLP

    state, left_over = {}, []
    for name, tensor in state_dict.items():
        other = _renamed(name, names)
        if other is not None:
            inside = name.startswith('backbone.')
            state[f'{prefix}{other}' if inside else other] = _in_their_shape(name, tensor, format, conv_mlp)
        elif format.dense and not name.startswith('backbone.'):
            state[name] = tensor
        elif format is OFFICIAL and name.startswith('backbone.'):
            state[name.removeprefix('backbone.')] = tensor  # the isotropic networks' and the roadmap's
        else:
            left_over.append(name)
    return state, left_over


def _in_their_shape(name: str, tensor: Tensor, format: Format, conv_mlp: bool) -> Tensor:
    if '.grn.' in name:
        return tensor.reshape(format.grn_shape)
    if name.endswith('.gamma'):
        return tensor.reshape(format.gamma_shape)
    if format is TIMM and conv_mlp and re.search(r'\.pwconv[12]\.weight$', name):
        return tensor[:, :, None, None]
    return tensor


# -- recognizing the network


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
        places = re.compile(rf'backbone\.(stages\.{s}\.\d+\.dwconv|downsample_layers\.{s}\.\d+)\.weight$')
        kernels = (t for name, t in state_dict.items() if places.match(name) and t.ndim == 4)
        dims.append(len(next(kernels, ())))
    size = ArchSettings((depths[0], depths[1], depths[2], depths[3]), (dims[0], dims[1], dims[2], dims[3]))
    version = 2 if any('.grn.' in name for name in state_dict) else 1
    return Arch(version, size, next((name for name, known in ARCHS.items() if known == size), None))
