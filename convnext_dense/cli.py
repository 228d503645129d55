"""The command line: one verb per tool, and errors in one line.

``python tools/train.py ...`` and ``convnext-dense train ...`` both end here.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import __version__
from .errors import Stopped, UserError

VERBS = {
    'train': 'train a model',
    'test': 'test a checkpoint',
    'demo': 'draw what a model finds in pictures and videos',
    'benchmark': 'measure speed and memory against other libraries, side by side',
    'convert_weights': 'convert weights between the formats they are published in',
    'param_groups': 'show the learning rates and weight decays that a config gives its parameters',
    'flops': 'count parameters, MACs and activations, and compare them with the published ones',
    'check_data': 'look for what is wrong with a data set',
    'doctor': 'look for what is wrong with the installation or the machine',
    'roadmap': 'show, train and draw the steps from ResNet to ConvNeXt',
    'report': 'make a page of curves, results and pictures from work dirs',
    'plot_log': 'show the curves of runs, in the terminal and as a figure',
    'export_onnx': 'export a model as an ONNX file or a torch.export program, and check it',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``argv``, by default the process's, and return the exit code.

    It is 0, 1 if some of many inputs could not be used, 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ('-h', '--help'):
        verbs = '\n'.join(f'  {verb:<14}{what}' for verb, what in VERBS.items())
        print(f'usage: convnext-dense VERB ...\n\n{verbs}\n\nconvnext-dense VERB --help says more.')
        return 0 if argv else 2
    if argv[0] == '--version':
        print(__version__)
        return 0
    if argv[0] not in VERBS:
        print(f'error: unknown verb {argv[0]!r}: take one of {", ".join(VERBS)}', file=sys.stderr)
        return 2
    return run_verb(argv[0], argv[1:])


def run_verb(verb: str, argv: Sequence[str] | None = None) -> int:
    """Run one verb, with the process's arguments by default, and return the exit code."""
    command = importlib.import_module(f'.commands.{verb}', __package__)
    in_tools = sys.argv[0].endswith('.py')
    parser = argparse.ArgumentParser(
        prog=f'tools/{verb}.py' if in_tools else f'convnext-dense {verb}',
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    command.add_arguments(parser)
    argv = list(sys.argv[1:] if argv is None else argv)
    args = parser.parse_args(argv)
    args.command_line = shlex.join(['python', parser.prog, *argv] if in_tools else [*parser.prog.split(), *argv])
    try:
        return command.run(args) or 0
    except UserError as error:
        if args.debug:
            traceback.print_exc()
        # an error from a loader worker arrives with the worker's traceback before it
        print(f'error: {str(error).strip().rsplit("UserError: ", 1)[-1]}', file=sys.stderr)
        return 2
    except Stopped as stop:
        return stop.code
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


class Options(DictAction):
    """``KEY=VALUE ...``; anything else is the command line's error."""

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        try:
            super().__call__(parser, *args, **kwargs)
        except ValueError:
            parser.error('--cfg-options: expected KEY=VALUE, such as train_dataloader.batch_size=64')


def add_config_arguments(parser: argparse.ArgumentParser, roots: bool = True) -> None:
    """The arguments of every verb that takes a config, with ``roots`` of one that can take data from anywhere."""
    parser.add_argument('config', metavar='CONFIG', help='config file, such as configs/classification/convnext_t.py')
    if roots:
        parser.add_argument(
            '--data',
            metavar='PATH|sample',
            help="root of the data set (default: the config's own); 'sample' draws a small one and needs no download",
        )
    else:
        parser.add_argument('--data', choices=('sample',), help='the model was trained with --data sample')
    add_cfg_options(parser)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, of every verb that reads a config."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Options,
        default={},
        metavar='KEY=VALUE',
        help='change the config, such as train_dataloader.batch_size=64',
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every verb that runs a config on data."""
    add_config_arguments(parser)
    parser.add_argument(
        '--on-bad-image',
        choices=('stop', 'skip'),
        default='stop',
        help='what an unreadable picture does: stop the run, or be skipped and counted (default: stop)',
    )


def add_compile_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the backbone with torch.compile: faster steps after a slow first one; needs a C++ compiler',
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """The only way to have objects unpickled."""
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='read that checkpoint even if it holds Python objects; whoever made it can run any code with this',
    )


def progress_bar() -> Progress:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
