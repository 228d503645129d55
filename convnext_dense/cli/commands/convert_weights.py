"""Convert ConvNeXt weights between published formats."""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ...checkpoints import files as checkpoints
from ...counting import counted
from ...errors import UserError
from ...io.files import durable_write, write_errors
from ...weights.adapter_folder import merge_adapter, read_adapter, write_adapter
from ...weights.conversion import convert
from ...weights.extraction import Weights, adapters_in, extract_weights
from ...weights.formats import FCMAE, FORMATS, HF, OFFICIAL, OURS, TIMM, Arch, detect_arch
from ...weights.hub_config import named_dinov3
from ...weights.layer_names import parts_left_over
from ...weights.licenses import describe_license, pretrained
from ...weights.loading import check_is_convnext
from ...weights.preprocessing import KEY as PREPROCESSING
from ...weights.reader import read_checkpoint
from ...weights.settings import EPS, POSITIONS, SETTINGS
from ..commercial import check_commercial
from ..parsers.convert_weights import PEFT, SAFETENSORS, check_target


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.source])
    source, target = checkpoints.find(args.source), Path(args.target)
    if args.to == PEFT:
        return _write_adapter(args, source, target)
    safetensors = args.safetensors or target.suffix == SAFETENSORS
    check_target(source, target, safetensors, args.force)  # again, now that SRC is a file
    weights = extract_weights(read_checkpoint(source, args.trust_pickle), source, args.weights)
    if args.lora:
        weights = merge_adapter(weights, read_adapter(args.lora))
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
    _print_license(weights)
    has_meta = FORMATS[args.to].dense and not safetensors
    if weights.preprocessing is not None and not has_meta:
        print(f'note       made for {weights.preprocessing}, which this file does not tell')
    by_name = args.to == TIMM.name and named_dinov3(target)
    if weights.settings.normalizes_positions and 'backbone.norm.weight' in state and not (has_meta or by_name):
        print(
            "note       the final norm is for the last stage's positions too, which this file does not tell: norm3 of "
            'a dense model that loads it is fresh'
        )
    for note in _notes(args.to, arch, weights, written.state):
        print(f'note       {note}')


def _write_adapter(args: argparse.Namespace, source: Path, target: Path) -> None:
    content = read_checkpoint(source, args.trust_pickle)
    settings = adapters_in(content)
    if settings is None:
        raise UserError(f'{source} has no LoRA adapters: --to {PEFT} takes a checkpoint of a run with --lora')
    weights = extract_weights(content, source, args.weights, merged=False)
    with write_errors(target):
        beside = write_adapter(target, weights, settings, _source_of_run(content))
    print(f'read       {source}: {weights.source}, {args.weights} weights')
    print(f'arch       {detect_arch(weights.state)}')
    print(f'wrote      {target}: {settings}, as PEFT reads it')
    print(f'beside it  {", ".join(beside)}')
    _print_license(weights)


def _print_license(weights: Weights) -> None:
    if weights.license:
        print(f'license    {describe_license(weights.license)}')


def _source_of_run(content: dict) -> str | None:
    """Return where the weights came from that a run started from, if its checkpoint tells."""
    pretrained = content['meta'].get('pretrained')
    source = pretrained.get('source') if isinstance(pretrained, dict) else None
    return None if source is None else str(source)


def _content(state: dict[str, Tensor], to: str, weights: Weights, safetensors: bool) -> dict:
    """Return the content of the file: the weights in the structure of the format's files."""
    if safetensors:
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    if to in (OFFICIAL.name, FCMAE.name):
        return {'model': state}
    if not FORMATS[to].dense:
        return state
    meta: dict = {'dataset_meta': {'classes': weights.classes}} if weights.classes else {}
    if weights.preprocessing is not None:
        meta[PREPROCESSING] = weights.preprocessing.as_meta()
    known = {key: getattr(weights.settings, key) for key in (*SETTINGS, 'norm', POSITIONS)}
    meta |= {key: value for key, value in known.items() if value is not None}
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


def _parts(names: Collection[str]) -> str:
    """Describe the number of tensors in each part of a model."""
    parts = zip(names, parts_left_over(names), strict=True)
    counts = Counter('.'.join(n.split('.')[:2]) if n.startswith('backbone.') else part for n, part in parts)
    return ', '.join(f'{part} ({counted(count, "tensor")})' for part, count in counts.items()) or 'nothing'


def _notes(to: str, arch: Arch, weights: Weights, written: Mapping[str, Tensor]) -> list[str]:
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
        kind = f'conv_mlp={written["stages.0.blocks.0.mlp.fc1.weight"].ndim == 4}'
        notes.append(f'for {kind}, as timm builds this size')
    return notes
