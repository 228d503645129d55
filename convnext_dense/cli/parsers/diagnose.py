"""Find out why a model is as good as it is, what to change, and which labels are probably wrong.

convnext-dense diagnose WORK_DIR                    the newest checkpoint of a run, with its own config and data
convnext-dense diagnose CONFIG CHECKPOINT --data PATH --out DIR

The checkpoint is tested on the validation data, and what it confuses, misses and is too sure of goes into the folder
diagnosis of the work dir: diagnosis.json, the records of all images, lists of suspected labels, and images for the
browser on the page of `report`. An earlier diagnosis there is replaced once the new one is complete.
"""

from __future__ import annotations

import argparse

from ..arguments import EXAMPLE_RUN
from ..diagnosis_arguments import SHOWN, check_diagnosis
from ..test_arguments import add_test_arguments, check_tested

EXAMPLE = EXAMPLE_RUN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_test_arguments(parser, 'diagnose these weights (default: the averaged ones, if the checkpoint has them)')
    parser.add_argument(
        '--out', metavar='DIR', help='folder for the diagnosis (default: diagnosis in the work dir of the run)'
    )
    parser.add_argument(
        '--images',
        type=int,
        default=SHOWN,
        metavar='N',
        help='images in the browser of predictions, half of them the worst, 0 for none (default: %(default)s)',
    )
    parser.add_argument(
        '--no-duplicates',
        action='store_true',
        help='do not compare the images, whose files are read for that, to find those that are almost the same: in '
        'training and test data, or with different labels',
    )


def check(args: argparse.Namespace) -> None:
    check_tested(args)
    check_diagnosis(args, args.out, args.images)
