"""Plot the curves of runs together: loss, learning rates, memory, and the metrics of the task.

convnext-dense plot-log work_dirs/convnext_t_sample
convnext-dense plot-log work_dirs/a work_dirs/b --out compared.png

A folder of work dirs includes all of them. A resumed run is a single curve. The values come from the runs'
scalars.csv. The terminal shows a summary with losses and metrics as logged; --out draws a figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import UserError
from ...io.files import ensure_writable_files
from ..arguments import EXAMPLE_RUN

EXAMPLE = EXAMPLE_RUN
SUFFIXES = ('.png', '.svg', '.pdf')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('work_dir', metavar='WORK_DIR', nargs='+', help='work dir of a run, or a folder of work dirs')
    parser.add_argument('--out', metavar='FIGURE', help=f'draw the curves into a file ({", ".join(SUFFIXES)})')


def check(args: argparse.Namespace) -> None:
    if args.out is None:
        return
    if Path(args.out).suffix not in SUFFIXES:
        raise UserError(f'--out {args.out}: name a file that ends in {", ".join(SUFFIXES)}')
    ensure_writable_files(args.out)
