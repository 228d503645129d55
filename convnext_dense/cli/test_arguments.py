"""Arguments of the verbs that test a checkpoint, and their checks. Imports nothing large, like the parsers."""

from __future__ import annotations

import argparse

from .arguments import (
    add_bad_image_argument,
    add_compile_argument,
    add_image_arguments,
    add_model_arguments,
    add_normalization_arguments,
    add_trust_argument,
    check_model,
    check_normalization,
)
from .band_arguments import add_band_arguments
from .commercial import add_commercial_argument
from .tile_arguments import add_tile_arguments


def add_test_arguments(parser: argparse.ArgumentParser, weights: str) -> None:
    """Add the arguments that say what is tested, on which data and how; ``weights`` is the help of ``--weights``."""
    add_model_arguments(parser, roots=True)
    add_image_arguments(parser)
    add_band_arguments(parser, '--display-bands')
    add_tile_arguments(parser, '--whole-image')
    add_normalization_arguments(parser)
    add_bad_image_argument(parser)
    parser.add_argument('--weights', choices=('raw', 'ema'), help=weights)
    add_trust_argument(parser)
    add_commercial_argument(parser)
    parser.add_argument('--tta', action='store_true', help='test-time augmentation: several scales, and flips')
    add_compile_argument(parser)


def check_tested(args: argparse.Namespace) -> None:
    """Check the arguments of :func:`add_test_arguments`.

    Raises:
        UserError: if they contradict each other, or name something that is not there.
    """
    check_model(args)
    check_normalization(args)
