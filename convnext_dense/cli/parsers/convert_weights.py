"""Convert ConvNeXt weights between published formats.

convnext-dense convert-weights work_dirs/convnext_t/epoch_300.pth model.safetensors --to timm
convnext-dense convert-weights hf:facebook/convnext-tiny-224 convnext_t.pth
convnext-dense convert-weights convnext_tiny_1k_224 torchvision.pth --to torchvision --weights raw

convnext-dense convert-weights work_dirs/convnext_t_lora adapter --to peft
convnext-dense convert-weights convnext_tiny_1k_224 convnext_t.pth --lora adapter

SRC is any source of train --pretrained, V1 or V2. Its format is detected; a backbone is also found inside a
detector or segmentor. Tensors are renamed and reshaped; their values do not change. The LoRA adapters of a run are
merged, or written alone to a folder with --to peft.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import UserError
from ...io.files import check_parent
from ...weights.formats import FORMATS
from ..arguments import add_trust_argument, add_weights_argument, check_checkpoint
from ..commercial import add_commercial_argument

EXAMPLE = 'convnext_tiny_1k_224 convnext_t.pth'
SAFETENSORS = '.safetensors'
PEFT = 'peft'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SRC', help='a path, a URL, timm:NAME, hf:REPO, or an official name')
    parser.add_argument('target', metavar='DST', help='file to write')
    parser.add_argument(
        '--to',
        choices=[*sorted(FORMATS), PEFT],
        default='ours',
        help=f"format of DST (default: ours); '{PEFT}': the LoRA adapters of a run and what it trained beside them, "
        'as a folder that PEFT reads',
    )
    parser.add_argument(
        '--lora', metavar='DIR', help='merge the LoRA adapter in this folder, as PEFT writes it, into the weights'
    )
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
    if args.to == PEFT and (args.lora or args.safetensors):
        raise UserError(
            f'--to {PEFT} writes the adapters of SRC: leave out {"--lora" if args.lora else "--safetensors"}'
        )
    if args.lora and not Path(args.lora).exists():
        raise UserError(f'no LoRA adapter at {args.lora}: check the path')
    check_parent(args.target)
    if args.to == PEFT:
        check_folder(Path(args.target), args.force)
    else:
        check_target(Path(args.source), Path(args.target), args.safetensors, args.force)


def check_folder(target: Path, force: bool) -> None:
    """Raise a UserError if DST should not be written as a folder."""
    if force:
        raise UserError(f'--force is for files: name a new folder in place of {target}, or remove it')
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(f'{target} exists: name a new folder')


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
