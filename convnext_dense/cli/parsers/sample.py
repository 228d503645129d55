"""Draw the sample data set, and write it in any format.

convnext-dense sample
convnext-dense sample --format yolo my_yolo --images 20
convnext-dense sample --data sample-large

Without --format the sample is drawn where --data sample finds it, unless it is there, and its folder is printed. With
--format it is written to DIR: the things in the scenes, with masks where the format has them; or all classes of the
scenes as label maps (masks, color_masks) or segments (coco-panoptic); or class folders with portraits (folder). With
--data sample-large or sample-large-6band it is a few scenes of 3000 pixels with many small things, as TIFF images.
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ...sample_data.names import LARGE_SAMPLES, SAMPLE, SAMPLES
from ..arguments import MASK_FORMATS, WRITE_FORMATS
from .convert_data import check_new_folder

EXAMPLE = '--format yolo my_yolo'
FOLDER = 'folder'
"""Name of class folders with images, for classification."""
PANOPTIC = MASK_FORMATS[1]
"""Name of panoptic COCO files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'target', metavar='DIR', nargs='?', help='with --format: folder to write, which does not exist or is empty'
    )
    parser.add_argument(
        '--data', choices=SAMPLES, default=SAMPLE, help=f'the data set to draw, as --data takes it (default: {SAMPLE})'
    )
    parser.add_argument('--format', choices=(*WRITE_FORMATS, PANOPTIC, FOLDER), help='format to write')
    parser.add_argument(
        '--images',
        type=int,
        metavar='N',
        help='write N images for training and a fifth as many for validation (default: all)',
    )


def check(args: argparse.Namespace) -> None:
    if args.format is None and (args.target is not None or args.images is not None):
        raise UserError(f'--format is missing, for example: {args.prog} {EXAMPLE}')
    if args.format is not None and args.target is None:
        raise UserError(f'DIR is missing, for example: {args.prog} --format {args.format} my_{args.format}')
    if args.format == FOLDER and args.data in LARGE_SAMPLES:
        raise UserError(f'--format {FOLDER} is for portraits, which {args.data} does not have: leave out --data')
    if args.images is not None and args.images < 1:
        raise UserError(f'--images {args.images}: take at least 1')
    if args.target is not None:
        check_new_folder(args.target)
