"""Show the steps from ResNet to ConvNeXt: size, MACs, published and measured accuracy of each.

convnext-dense roadmap                                    a table: parameters, MACs, published accuracy
convnext-dense roadmap --track resnet200 --out DIR        and the paper's figure as PNG and SVG, the numbers as JSON
convnext-dense roadmap --time                             and measured throughput
convnext-dense roadmap --train --data sample --seeds 3    train every step on one budget, add measured accuracy
convnext-dense roadmap --from roadmap_resnet50.json       show the result of an earlier run, without computing

To resume an interrupted training, run the same command again.
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ...io.files import check_parent, ensure_writable_folder
from ...roadmap.steps import TRACKS
from ..arguments import add_cfg_options

EXAMPLE = '--track resnet50'
ONLY_TRAINING = ('data', 'seeds', 'epochs', 'steps', 'cfg_options')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--track', choices=sorted(TRACKS), help='network of the first step (default: resnet50)')
    parser.add_argument(
        '--time',
        nargs='?',
        const=8,
        type=int,
        metavar='N',
        help='measure images/s of the forward pass at 224 pixels, in batches of N (default: 8)',
    )
    parser.add_argument('--json', action='store_true', help='print the numbers as JSON')
    parser.add_argument('--out', metavar='DIR', help='write roadmap_TRACK.json, .png and .svg into this folder')
    parser.add_argument('--from', dest='document', metavar='FILE.json', help='show what --out or --json wrote earlier')
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder of the runs (default: work_dirs/roadmap_TRACK); without --train its finished runs are shown',
    )
    training = parser.add_argument_group('training')
    training.add_argument('--train', action='store_true', help='train and validate every step, one after the other')
    training.add_argument('--data', metavar='PATH|sample', help="an image folder, or 'sample'")
    training.add_argument('--seeds', type=int, metavar='N', help='train each step N times (default: 1)')
    training.add_argument(
        '--epochs',
        type=int,
        metavar='N',
        help="epochs of every run (default: its config's: 90 for the old recipe, 300 for the new one)",
    )
    training.add_argument('--steps', nargs='+', metavar='STEP', help='train these steps only')
    add_cfg_options(training, 'change values of the config of every run', default=None)


def check(args: argparse.Namespace) -> None:
    if args.time is not None and args.time < 1:
        raise UserError(f'--time {args.time}: take batches of at least 1 image')
    if args.document:
        for name in ('train', 'time', 'work_dir', *ONLY_TRAINING):
            if getattr(args, name):
                raise UserError(f'--from computes nothing: leave out --{name.replace("_", "-")}')
    if not args.train:
        for name in ONLY_TRAINING:
            if getattr(args, name) is not None:
                raise UserError(f'--{name.replace("_", "-")} goes with --train')
    elif args.data is None:
        raise UserError("--train needs --data: an image folder, or 'sample', which needs no download")
    if args.seeds is not None and args.seeds < 1:
        raise UserError(f'--seeds {args.seeds}: train each step at least once')
    if args.epochs is not None and args.epochs < 1:
        raise UserError(f'--epochs {args.epochs}: train at least 1')
    if args.out:
        check_parent(args.out, '--out')
        ensure_writable_folder(args.out, 'folder', '--out')  # before hours of training, not after them
