"""Run a script of mmdet or mmseg, unchanged, on configs that use classes of this package.

convnext-dense run-stock mmdet/tools/train.py configs/det/cascade_convnext_t_coco.py
convnext-dense run-stock mmseg/tools/test.py config.py checkpoint.pth
convnext-dense run-stock path/to/script.py ARGS

mmcv's compiled ops and the classes of this package, such as convnext_dense.ConvNeXt, are available to the script.
Everything else, including its errors and its exit code, is unchanged.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ...errors import UserError

EXAMPLE = 'mmdet/tools/test.py config.py checkpoint.pth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'script', metavar='SCRIPT', help='a file, or a script of an installed package, such as mmdet/tools/test.py'
    )
    parser.add_argument('arguments', metavar='ARGS', nargs=argparse.REMAINDER, help='arguments of the script')


def check(args: argparse.Namespace) -> None:
    args.script, args.arguments = find_script(args.script, args.arguments)


def find_script(name: str, arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """Find a script.

    Args:
        name: a file; ``mmdet/tools/test.py``; or ``mmdet``, with ``tools/test.py`` as the first argument.
        arguments: arguments of the script.

    Returns:
        Path of the script, and its remaining arguments.

    Raises:
        UserError: if there is no such script; the message suggests similar ones.
    """
    if Path(name).is_file():
        return Path(name), list(arguments)
    package, _, script = Path(name).as_posix().partition('/')
    if not script and arguments and arguments[0].endswith('.py'):
        script, *arguments = arguments
    folders = _script_folders(package)
    for folder in folders:
        if script and (folder / script).is_file():
            return folder / script, list(arguments)
    known = [
        path.relative_to(folder).as_posix() for folder in folders for path in sorted(folder.glob('tools/**/*.py'))
    ]
    near = [f'{package}/{path}' for path in difflib.get_close_matches(script, known, n=3, cutoff=0.5)]
    hint = f'did you mean {" or ".join(near)}?' if near else 'name a file, or a script such as mmdet/tools/test.py'
    raise UserError(f'no script at {"/".join(filter(None, (package, script)))}: {hint}')


def _script_folders(package: str) -> list[Path]:
    """List the folders that may contain a package's ``tools``: in a wheel of mim, in the package, in a clone."""
    spec = find_spec(package) if package.isidentifier() else None
    found = [Path(location) for location in (spec.submodule_search_locations or () if spec else ())]
    return [folder for location in found for folder in (location / '.mim', location, location.parent)]
