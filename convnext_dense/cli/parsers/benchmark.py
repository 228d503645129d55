"""Measure speed and memory against timm, torchvision, transformers, mmdet and mmseg, taking turns in one process.

convnext-dense benchmark                                       ConvNeXt-T, forward pass and training step, fp32
convnext-dense benchmark --what forward --dtype fp32 bf16 --compile
convnext-dense benchmark --what loader eval                    the data loader; computing mIoU and COCO AP
convnext-dense benchmark --what segmentor detector             whole models, against the same with timm's backbone
convnext-dense benchmark --what detector --inference           without the training step, which takes minutes
convnext-dense benchmark --json                                for programs; --out DIR writes a file

Results are compared first: an implementation with different results is not timed. Each runs once in each of at least
7 rounds, in rotating order. The exit code is 1 if an installed implementation could not be measured.
"""

from __future__ import annotations

import argparse

from ...archs import ARCHS
from ...benchmark.defaults import DEFAULTS, DTYPES
from ...errors import UserError
from ...io.band_choice import ALL
from ...io.files import check_parent, ensure_writable_folder
from ..band_arguments import add_band_arguments

EXAMPLE = ''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    batches = ', '.join(f'{what} {n} x {h} x {w}' for what, (n, (h, w)) in DEFAULTS.items())
    parser.add_argument(
        '--what',
        nargs='+',
        choices=tuple(DEFAULTS),
        default=['forward', 'train'],
        metavar='WHAT',
        help=f'measurements: {", ".join(DEFAULTS)} (default: forward train)',
    )
    parser.add_argument('--inference', action='store_true', help='segmentor and detector: skip the training step')
    parser.add_argument('--arch', default='tiny', help=f'forward and train: {", ".join(ARCHS)} (default: tiny)')
    parser.add_argument('--batch', type=int, metavar='N', help=f'images in a batch (default: {batches})')
    parser.add_argument('--size', type=int, nargs='+', metavar='S', help='side of the images, or height and width')
    add_band_arguments(parser)
    parser.add_argument(
        '--threads', type=int, metavar='N', help="threads, or worker processes of the loader (default: torch's)"
    )
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='(default: cpu)')
    parser.add_argument('--dtype', nargs='+', choices=DTYPES, default=['fp32'], help='one or more (default: fp32)')
    parser.add_argument('--compile', action='store_true', help='use torch.compile, with frozen weights for inference')
    parser.add_argument(
        '--seconds', type=float, default=30, metavar='S', help='duration of each measurement (default: 30)'
    )
    parser.add_argument('--data', metavar='PATH', help='image folder for the loader (default: 128 drawn images)')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.add_argument('--out', metavar='DIR', help='write the JSON to this folder, with a descriptive file name')


def check(args: argparse.Namespace) -> None:
    if args.arch not in ARCHS:
        raise UserError(f'unknown arch {args.arch!r}: take one of {", ".join(ARCHS)}')
    for flag, value, least in (
        ('--batch', args.batch, 1),
        ('--threads', args.threads, 1),
        ('--seconds', args.seconds, 0),
    ):
        if value is not None and value < least:
            raise UserError(f'{flag} {value}: take at least {least}')
    if args.batch == 1 and 'segmentor' in args.what and not args.inference:
        raise UserError('--batch 1: a segmentor trains on at least 2 images, for its batch norms: add --inference')
    if args.inference and not {'segmentor', 'detector'} & set(args.what):
        raise UserError('--inference is for --what segmentor and detector; of a classifier, take --what forward')
    if args.bands == ALL:
        raise UserError('--bands all: no data tell how many there are: name them, as in --bands 1,2,3,4')
    if args.bands and not {'segmentor', 'detector'} & set(args.what):
        raise UserError('--bands is for --what segmentor and detector')
    if args.size and (len(args.size) > 2 or min(args.size) < 32):
        sides = ' '.join(map(str, args.size))
        raise UserError(f'--size {sides}: give one side or height and width, of at least 32 pixels')
    if args.size and 'loader' in args.what and len(set(args.size)) > 1:
        raise UserError(f'--size {args.size[0]} {args.size[1]}: the loader makes squares, give one side')
    if args.out:
        check_parent(args.out, '--out')
        ensure_writable_folder(args.out, 'folder', '--out')  # before the measurement, which would be lost
