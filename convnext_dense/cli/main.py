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

from ..errors import Stopped, UserError
from ..version import __version__

VERBS = {
    'list': 'list the configs, with their models and published results',
    'config': 'print a config, and where each value comes from',
    'train': 'train a model',
    'test': 'test a checkpoint',
    'demo': 'draw what a model finds in images and videos',
    'benchmark': 'measure speed and memory against other libraries, side by side',
    'convert_weights': 'convert weights between the formats they are published in',
    'param_groups': 'show the learning rates and weight decays that a config gives its parameters',
    'flops': 'count parameters, MACs and activations, and compare them with the published ones',
    'check_data': 'look for what is wrong with a data set',
    'doctor': 'look for what is wrong with the installation or the machine',
    'roadmap': 'show, train and draw the steps from ResNet to ConvNeXt',
    'report': 'make a page of curves, results and images from work dirs',
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
