"""Run scripts of mmdet and mmseg with mmcv's ops, the classes and the packaged configs of this package."""

from __future__ import annotations

import argparse
import importlib
import runpy
import sys
from pathlib import Path
from types import TracebackType

from ...compat.mmengine_packaged_bases import find_bases_with
from ...config.find import find_base
from ...ops import install


def run(args: argparse.Namespace) -> int:
    script: Path = args.script
    install()
    find_bases_with(find_base)
    importlib.import_module('convnext_dense.registry')  # the scope
    sys.argv[:] = [str(script), *args.arguments]
    sys.path.insert(0, str(script.resolve().parent))  # like `python script.py`
    try:
        runpy.run_path(str(script), run_name='__main__')
    except SystemExit:
        raise
    except BaseException as error:
        error = error.with_traceback(_frames_of(script, error.__traceback__))
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _frames_of(script: Path, frames: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the script, or all of it if it never gets there."""
    part = frames
    while part is not None and part.tb_frame.f_code.co_filename != str(script):
        part = part.tb_next
    return part or frames
