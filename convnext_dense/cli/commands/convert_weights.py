"""Convert ConvNeXt weights between published formats."""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ...checkpoints import files as checkpoints
from ...counting import counted
from ...errors import UserError
from ...io.files import durable_write
from ...weights.extraction import Weights, extract_weights
from ...weights.formats import FORMATS, HF, OFFICIAL, OURS, TIMM_CONV_MLP, Arch, convert, detect_arch
from ...weights.hub_config import EPS
from ...weights.licenses import describe_license, pretrained
from ...weights.loading import check_is_convnext
from ...weights.reader import read_checkpoint
from ..commercial import check_commercial
from ..parsers.convert_weights import SAFETENSORS, check_target


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.source])
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
    if weights.origin is not None and weights.origin.license:
        print(f'license    {describe_license(weights.origin.license)}')
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
    if weights.settings.final_norm_eps is not None:
        meta['final_norm_eps'] = weights.settings.final_norm_eps
    meta['pretrained'] = pretrained(weights.origin)
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


def _parts(names: Iterable[str]) -> str:
    """Describe the number of tensors in each part of a model."""
    counts = Counter('.'.join(name.split('.')[: 2 if name.startswith('backbone.') else 1]) for name in names)
    return ', '.join(f'{part} ({counted(count, "tensor")})' for part, count in counts.items()) or 'nothing'


def _notes(to: str, arch: Arch, weights: Weights) -> list[str]:
    """Return notes on settings that are not in the file and must be set in the other library."""
    notes = [weights.settings.note] if weights.settings.note else []
    eps = weights.settings.final_norm_eps or EPS
    if to == HF.name:
        version = 'V2' if arch.version == 2 else ''
        depths, dims = map(list, arch.size)
        notes.append(f'ConvNext{version}Config(depths={depths}, hidden_sizes={dims}, layer_norm_eps={eps:g}) fits it')
    elif to != OURS.name and eps != EPS:
        notes.append(f"the final norm's eps is {eps:g} there, and {EPS:g} in networks of this format")
    if to == 'timm':
        kind = 'conv_mlp=True' if arch.name in TIMM_CONV_MLP else 'conv_mlp=False'
        notes.append(f'for {kind}, as timm builds this size')
    return notes
