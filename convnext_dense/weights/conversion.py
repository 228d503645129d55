"""Conversion of ConvNeXt weights between the formats of :mod:`.formats`.

timm's model of the same size loads ``convert(model.state_dict(), 'timm').state``, and ours loads
``convert(timm_model.state_dict(), 'ours').state``. Tensors are renamed and reshaped; their values do not change.
Importing this module does not import torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UserError
from .fcmae_layout import decoder_names, from_fcmae, to_sparse
from .formats import (
    FCMAE,
    FCMAE_KERNEL,
    FORMATS,
    HF,
    HF_DINOV3,
    ISOTROPIC,
    MMPRETRAIN,
    OFFICIAL,
    OURS,
    STAGES,
    TIMM,
    TIMM_CONV_MLP,
    TIMM_FEATURES,
    TORCHVISION,
    TORCHVISION_FEATURES,
    Format,
    detect_arch,
)
from .structure import detect_structure

if TYPE_CHECKING:
    from torch import Tensor


class ConvertedWeights(NamedTuple):
    """Weights converted to another format.

    Attributes:
        source: name of the original format, for messages.
        state: tensors by name.
        left_over: names in the source without a counterpart in the other format.
        normalizes_positions: True if the file has the final norm also as that of the last stage's positions.
    """

    source: str
    state: dict[str, Tensor]
    left_over: list[str]
    normalizes_positions: bool = False


def convert(
    state_dict: Mapping[str, Tensor], to: str, conv_mlp: bool | None = None, path: object = 'the state dict'
) -> ConvertedWeights:
    """Recognize the format of a ConvNeXt's weights, V1 or V2, and convert them to another format.

    Args:
        state_dict: weights in any format; the backbone may be part of a detector, a segmentor or a CLIP model.
        to: a key of :data:`~.formats.FORMATS`. ``'hf'`` is a ``ConvNextForImageClassification``, or a
            ``ConvNextModel`` if the weights have no head.
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
    signatures: list[tuple[str, Format | None]] = [(FCMAE_KERNEL, None), (ISOTROPIC, None)]
    others = (TIMM, TIMM_FEATURES, TORCHVISION, TORCHVISION_FEATURES, HF, HF_DINOV3, MMPRETRAIN)
    signatures += [(format.signature, format) for format in (OFFICIAL, *others)]
    matches = [
        (name.removesuffix(end), end, format)
        for name in state_dict
        for end, format in signatures
        if (name == end or name.endswith(f'.{end}'))
        and not (format is TORCHVISION_FEATURES and name.endswith(TORCHVISION.signature))  # which ends like it
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
    if end == FCMAE_KERNEL:
        return ConvertedWeights(FCMAE.name, *from_fcmae(state_dict, prefix))
    if format is HF_DINOV3 and prefix.endswith('model.'):  # its layer_norm is beside them
        outer = prefix.removesuffix('model.')
        state_dict = {
            outer + name.removeprefix(prefix) if name.startswith(prefix) else name: tensor
            for name, tensor in state_dict.items()
        }
        prefix = outer
    if format in (None, OFFICIAL):
        if prefix.endswith('backbone.'):
            return _from_our_names(state_dict, prefix)
        return _from_official_names(state_dict, prefix, path)
    return _from_other_names(state_dict, prefix, format)


def _first_names(state_dict: Mapping[str, Tensor]) -> str:
    return ', '.join(list(state_dict)[:3])


def _from_our_names(state_dict: Mapping[str, Tensor], prefix: str) -> ConvertedWeights:
    """Convert weights with our names, under any prefix: neck and heads are next to the backbone."""
    outer = prefix.removesuffix('backbone.')
    state = {
        name.removeprefix(outer): _in_our_shape(name, tensor) if name.startswith(prefix) else tensor
        for name, tensor in state_dict.items()
        if name.startswith(outer)
    }
    return ConvertedWeights(OURS.name, state, [name for name in state_dict if not name.startswith(outer)])


def _from_official_names(state_dict: Mapping[str, Tensor], prefix: str, path: object) -> ConvertedWeights:
    """Convert weights with the official names, under any prefix; they have only ``head`` next to the backbone.

    DINOv3's files have ``norms.3``, the same module as ``norm`` and so a copy of it. Those of EUPE have ``projectors``
    of its distillation and norms of the features, of which timm takes none (``checkpoint_filter_fn`` of timm 1.0).
    """
    inside = {name.removeprefix(prefix): name for name in state_dict if name.startswith(prefix)}
    norms = {name for name in inside if re.match(r'norms\.\d+\.', name)}
    projectors = {name for name in inside if name.startswith('projectors.')}
    last = {name.removeprefix('norms.3.'): state_dict[inside[name]] for name in norms if name.startswith('norms.3.')}
    norm = {leaf: state_dict.get(f'{prefix}norm.{leaf}') for leaf in last}
    copied = all(
        n is not None and n.shape == last[leaf].shape and bool((n == last[leaf]).all()) for leaf, n in norm.items()
    )
    if norms and not projectors and len(last) == len(norms) and not copied:
        raise UserError(
            f"{path} has other values in norms.3 than in norm, of which it is a copy in DINOv3's files: "
            'take other weights'
        )
    state = {
        name if name.startswith('head.') else f'backbone.{name}': _in_our_shape(name, state_dict[full])
        for name, full in inside.items()
        if name not in norms | projectors
    }
    left_over = [n for n in state_dict if not n.startswith(prefix) or n.removeprefix(prefix) in norms | projectors]
    return ConvertedWeights(OFFICIAL.name, state, left_over, normalizes_positions=bool(last) and copied)


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

    state, left_over = {}, []
    for name, tensor in state_dict.items():
        inside = name.startswith(prefix)
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


# -- from our names to any format


def _from_ours(
    state_dict: Mapping[str, Tensor], format: Format, conv_mlp: bool | None
) -> tuple[dict[str, Tensor], list[str]]:
    arch = detect_arch(state_dict)
    if arch.version == 2 and format.grn is None:
        raise UserError(f'{format.name} has no ConvNeXt V2: take another format')
    if not all(arch.size.depths) and format not in (OURS, OFFICIAL):
        raise UserError(f'{format.name} has no isotropic ConvNeXt: take the format official or ours')
    if format not in (OURS, TIMM) and (variants := list(_variants(state_dict))):
        raise UserError(f'{format.name} has no ConvNeXt with {" and ".join(variants)}: take the format timm or ours')
    if arch.version == 1 and format is FCMAE:
        raise UserError(f'{format.name} has no ConvNeXt V1: take the format ours')
    full_model = 'head.weight' in state_dict or format is MMPRETRAIN
    prefix = format.prefixes[min(arch.version, len(format.prefixes)) - 1] if full_model else ''
    names = format.names(_most_blocks(state_dict), final_norm='backbone.norm.weight' in state_dict)
    if conv_mlp is None:
        conv_mlp = arch.name in TIMM_CONV_MLP or 'backbone.norm_pre.weight' in state_dict  # the latter: tiny_hnf

    state, left_over, decoder = {}, [], decoder_names(state_dict)
    for name, tensor in state_dict.items():
        other = _renamed(name, names)
        if other is not None:
            inside = name.startswith('backbone.')
            tensor = _in_their_shape(name, tensor, format, conv_mlp)
            other, tensor = to_sparse(other, tensor) if format is FCMAE else (other, tensor)
            state[f'{prefix}{other}' if inside else other] = tensor
        elif name in decoder:
            if format in (OURS, FCMAE):
                state[name] = tensor
            else:
                left_over.append(name)
        elif format.dense and not name.startswith('backbone.'):
            state[name] = tensor
        elif format is OFFICIAL and name.startswith('backbone.'):
            state[name.removeprefix('backbone.')] = tensor  # the isotropic networks' and the roadmap's
        else:
            left_over.append(name)
    return state, left_over


def _variants(state_dict: Mapping[str, Tensor]) -> Iterator[str]:
    """Name what makes a network one of timm's variants, from weights in our names."""
    if structure := str(detect_structure(state_dict)):
        yield structure
    if 'head.hidden.weight' in state_dict:
        yield 'a hidden layer in its head'


def _in_their_shape(name: str, tensor: Tensor, format: Format, conv_mlp: bool) -> Tensor:
    if '.grn.' in name:
        return tensor.reshape(format.grn_shape)
    if name.endswith('.gamma'):
        return tensor.reshape(format.gamma_shape)
    if format is TIMM and conv_mlp and re.search(r'\.pwconv[12]\.weight$', name):
        return tensor[:, :, None, None]
    return tensor
