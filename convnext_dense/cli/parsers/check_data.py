"""Check a whole data set before a run: decode every image, check every annotation and mask, count the classes.

convnext-dense check-data CONFIG --data PATH
convnext-dense check-data CONFIG --data PATH --json check.json --sheet check.png

Both splits are read like in training. The exit code is 1 for problems that would stop a run or spoil its result:
images that can't be decoded or don't match their annotations, unusable annotations and masks, classes that differ
between the splits, and images that are in both splits.
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ...io.files import ensure_writable_files
from ..arguments import (
    EXAMPLE_CONFIG,
    add_config_arguments,
    add_image_arguments,
    check_config,
)
from ..band_arguments import add_band_arguments
from ..tile_arguments import add_tile_arguments

EXAMPLE = f'{EXAMPLE_CONFIG} --data sample'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add_image_arguments(parser)
    add_band_arguments(parser, '--display-bands', '--image-stats')
    add_tile_arguments(parser)
    parser.add_argument('--json', metavar='FILE', help='write all findings to this file')
    parser.add_argument('--sheet', metavar='FILE.png', help='draw images with their annotations into this file')
    parser.add_argument(
        '--workers', type=int, metavar='N', help='processes that decode images (default: one per core)'
    )


def check(args: argparse.Namespace) -> None:
    check_config(args)
    if args.workers is not None and args.workers < 1:
        raise UserError(f'--workers {args.workers}: take at least 1')
    if args.sheet:
        from PIL import Image

        if not args.sheet.lower().endswith(tuple(Image.registered_extensions())):
            raise UserError(f'--sheet {args.sheet}: give it the suffix of an image format, such as .png')
    if args.image_stats is not None and args.bands is None:
        raise UserError('--image-stats FILE is for the statistics of bands: add --bands all, or the bands to train on')
    ensure_writable_files(*(file for file in (args.json, args.sheet, args.image_stats) if file))
