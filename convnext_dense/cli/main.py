"""Entry point of the command line: dispatches verbs and prints errors in one line.

``python tools/train.py ...``, ``convnext-dense train ...`` and ``python -m convnext_dense train ...`` use it.
"""

from __future__ import annotations

import atexit
import difflib
import importlib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType, TracebackType

from convnext_dense_doctor.load import LoadMeter

from ..compat.mmengine_adafactor import defer_adafactor
from ..errors import Stopped, UntrustedConfig, UserError
from ..version import __version__
from .arguments import is_script, parse_options, program
from .interrupts import interrupts_after_imports
from .openmp import limit_spinning
from .out_of_memory import explained_memory
from .parser import Parser

VERBS = {
    'train': 'train a model',
    'test': 'test a checkpoint',
    'diagnose': 'find out why a model is as good as it is, and which labels are probably wrong',
    'probe': 'measure how good frozen weights are for your classes, without training a network',
    'tune': 'search for settings: learning rate, layer decay, drop path, augmentation',
    'find-lr': 'find a learning rate by training with one that grows',
    'demo': 'draw predictions on images and videos',
    'list': 'list the configs, with their models and published results',
    'adapt': 'write a config for a head of mmdet or mmseg on a ConvNeXt, and list those configs',
    'weights': 'list published weights, with their licenses and normalization',
    'config': 'print a resolved config and the origin of each value',
    'compare': 'compare two diagnosed runs on the same images, with intervals of the differences',
    'report': 'make an HTML page with curves, results and images of finished runs',
    'plot-log': 'plot the curves of runs, in the terminal and as a figure',
    'check-data': 'check every image and annotation of a data set',
    'convert-data': 'write a data set in the format of another program',
    'sample': 'draw the sample data set, and write it in any format',
    'convert-weights': 'convert weights between published formats',
    'push': 'write a model for a hub, in the layout of timm or transformers, and upload it',
    'export-onnx': 'export a model as an ONNX file or a torch.export program, and check it',
    'param-groups': 'show the learning rate and weight decay of each parameter',
    'flops': 'count parameters, MACs and activations, and compare them with the published ones',
    'benchmark': 'measure speed and memory against other libraries',
    'roadmap': 'show, train and draw the steps from ResNet to ConvNeXt',
    'run-stock': 'run a script of mmdet or mmseg on our configs',
    'doctor': 'check the installation and the machine',
}


def run_command(verb: str | None = None) -> int:
    """Run the command that this process was started for, and return the exit code (see :func:`main`).

    Unlike the other functions it may set environment variables (:func:`.openmp.limit_spinning`). A process of a
    distributed run ends here, without Python's finalization.

    Args:
        verb: None where it is the first argument.
    """
    limit_spinning()
    code = main() if verb is None else run_verb(verb)
    if 'RANK' in os.environ:
        end_process(code)
    return code


def end_process(code: int) -> None:
    """End this process without finalizing Python.

    A gloo thread that still holds a tensor of the last all-reduce would abort the process during finalization
    (pytorch/pytorch#190489), even without a process group, since DDP keeps the threads; the exit code would be lost.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``argv``, by default the process's arguments, and return the exit code.

    The exit code is 0 for success; 1 if some of several inputs could not be used, a check failed, or the installation
    is broken; 2 for bad input; 130 for Ctrl-C; 143 for SIGTERM.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ('-h', '--help', 'help'):
        print(usage())
        return 0 if argv else 2
    if argv[0] == '--version':
        print(__version__)
        return 0
    return run_verb(argv[0], argv[1:])


def usage() -> str:
    """Return the list of verbs that ``convnext-dense --help`` prints."""
    width = max(map(len, VERBS))
    verbs = '\n'.join(f'  {verb:<{width}}  {summary}' for verb, summary in VERBS.items())
    return f'usage: convnext-dense VERB ...\n\n{verbs}\n\n"convnext-dense VERB --help" describes a verb.'


def find_verb(name: str) -> str:
    """Return the key of :data:`VERBS` for a name with dashes or underscores.

    Raises:
        UserError: if there is no such verb; the message suggests similar ones.
    """
    verb = name.replace('_', '-')
    if verb in VERBS:
        return verb
    near = difflib.get_close_matches(verb.lower(), VERBS, n=2)
    near = near or [other for other in VERBS if verb.lower() in (other.replace('-', ''), *other.split('-'))]
    hint = f'did you mean {" or ".join(near)}?' if near else f'take one of {", ".join(VERBS)}'
    raise UserError(f'unknown verb {name!r}: {hint}')


def build_parser(verb: str, prog: str | None = None) -> Parser:
    """Build the parser of a verb, without importing the verb's implementation.

    Args:
        verb: the verb, with dashes or underscores.
        prog: the command in the usage line; None for ``convnext-dense VERB``.

    Raises:
        UserError: if there is no such verb.
    """
    verb = find_verb(verb)
    arguments = _module('parsers', verb)
    parser = Parser(prog or program(verb, script=False), arguments.__doc__, getattr(arguments, 'EXAMPLE', ''))
    parser.add_argument('--debug', action='store_true', help='show the traceback of an error')
    arguments.add_arguments(parser)
    return parser


def run_verb(verb: str, argv: Sequence[str] | None = None) -> int:
    """Run a verb, by default with the process's arguments, and return the exit code (see :func:`main`)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        with interrupts_after_imports():
            return _run(verb, argv)
    except UserError as error:
        if '--debug' in argv:
            traceback.print_exc()
        # an error from a loader worker follows the worker's traceback
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
    except Exception as error:
        if not _while_importing(error.__traceback__):
            raise
        if '--debug' in argv:
            traceback.print_exc()
        message = ' '.join(str(error).split())
        print(
            f'error: the installation is broken ({type(error).__name__}: {message}): '
            '`convnext-dense doctor` explains why and how to fix it, --debug shows the traceback',
            file=sys.stderr,
        )
        return 1


def _run(verb: str, argv: list[str]) -> int:
    verb = find_verb(verb)
    parser = build_parser(verb, program(verb, script=is_script()))
    args = parser.parse_args(argv)
    args.prog, args.flags = parser.prog, parser.flags
    args.command_line = shlex.join([*parser.prog.split(), *argv])
    check = getattr(_module('parsers', verb), 'check', None)
    if check is not None:
        check(args)
    args.load_meter = LoadMeter()  # measures during the imports that follow, which take seconds
    # from here on, torch and mmengine may be imported
    defer_adafactor()
    if hasattr(args, 'cfg_options'):
        args.cfg_options = parse_options(args.cfg_options)
    try:
        with explained_memory(args, args.flags):
            return _module('commands', verb).run(args) or 0
    except UntrustedConfig as error:
        if not getattr(args, 'saved', False):
            raise
        place = argv.index(args.checkpoint)
        command = shlex.join([*parser.prog.split(), *argv[:place], str(error.file), *argv[place:]])
        raise UserError(f'{error}: `{command}`') from error


def _module(package: str, verb: str) -> ModuleType:
    return importlib.import_module(f'.{package}.{verb.replace("-", "_")}', __package__)


def _while_importing(frames: TracebackType | None) -> bool:
    """Check whether an exception was raised while a module was being imported."""
    while frames is not None:
        if frames.tb_frame.f_code.co_filename.startswith('<frozen importlib'):
            return True
        frames = frames.tb_next
    return False


if __name__ == '__main__':
    sys.exit(run_command())
