"""Find a learning rate: train with one that grows in every step until training diverges, and read the curve.

convnext-dense find-lr CONFIG --data PATH                       100 steps, a curve and a suggestion
convnext-dense find-lr CONFIG --data PATH --pretrained none     for random weights
convnext-dense find-lr CONFIG --data PATH --batch 2             with less memory

Weights, data, batch, precision and layer-wise decay are those of `train` with the same arguments, without warm-up and
schedule. Nothing is kept but the curve.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...io.files import check_parent
from ..arguments import EXAMPLE_CONFIG, parsed
from . import train

EXAMPLE = f'{EXAMPLE_CONFIG} --data PATH'
NOT_OF_TEST = (
    *('--work-dir', '--resume', '--epochs', '--iters', '--skip-nan', '--launcher', '--track', '--check-data', '--lr'),
    '--patience',
    '--probe',
)
"""Flags of ``train`` about a whole run."""
JSON_NAME = 'find_lr.json'
STEPS, LEAST_STEPS = 100, 20
START, END = 1e-7, 1.0


class _WithoutFlags:
    """Parser that leaves out some flags, which have their defaults, and passes everything else on."""

    def __init__(self, parser: argparse.ArgumentParser, flags: tuple[str, ...]) -> None:
        self._parser, self._flags = parser, flags

    def add_argument(self, *names: str, **settings: Any) -> None:
        if names[0] not in self._flags:
            self._parser.add_argument(*names, **settings)
            return
        name = settings.get('dest') or names[0].strip('-').replace('-', '_')
        default = False if settings.get('action') == 'store_true' else None
        self._parser.set_defaults(**{name: settings.get('default', default)})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    train.add_arguments(_WithoutFlags(parser, NOT_OF_TEST))  # type: ignore[arg-type]
    parser.add_argument(
        '--steps',
        type=int,
        default=STEPS,
        metavar='N',
        help=f'optimizer steps, {LEAST_STEPS} or more (default: {STEPS})',
    )
    parser.add_argument(
        '--start',
        type=parsed(train.parse_lr),
        default=START,
        metavar='LR',
        help=f'learning rate of the first step (default: {START:g})',
    )
    parser.add_argument(
        '--end',
        type=parsed(train.parse_lr),
        default=END,
        metavar='LR',
        help=f'learning rate of the last step, if training does not diverge before (default: {END:g})',
    )
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='work dir of the training that is to follow, in which the curve gets the folder find_lr (default: '
        'work_dirs/NAME_OF_CONFIG)',
    )
    parser.add_argument(
        '--out',
        metavar='DIR',
        help='folder for the curve itself (default: find_lr in the work dir, or find_lr_2 and so on beside the curves '
        'of other commands)',
    )


def check(args: argparse.Namespace) -> None:
    if args.steps < LEAST_STEPS:
        raise UserError(f'--steps {args.steps}: a curve of fewer than {LEAST_STEPS} steps tells nothing')
    if not args.start < args.end:
        raise UserError(f'--start {args.start:g} is not below --end {args.end:g}: the learning rate grows')
    train.check(args)
    if args.out is not None:
        check_parent(args.out, '--out')
        earlier = command_of_curve(args.out)
        if earlier is not None and not is_same_test(earlier, args.command_line):
            known = f', `{earlier}`' if earlier else ''
            raise UserError(f'--out {args.out} has the curve of another test{known}: name another folder')


def command_of_curve(folder: str | Path) -> str | None:
    """Return the command that made the curve in a folder, empty if that is unknown; None if there is no curve."""
    file = Path(folder, JSON_NAME)
    if not file.exists():
        return None
    try:
        return str(json.loads(file.read_text())['command'])
    except (OSError, ValueError, KeyError, TypeError):
        return ''


def is_same_test(earlier: str, command: str) -> bool:
    """Tell whether two command lines of this verb make the same curve: one may be of the script, and one not."""
    first, second = ([part for part in shlex.split(line)[2:] if part != '--debug'] for line in (earlier, command))
    return first == second
