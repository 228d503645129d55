"""Write a config for this project out of one of mmdet or mmseg: its head on a ConvNeXt.

convnext-dense adapt mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py --arch tiny
convnext-dense adapt path/to/a_config_of_mmseg.py --arch v2_base --out my_config.py
convnext-dense adapt --list             the families of configs that mmdet and mmseg ship
convnext-dense adapt --list deeplab     the configs with "deeplab" in their path or model, or that fit a glob

SOURCE is a file, or a config of the installed mmdet or mmseg by its name, with or without .py. What was changed, and
what is left to decide, is printed and stands in the comment of the new config. Results in the list are those that
mmdet and mmseg publish, with the backbone of their config; AP, PQ and mIoU are in percent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...adaptation.arch import find_arch
from ...adaptation.shipped import EXAMPLE as SOURCE
from ...adaptation.shipped import find_shipped
from ...archs import ARCHS
from ...errors import UserError
from ...io.files import ensure_writable_files

EXAMPLE = f'{SOURCE} --arch tiny'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SOURCE', nargs='?', help=f'config file, or a name such as {SOURCE}')
    parser.add_argument('--arch', metavar='NAME', help=f'the ConvNeXt: {", ".join(ARCHS)}, with v2_ in front for V2')
    parser.add_argument(
        '--out',
        metavar='FILE.py',
        help="file to write (default: in the current folder, SOURCE's name and that of the ConvNeXt)",
    )
    parser.add_argument('--force', action='store_true', help='replace FILE.py if it exists')
    parser.add_argument(
        '--list',
        nargs='?',
        const='',
        metavar='PATTERN',
        help='list what can be given as SOURCE, with published results',
    )


def check(args: argparse.Namespace) -> None:
    if args.list is not None:
        given = [name for name in ('source', 'arch', 'out') if getattr(args, name) is not None]
        if given or args.force:
            raise UserError(f'--list stands alone: {args.prog} --list {args.source or "PATTERN"}')
        return
    absent = [name for name, value in (('SOURCE', args.source), ('--arch', args.arch)) if value is None]
    if absent:
        verb = 'is' if len(absent) == 1 else 'are'
        raise UserError(f'{" and ".join(absent)} {verb} missing, for example: {args.prog} {EXAMPLE}')
    arch = find_arch(args.arch)
    shipped = find_shipped(args.source)
    args.out = Path(args.out or f'{shipped.file.stem}_{arch.stem}.py')
    if args.out.suffix != '.py':
        raise UserError(f'--out {args.out}: name a file that ends in .py')
    if args.out.is_dir():
        raise UserError(f'--out {args.out} is a folder: name the file to write')
    if args.out.exists() and args.out.samefile(shipped.file):
        raise UserError(f'--out {args.out} is the file to read: name another')
    if args.out.exists() and not args.force:
        raise UserError(f'{args.out} exists: name another file with --out, or replace it with --force')
    ensure_writable_files(args.out)
