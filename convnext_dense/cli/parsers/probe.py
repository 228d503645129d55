"""Measure how good frozen weights are for your classes, in minutes: nothing but a linear classifier is fitted.

convnext-dense probe CONFIG --data PATH                            the weights that the config names
convnext-dense probe CONFIG --data PATH --pretrained A B C         several weights, one row each, the best first
convnext-dense test work_dirs/NAME_probe                           the classifier that came out of it
convnext-dense train CONFIG --data PATH --pretrained work_dirs/NAME_probe     the whole network, from there on

The features of each image are computed once, without augmentation, and kept in the work dir, so that another run
computes those of new images and weights only.
"""

from __future__ import annotations

import argparse
import math

from ...errors import UserError
from ..arguments import (
    EXAMPLE_CONFIG,
    add_bad_image_argument,
    add_config_arguments,
    add_image_arguments,
    add_normalization_arguments,
    add_trust_argument,
    check_checkpoint,
    check_config,
    check_normalization,
)
from ..commercial import add_commercial_argument

EXAMPLE = f'{EXAMPLE_CONFIG} --data PATH --pretrained WEIGHTS'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add_image_arguments(parser)
    add_normalization_arguments(parser)
    add_bad_image_argument(parser)
    parser.add_argument(
        '--pretrained',
        nargs='+',
        metavar='WEIGHTS',
        help='weights to measure, each a path, the work dir of a run, a URL, timm:NAME, hf:REPO, another name that '
        "`weights` lists (dinov3_tiny), or 'none' for random ones, to compare with (default: the config's)",
    )
    parser.add_argument(
        '--pretrained-weights',
        choices=('raw', 'ema'),
        help='weights to take from these checkpoints: as trained, or their moving average (EMA) (default: raw)',
    )
    add_trust_argument(parser)
    add_commercial_argument(parser)
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder for features and results (default: work_dirs/NAME_OF_CONFIG_probe)'
    )
    parser.add_argument(
        '--amp',
        choices=('off', 'fp16', 'bf16'),
        help="mixed precision for the features of training images (default: the config's); validation has float32",
    )
    parser.add_argument(
        '--l2',
        type=float,
        nargs='+',
        metavar='STRENGTH',
        help='strength of the L2 regularization, or several to choose from by images that are held out of training '
        '(default: 1e-6 to 10, by powers of ten)',
    )
    parser.add_argument('--balanced', action='store_true', help='weigh all classes alike, whatever their sizes')
    parser.add_argument(
        '--seed', type=int, metavar='N', help="seed of the images that are held out (default: the config's, 0)"
    )


def check(args: argparse.Namespace) -> None:
    check_config(args)
    check_normalization(args)
    for source in args.pretrained or ():
        if source != 'none':
            check_checkpoint(source)
    for strength in args.l2 or ():
        if not 0 < strength < math.inf:
            raise UserError(f'--l2 {strength:g}: take numbers above 0, such as 0.01')
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UserError(f'--seed {args.seed} is out of range: take 0 to {2**31 - 1}')
