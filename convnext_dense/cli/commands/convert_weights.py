"""Convert ConvNeXt weights between the formats they are published in.

convert_weights work_dirs/convnext_t/epoch_300.pth model.safetensors --to timm
convert_weights hf:facebook/convnext-tiny-224 convnext_t.pth
convert_weights convnext_tiny_1k_224 torchvision.pth --to torchvision --weights raw

SRC is whatever --pretrained takes, V1 or V2. Its format is recognized; a backbone is also found inside a detector or
segmentor. Tensors are renamed and reshaped, never changed.
"""

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
from ...errors import UserError
from ...io.files import durable
from ...weights.formats import FORMATS, HF, OFFICIAL, OURS, TIMM_CONV_MLP, Arch, convert, detect_arch
from ...weights.hub_config import EPS
from ...weights.loading import Weights, check_is_convnext, extract_weights
from ...weights.reader import read_checkpoint
from ..arguments import add_trust_argument

SAFETENSORS = '.safetensors'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SRC', help='a path, a URL, timm:NAME, hf:REPO or an official name')
    parser.add_argument('target', metavar='DST', help='file to write')
    parser.add_argument('--to', choices=sorted(FORMATS), default='ours', help='format of DST (default: ours)')
    parser.add_argument(
        '--weights', choices=('raw', 'ema'), default='raw', help='as trained, or their moving average (default: raw)'
    )
    parser.add_argument(
        '--safetensors', action='store_true', help='write safetensors, as a DST of that suffix asks for, too'
    )
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> None:
    source, target = checkpoints.find(args.source), Path(args.target)
    safetensors = args.safetensors or target.suffix == SAFETENSORS
    _check_target(source, target, safetensors, args.force)
    weights = extract_weights(read_checkpoint(source, args.trust_pickle), source, args.weights)
    check_is_convnext(weights)
    written = convert(weights.state, args.to, path=source)
    _write(_content(written.state, args.to, weights, safetensors), target, safetensors)

    arch, state = detect_arch(weights.state), weights.state
    classes = f'{len(state["head.weight"])} classes' if 'head.weight' in state else 'no classifier'
    fresh = [
        part for part, name in (('final norm', 'backbone.norm.weight'), ('head', 'head.weight')) if name not in state
    ]
    print(f'read       {source}: {weights.source}, {args.weights} weights')
    print(f'arch       {arch}, {classes}')
    print(f'wrote      {target}: {args.to}, {"safetensors" if safetensors else "torch.save"}')
    print(f'mapped     {len(written.state)} tensors')
    print(f'left over  {_parts(weights.left_over + written.left_over)}')
    print(f'fresh      {", ".join(fresh) or "nothing"}' + (' in a classifier that loads it' if fresh else ''))
    for note in _notes(args.to, arch, weights):
        print(f'note       {note}')


def _check_target(source: Path, target: Path, safetensors: bool, force: bool) -> None:
    """Before the work, since its result would be lost after it."""
    if safetensors and target.suffix != SAFETENSORS:
        raise UserError(f'--safetensors: libraries tell the format by its suffix, call it {target.stem}{SAFETENSORS}')
    if target.is_dir():
        raise UserError(f'{target} is a folder: name the file to write')
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f'{target} is the file to read: name another to write')
    if target.exists() and not force:
        raise UserError(f'{target} exists: name another file, or replace it with --force')


def _content(state: dict[str, Tensor], to: str, weights: Weights, safetensors: bool) -> dict:
    """What the format's own files have around the weights."""
    if safetensors:
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    if to == OFFICIAL.name:
        return {'model': state}
    if not FORMATS[to].dense:
        return state
    meta: dict = {'dataset_meta': {'classes': weights.classes}} if weights.classes else {}
    if weights.settings.final_norm_eps is not None:
        meta['final_norm_eps'] = weights.settings.final_norm_eps
    return {'state_dict': state, 'meta': meta}


def _write(content: dict, target: Path, safetensors: bool) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with durable(target) as temporary:
            temporary.write_bytes(save(content, {'format': 'pt'}) if safetensors else _saved(content))
    except OSError as error:
        raise UserError(f'{target} cannot be written ({error.strerror}): choose another place') from None


def _saved(content: dict) -> memoryview:
    """In memory, since a file that can't be written makes torch's writer hide the error."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getbuffer()


def _parts(names: Iterable[str]) -> str:
    """How many tensors of each part of a model."""
    counts = Counter('.'.join(name.split('.')[: 2 if name.startswith('backbone.') else 1]) for name in names)
    return ', '.join(f'{part} ({count} tensors)' for part, count in counts.items()) or 'nothing'


def _notes(to: str, arch: Arch, weights: Weights) -> list[str]:
    """What the files can't say, and the libraries have to be told."""
    notes = [weights.settings.note] if weights.settings.note else []
    eps = weights.settings.final_norm_eps or EPS
    if to == HF.name:
        version = 'V2' if arch.version == 2 else ''
        depths, dims = map(list, arch.size)
        notes.append(f'ConvNext{version}Config(depths={depths}, hidden_sizes={dims}, layer_norm_eps={eps:g}) fits it')
    elif to == OURS.name and eps != EPS:
        notes.append(f'configs need --cfg-options model.backbone.final_norm_eps={eps:g}')
    elif eps != EPS:
        notes.append(f"the final norm's eps is {eps:g} there, and {EPS:g} in networks of this format")
    if to == 'timm':
        kind = 'conv_mlp=True' if arch.name in TIMM_CONV_MLP else 'conv_mlp=False'
        notes.append(f'for {kind}, as timm builds this size')
    return notes
