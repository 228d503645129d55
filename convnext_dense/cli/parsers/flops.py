"""Count parameters, multiply-accumulates (MACs) and activations of a model by module, or of all published models.

convnext-dense flops CONFIG                      at the resolution of the published FLOPs for its task
convnext-dense flops WORK_DIR                    the model of a run
convnext-dense flops CONFIG --shape 600 1000     at another height and width
convnext-dense flops CONFIG --depth 4            down to single blocks
convnext-dense flops --paper                     every published model: counted, published, and the difference

MACs are those of convolutions, linear layers and matrix products, which papers call FLOPs; activations are the
elements of their outputs. It needs neither data nor weights, and allocates no memory for the model. With --paper the
exit code is 1 if a difference is too large.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ...config.find import find_run_config
from ...errors import UserError
from ...io.band_choice import ALL
from ..arguments import EXAMPLE_CONFIG, add_cfg_options, check_config, is_config
from ..band_arguments import add_band_arguments

EXAMPLE = EXAMPLE_CONFIG


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'config', nargs='?', metavar='CONFIG', help=f'config file, such as {EXAMPLE_CONFIG}, or a work dir'
    )
    parser.add_argument(
        '--shape', nargs=2, metavar=('H', 'W'), help="height and width of the image (default: the task's)"
    )
    parser.add_argument('--depth', type=int, default=2, metavar='N', help='levels of modules to show (default: 2)')
    parser.add_argument('--paper', action='store_true', help='count every published model and compare')
    parser.add_argument('--json', action='store_true', help='print JSON')
    add_band_arguments(parser)
    add_cfg_options(parser)


def check(args: argparse.Namespace) -> None:
    if args.paper:
        if args.config or args.shape or args.cfg_options or args.bands:
            raise UserError(
                '--paper counts the published models as they are: leave out CONFIG, --shape, --bands and --cfg-options'
            )
        return
    if not args.config:
        raise UserError(f'nothing to count: give a config, such as {EXAMPLE_CONFIG}, or --paper')
    if args.depth < 0:
        raise UserError(f'--depth {args.depth}: take 0 for the total alone, or more')
    if args.shape and not all(side.isdecimal() and int(side) > 0 for side in args.shape):
        raise UserError(f'--shape {" ".join(args.shape)}: give two positive integers, height and width in pixels')
    if args.bands == ALL:
        raise UserError('--bands all: no data tell how many there are: name them, as in --bands 1,2,3,4')
    args.of_run = not is_config(args.config) and os.path.exists(args.config)
    if args.of_run:
        args.config = str(_config_of_run(args.config))
    check_config(args)


def _config_of_run(path: str) -> Path:
    """Return the config of a run by its work dir or a checkpoint in it, which need not be complete."""
    try:
        return find_run_config(path)
    except UserError:
        folder = Path(path) if os.path.isdir(path) else Path(path).parent
        configs = sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)
        fix = f'the config there, {configs[-1]}' if configs else f'a config, such as {EXAMPLE_CONFIG}'
        raise UserError(f'{path} is not of a run with a checkpoint: give {fix}') from None
