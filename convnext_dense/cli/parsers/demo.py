"""Draw predictions on images and videos: classes, boxes and masks, or labeled pixels, by the config's task.

convnext-dense demo CONFIG CHECKPOINT street.jpg holiday/ 'more/*.png' film.mp4
convnext-dense demo CONFIG WORK_DIR images --data sample    for a model trained with --data sample

Images and the frames of videos are drawn; results.json has the predictions for all images, film.json those for
film.mp4. Segmentation also writes label maps, as PNG files with a palette. An input that cannot be read is named and
skipped, and the exit code is 1.
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ..arguments import (
    EXAMPLE_CONFIG,
    EXAMPLE_RUN,
    add_checkpoint_argument,
    add_compile_argument,
    add_config_arguments,
    add_trust_argument,
    add_weights_argument,
    check_config_and_checkpoint,
)

EXAMPLE = f'{EXAMPLE_CONFIG} {EXAMPLE_RUN} photo.jpg --data sample'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser, roots=False)
    add_checkpoint_argument(parser)
    parser.add_argument('input', metavar='INPUT', nargs='+', help='image, folder of images, pattern, or video')
    parser.add_argument('--out-dir', metavar='DIR', default='demo_out', help='folder to draw in (default: demo_out)')
    add_weights_argument(parser)
    add_trust_argument(parser)
    parser.add_argument(
        '--batch-size', type=int, metavar='N', default=1, help='images at once, more for a GPU (default: 1)'
    )
    add_compile_argument(parser)
    parser.add_argument('--device', choices=('cpu', 'cuda'), help='(default: cuda where there is a GPU)')
    parser.add_argument(
        '--score', type=float, metavar='S', default=0.3, help='leave out detections below this score (default: 0.3)'
    )


def check(args: argparse.Namespace) -> None:
    if args.batch_size < 1:
        raise UserError(f'--batch-size {args.batch_size}: take at least 1')
    if not 0 <= args.score <= 1:
        raise UserError(f'--score {args.score}: take a number from 0 to 1')
    check_config_and_checkpoint(args)
