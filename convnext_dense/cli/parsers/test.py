"""Test a checkpoint: its weights as trained, and their moving average (EMA) if the checkpoint has one.

convnext-dense test CONFIG CHECKPOINT --data sample
convnext-dense test CONFIG WORK_DIR --data PATH --out metrics.json --show-dir images
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ...io.files import check_folder, check_writable
from ..arguments import (
    EXAMPLE_CONFIG,
    EXAMPLE_RUN,
    add_checkpoint_argument,
    add_compile_argument,
    add_run_arguments,
    add_trust_argument,
    check_config_and_checkpoint,
)

EXAMPLE = f'{EXAMPLE_CONFIG} {EXAMPLE_RUN} --data sample'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_checkpoint_argument(parser)
    parser.add_argument('--weights', choices=('raw', 'ema'), help='test only these weights (default: both)')
    add_trust_argument(parser)
    parser.add_argument('--tta', action='store_true', help='test-time augmentation: several scales, and flips')
    add_compile_argument(parser)
    parser.add_argument('--out', metavar='FILE.json', help='write the metrics to this file')
    parser.add_argument('--show-dir', metavar='DIR', help='draw images with prediction and ground truth there')
    parser.add_argument('--show', type=int, default=60, metavar='N', help='number of images to draw (default: 60)')


def check(args: argparse.Namespace) -> None:
    if args.show < 1:
        raise UserError(f'--show {args.show}: draw at least 1 image')
    check_config_and_checkpoint(args)
    if args.out:
        check_writable(args.out)
    if args.show_dir:
        check_folder(args.show_dir, 'folder', '--show-dir')
