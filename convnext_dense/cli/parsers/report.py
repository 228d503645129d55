"""Make a self-contained HTML page from runs: results, what to try next, curves, the diagnosis, and predictions.

convnext-dense report work_dirs/demo --out report.html

Results are those that `convnext-dense test WORK_DIR --diagnose` wrote: test each run first. Several runs of a folder
stand side by side. The page opens without a network and without this program.
"""

from __future__ import annotations

import argparse

from ...errors import UserError
from ...io.files import check_parent
from ..arguments import EXAMPLE_RUN

EXAMPLE = EXAMPLE_RUN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('folder', metavar='DIR', help='the work dir of a run, or a folder of work dirs')
    parser.add_argument('--out', metavar='FILE.html', help='page to write (default: DIR/report.html)')
    parser.add_argument(
        '--max-images',
        type=int,
        default=240,
        metavar='N',
        help='images in the page, of all runs together: those of the sections, the worst, and a spread of the others '
        '(default: 240)',
    )
    parser.add_argument(
        '--images-beside',
        action='store_true',
        help='link to the images of the diagnosis instead of embedding them: a small page that needs the work dir',
    )


def check(args: argparse.Namespace) -> None:
    if args.max_images < 0:
        raise UserError(f'--max-images {args.max_images}: take 0 or more')
    if args.out is not None:
        check_parent(args.out, '--out')
