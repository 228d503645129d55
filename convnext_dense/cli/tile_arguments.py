"""Arguments about tiles of large images, and their checks. Imports nothing large, like the parsers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..errors import UserError
from ..io.image_size import ImageSize
from ..tiling.grid import check_tiles
from ..tiling.settings import DEFAULT_EMPTY_SHARE, DEFAULT_LEAST_VISIBLE, DEFAULT_OVERLAP
from .arguments import parsed

if TYPE_CHECKING:
    from ..tasks.tiles import TileOptions


def add_tile_arguments(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add ``--tile`` and ``--overlap``, and those that are named of ``--empty-tiles``, ``--least-visible`` and
    ``--whole-image``."""
    parser.add_argument(
        '--tile',
        type=parsed(parse_tile),
        metavar='N',
        help='detection and segmentation: cut images into tiles of this height and width in pixels, or of one number '
        "for both (default: those of the run or config, else whole images); it also sets --image-size, unless that's "
        'given',
    )
    parser.add_argument(
        '--overlap',
        type=parsed(parse_overlap),
        metavar='SHARE',
        help=f"share of a tile's side by which neighbors overlap, from 0 to 0.5 (default: {DEFAULT_OVERLAP:g})",
    )
    if '--empty-tiles' in others:
        parser.add_argument(
            '--empty-tiles',
            type=parsed(parse_empty_share),
            metavar='SHARE',
            help='share of the tiles of an epoch that show nothing but background, from 0 to below 1 (default: '
            f'{DEFAULT_EMPTY_SHARE:g})',
        )
    if '--least-visible' in others:
        parser.add_argument(
            '--least-visible',
            type=parsed(parse_least_visible),
            metavar='SHARE',
            help="share of an object's box that must be in a tile for the object to be learned there; one of which "
            f'less is there is neither object nor background (default: {DEFAULT_LEAST_VISIBLE:g})',
        )
    if '--whole-image' in others:
        parser.add_argument(
            '--whole-image',
            action='store_true',
            default=None,
            help='detection: with tiles, predict for the shrunk whole image, too, for things larger than a tile',
        )


def tile_options(args: argparse.Namespace) -> TileOptions:
    """Return the arguments of :func:`add_tile_arguments`."""
    from ..tasks.tiles import TileOptions

    given = vars(args)
    return TileOptions(
        given.get('tile'),
        given.get('overlap'),
        given.get('empty_tiles'),
        given.get('least_visible'),
        given.get('whole_image'),
    )


def parse_tile(text: str) -> ImageSize:
    """Parse ``640`` or ``640,512``, as which ``640 512`` comes from the command line.

    Raises:
        UserError: if it is neither, or smaller than the stride of the networks.
    """
    parts = text.split(',')
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise UserError(f'{text} is no size: give height and width in pixels, or one whole number for both')
    height, *width = map(int, parts)
    size = ImageSize(height, *(width or [height]))
    check_tiles(size, 0)
    return size


def parse_overlap(text: str) -> float:
    """Parse a share of a tile's side from 0 to 0.5; another one, and text, is a UserError."""
    share = _number(text)
    check_tiles(ImageSize(1024, 1024), share)
    return share


def parse_empty_share(text: str) -> float:
    """Parse a share of tiles from 0 to below 1; another one, and text, is a UserError."""
    share = _number(text)
    if not 0 <= share < 1:
        raise UserError(f'{text} is not a share of the tiles of an epoch: choose one from 0 to below 1')
    return share


def parse_least_visible(text: str) -> float:
    """Parse a share of a box above 0, up to 1; another one, and text, is a UserError."""
    share = _number(text)
    if not 0 < share <= 1:
        raise UserError(f'{text} is not a share of a box: choose one above 0, up to 1')
    return share


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f'{text} is not a number') from None
