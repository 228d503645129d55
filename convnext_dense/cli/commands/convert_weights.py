"""Convert ConvNeXt weights between published formats."""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ...checkpoints import files as checkpoints
from ...counting import counted
from ...errors import UserError
from ...io.files import durable_write
from ...weights.conversion import convert
from ...weights.extraction import Weights, extract_weights
from ...weights.formats import FORMATS, HF, OFFICIAL, OURS, TIMM_CONV_MLP, Arch, detect_arch
from ...weights.hub_config import EPS, SETTINGS
from ...weights.layer_names import parts_left_over
from ...weights.loading import check_is_convnext
from ...weights.reader import read_checkpoint
from ..parsers.convert_weights import SAFETENSORS, check_target


def run(args: argparse.Namespace) -> None:
    source, target = checkpoints.find(args.source), Path(args.target)
    safetensors = args.safetensors or target.suffix == SAFETENSORS
    check_target(source, target, safetensors, args.force)  # again, now that SRC is a file
    weights = extract_weights(read_checkpoint(source, args.trust_pickle), source, args.weights)
    check_is_convnext(weights)
    written = convert(weights.state, args.to, path=source)
    _write(_content(written.state, args.to, weights, safetensors), target, safetensors)

    arch, state = detect_arch(weights.state), weights.state
    classes = counted(len(state['head.weight']), 'class', 'classes') if 'head.weight' in state else 'no classifier'
    fresh = [
        part for part, name in (('final norm', 'backbone.norm.weight'), ('head', 'head.weight')) if name not in state
    ]
    print(f'read       {source}: {weights.source}, {args.weights} weights')
    print(f'arch       {arch}, {classes}')
    print(f'wrote      {target}: {args.to}, {"safetensors" if safetensors else "torch.save"}')
    print(f'mapped     {counted(len(written.state), "tensor")}')
    print(f'left over  {_parts(weights.left_over + written.left_over)}')
    print(f'fresh      {", ".join(fresh) or "nothing"}' + (' in a classifier that loads it' if fresh else ''))
    for note in _notes(args.to, arch, weights):
        print(f'note       {note}')


def _content(state: dict[str, Tensor], to: str, weights: Weights, safetensors: bool) -> dict:
    """Return the content of the file: the weights in the structure of the format's files."""
    if safetensors:
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    if to == OFFICIAL.name:
        return {'model': state}
    if not FORMATS[to].dense:
        return state
    meta: dict = {'dataset_meta': {'classes': weights.classes}} if weights.classes else {}
    known = {key: getattr(weights.settings, key) for key in (*SETTINGS, 'norm')}
    meta |= {key: value for key, value in known.items() if value is not None}
    return {'state_dict': state, 'meta': meta}


def _write(content: dict, target: Path, safetensors: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with durable_write(target) as temporary:
            temporary.write_bytes(save(content, {'format': 'pt'}) if safetensors else _saved(content))
    except OSError as error:
        raise UserError(f'{target} cannot be written ({error.strerror}): choose another place') from None


def _saved(content: dict) -> memoryview:
    """Serialize a checkpoint in memory, since torch's writer hides the error of a file that can't be written."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getbuffer()


def _parts(names: Collection[str]) -> str:
    """Describe the number of tensors in each part of a model."""
    own = [name for name in names if name.startswith('backbone.')]
    counts = Counter(parts_left_over([name for name in names if not name.startswith('backbone.')]))
    counts.update('.'.join(name.split('.')[:2]) for name in own)
    return ', '.join(f'{part} ({counted(count, "tensor")})' for part, count in counts.items()) or 'nothing'


def _notes(to: str, arch: Arch, weights: Weights) -> list[str]:
    """Return notes on settings that are not in the file and must be set in the other library."""
    notes = [weights.settings.note] if weights.settings.note else []
    eps, norm_eps = weights.settings.final_norm_eps or EPS, weights.settings.norm_eps or EPS
    activation = weights.settings.activation or 'gelu'
    if to == HF.name:
        version = 'V2' if arch.version == 2 else ''
        depths, dims = map(list, arch.size)
        notes.append(f'ConvNext{version}Config(depths={depths}, hidden_sizes={dims}, layer_norm_eps={eps:g}) fits it')
    elif to != OURS.name and eps != EPS:
        notes.append(f"the final norm's eps is {eps:g} there, and {EPS:g} in networks of this format")
    if to != OURS.name and (norm_eps != EPS or activation != 'gelu'):
        notes.append(f'norm eps {norm_eps:g} and activation {activation} there, to be set where it is loaded')
    if to == 'timm':
        kind = 'conv_mlp=True' if arch.name in TIMM_CONV_MLP else 'conv_mlp=False'
        notes.append(f'for {kind}, as timm builds this size')
    return notes
