"""Arguments about the bands of images, and their checks. Imports nothing large, like the parsers."""

from __future__ import annotations

import argparse
from typing import Any

from ..io.band_choice import parse_bands, parse_three
from .arguments import image_arguments, normalization_arguments, parsed


def add_band_arguments(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add ``--bands``, and the arguments that are named of ``--rgb-bands``, ``--display-bands``, ``--image-stats``."""
    parser.add_argument(
        '--bands',
        type=parsed(parse_bands),
        metavar='N,N,...|all',
        help='detection, segmentation and pre-training: take these bands of the images as they are stored, counted '
        "from 1, in this order (default: RGB of 8 bits, or the checkpoint's bands)",
    )
    if '--rgb-bands' in others:
        parser.add_argument(
            '--rgb-bands',
            type=parsed(parse_three),
            metavar='R,G,B',
            help='which bands are red, green and blue, whose weights a pretrained network keeps (default: the first '
            'three of --bands)',
        )
    if '--display-bands' in others:
        parser.add_argument(
            '--display-bands',
            type=parsed(parse_three),
            metavar='R,G,B',
            help='bands that drawings show as red, green and blue (default: those that are)',
        )
    if '--image-stats' in others:
        parser.add_argument(
            '--image-stats',
            metavar='FILE.json',
            help='the statistics of the bands, which check_data measures and training normalizes with (default: '
            'image_stats.json in the root of the training data)',
        )


def band_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of :func:`add_band_arguments` as an argument of ``read_config``."""
    from ..tasks.bands import BandOptions

    names = ('bands', 'rgb_bands', 'display_bands', 'image_stats')
    return {'bands': BandOptions(*(getattr(args, name, None) for name in names))}


def prediction_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments on images as arguments of ``load``."""
    names = [name for name in ('bands', 'display_bands', 'tile', 'overlap', 'whole_image') if name in args]
    return {**image_arguments(args), **{name: getattr(args, name) for name in names}, **normalization_arguments(args)}
