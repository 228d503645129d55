"""Search for settings: train with others, learn from the results which to try next, and keep the best.

convnext-dense tune CONFIG --data PATH --trials 20                       lr, layer decay, drop path, augmentation, ...
convnext-dense tune CONFIG --data PATH --search lr=1e-5:1e-2             in a range of your own
convnext-dense tune CONFIG --data PATH --only lr,drop_path --epochs 5    some settings, in short runs
convnext-dense report work_dirs/NAME_tune                                trials, importances and curves on a page

The first trial has the settings of the config. Each trial is the work dir of an ordinary run, WORK_DIR/trial_000 and
so on. The same command continues a study that was interrupted, in the middle of a trial too; started several times, it
runs that many trials at once, on several machines if they share the work dir or a database (--storage). All flags of
train beside these hold for every trial.
"""

from __future__ import annotations

import argparse
import importlib.util
from typing import Any

from ...errors import UserError
from ...tasks.tuned import SETTINGS
from ...tuning.pruners import PRUNERS
from ...tuning.ranges import EXAMPLE as EXAMPLE_RANGES
from ...tuning.ranges import parse_names, parse_ranges
from ..arguments import EXAMPLE_CONFIG, parsed
from . import train

EXAMPLE = f'{EXAMPLE_CONFIG} --data sample --trials 20'
OF_TRAIN_ALONE = ('--work-dir', '--resume', '--seed', '--launcher', '--check-data')
"""Flags of ``train`` that a study sets itself, or that are not for several runs."""
DEFAULT_TRIALS = 20


def add_own_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that ``train`` does not have, or that mean something else here."""
    parser.add_argument(
        '--trials',
        type=int,
        default=DEFAULT_TRIALS,
        metavar='N',
        help=f'trials of the study in all, of all processes and earlier calls together (default: {DEFAULT_TRIALS})',
    )
    parser.add_argument(
        '--search',
        action='append',
        default=[],
        type=parsed(parse_ranges),
        metavar='NAME=LOW:HIGH,...',
        help=f'ranges of settings, such as {EXAMPLE_RANGES}, instead of those around the values of the config; '
        f'settings are {", ".join(SETTINGS)}',
    )
    parser.add_argument(
        '--only',
        type=parsed(parse_names),
        metavar='NAME,...',
        help='settings to search (default: all that the config has)',
    )
    parser.add_argument(
        '--pruner',
        choices=PRUNERS,
        default='median',
        help='what ends bad trials early: those below the median of the others at the same validation, Hyperband, or '
        'nothing (default: median)',
    )
    parser.add_argument(
        '--seed',
        type=int,
        metavar='N',
        help="random seed of the search and of every trial's training (default: 0, and the config's)",
    )
    parser.add_argument(
        '--storage',
        metavar='URL|FILE',
        help='where the study is stored: a journal file, or a database such as sqlite:///study.db or '
        'postgresql://user@host/name (default: WORK_DIR/study.log)',
    )
    parser.add_argument(
        '--study', metavar='NAME', help="the study's name in a storage with several (default: name of the work dir)"
    )
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder of the study and its trials (default: work_dirs/NAME_OF_CONFIG_tune)'
    )


class _WithoutFlags:
    """A parser to which some flags are not added."""

    def __init__(self, parser: argparse.ArgumentParser, flags: tuple[str, ...]) -> None:
        self._parser, self._flags = parser, flags

    def add_argument(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return None if name in self._flags else self._parser.add_argument(name, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_own_arguments(parser)
    of_train: Any = _WithoutFlags(parser, OF_TRAIN_ALONE)
    train.add_arguments(of_train)
    parser.set_defaults(resume=None, launcher='none', check_data=False)


def check(args: argparse.Namespace) -> None:
    if args.trials < 1:
        raise UserError(f'--trials {args.trials}: run at least 1')
    train.check(args)
    if importlib.util.find_spec('optuna') is None:
        raise UserError('tune needs the package optuna: pip install optuna')


def training_arguments(argv: list[str]) -> list[str]:
    """Return the arguments of a command of this verb, without program and verb, that are for ``train``."""
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_own_arguments(own)
    own.add_argument('--debug', action='store_true')
    return own.parse_known_args(argv)[1]
