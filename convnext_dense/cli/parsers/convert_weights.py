"""Convert ConvNeXt weights between published formats.

convnext-dense convert-weights work_dirs/convnext_t/epoch_300.pth model.safetensors --to timm
convnext-dense convert-weights hf:facebook/convnext-tiny-224 convnext_t.pth
convnext-dense convert-weights convnext_tiny_1k_224 torchvision.pth --to torchvision --weights raw

SRC is any source of train --pretrained, V1 or V2. Its format is detected; a backbone is also found inside a
detector or segmentor. Tensors are renamed and reshaped; their values do not change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import UserError
from ...weights.formats import FORMATS
from ..arguments import add_trust_argument, add_weights_argument, check_checkpoint
from ..commercial import add_commercial_argument

EXAMPLE = 'convnext_tiny_1k_224 convnext_t.pth'
SAFETENSORS = '.safetensors'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SRC', help='a path, a URL, timm:NAME, hf:REPO, or an official name')
    parser.add_argument('target', metavar='DST', help='file to write')
    parser.add_argument('--to', choices=sorted(FORMATS), default='ours', help='format of DST (default: ours)')
    add_weights_argument(parser)
    parser.add_argument(
        '--safetensors',
        action='store_true',
        help='write the safetensors format (default if DST ends in .safetensors)',
    )
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')
    add_trust_argument(parser)
    add_commercial_argument(parser)


def check(args: argparse.Namespace) -> None:
    check_checkpoint(args.source)
    check_target(Path(args.source), Path(args.target), args.safetensors, args.force)


def check_target(source: Path, target: Path, safetensors: bool, force: bool) -> None:
    """Raise a UserError if DST should not be written, or is SRC."""
    if safetensors and target.suffix != SAFETENSORS:
        raise UserError(f'--safetensors: libraries tell the format by its suffix, call it {target.stem}{SAFETENSORS}')
    if target.is_dir():
        raise UserError(f'{target} is a folder: name the file to write')
    if target.exists() and source.exists() and target.samefile(source):
        raise UserError(f'{target} is the file to read: name another to write')
    if target.exists() and not force:
        raise UserError(f'{target} exists: name another file, or replace it with --force')
