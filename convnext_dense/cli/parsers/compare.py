"""Compare two runs on the same images, and say which differences are more than chance.

convnext-dense compare work_dirs/a work_dirs/b
convnext-dense compare work_dirs/a work_dirs/b --out compared.json --out-page compared.html

Diagnose both runs first (`convnext-dense diagnose RUN`): that writes the records that are compared.

Both runs are measured on the same resamples of the images (a paired bootstrap): each difference has an interval, and
is clear if that leaves out 0. Neither the networks nor the data are loaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import UserError
from ...io.files import ensure_writable_files

EXAMPLE = 'work_dirs/a work_dirs/b'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = 'work dir of a diagnosed run, or the folder of a diagnosis'
    parser.add_argument('before', metavar='RUN_A', help=what)
    parser.add_argument('after', metavar='RUN_B', help='the run that is compared with it, tested on the same images')
    parser.add_argument('--out', metavar='FILE.json', help='write all differences, tables and images into a file')
    parser.add_argument('--out-page', metavar='FILE.html', help='make a self-contained page of the comparison')
    parser.add_argument(
        '--resamples', type=int, default=1000, metavar='N', help='how often images are drawn (default: %(default)s)'
    )


def check(args: argparse.Namespace) -> None:
    if args.resamples < 100:
        raise UserError(f'--resamples {args.resamples}: intervals need at least 100, take 1000')
    for name in (args.before, args.after):
        if not Path(name).exists():
            raise UserError(f'{name}: no such run: name the work dir of a run, or the folder of a diagnosis')
    for option, file, suffix in (('--out', args.out, '.json'), ('--out-page', args.out_page, '.html')):
        if file is None:
            continue
        if Path(file).suffix != suffix:
            raise UserError(f'{option} {file}: name a file that ends in {suffix}')
        ensure_writable_files(file)
