"""Make a self-contained HTML page from runs: curves, results, and images with prediction and ground truth.

convnext-dense report work_dirs/demo --out report.html

Results and images are those that `convnext-dense test WORK_DIR` wrote: test each run first.
"""

from __future__ import annotations

import argparse

from ..arguments import EXAMPLE_RUN

EXAMPLE = EXAMPLE_RUN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('folder', metavar='DIR', help='the work dir of a run, or a folder of work dirs')
    parser.add_argument('--out', metavar='FILE.html', help='page to write (default: DIR/report.html)')
