"""Test a checkpoint: its weights as trained, and their moving average (EMA) if the checkpoint has one.

convnext-dense test WORK_DIR                    the newest checkpoint of a run, with its own config and data
convnext-dense test CONFIG CHECKPOINT --data PATH --out metrics.json --show-dir images
convnext-dense test WORK_DIR --data FILE.json:IMAGES --out-predictions results.json

Only the validation data are read; a single COCO file is enough, and for --out-predictions one without annotations.
The metrics of a run are written to metrics.json in its work dir, images with predictions to the folder show in it.
With --tta nothing is written unless --out or --show-dir is given.
"""

from __future__ import annotations

import argparse
import os

from ...analysis import METRICS_FILE, SHOW_FOLDER
from ...config.find import find_work_dir
from ...errors import UserError
from ...io.files import check_parent, ensure_writable_files
from ...io.new_folder import NewFolder
from ..arguments import EXAMPLE_RUN
from ..diagnosis_arguments import check_diagnosis
from ..test_arguments import add_test_arguments, check_tested

EXAMPLE = EXAMPLE_RUN


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_test_arguments(parser, 'test only these weights (default: both)')
    parser.add_argument(
        '--out', metavar='FILE.json', help='file for the metrics (default: metrics.json in the work dir of the run)'
    )
    parser.add_argument(
        '--out-predictions',
        metavar='FILE.json',
        help='detection: also write all detections as a COCO results file, with the ids of the data set; the images '
        'may be without annotations',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='folder for images with prediction and ground truth (default: show in the work dir of the run)',
    )
    parser.add_argument('--show', type=int, default=60, metavar='N', help='number of images to draw (default: 60)')
    parser.add_argument(
        '--diagnose',
        action='store_true',
        help='also find out why the model is as good as it is, as the verb diagnose does, into the folder diagnosis '
        'of the work dir',
    )


def check(args: argparse.Namespace) -> None:
    if args.show < 1:
        raise UserError(f'--show {args.show}: draw at least 1 image')
    check_tested(args)
    args.out_given, args.show_dir_given = args.out is not None, args.show_dir is not None
    work_dir = find_work_dir(args.checkpoint)
    # The work dir of somebody else can be tested, too. With --tta the numbers are not those of the plain test.
    if work_dir is not None and os.access(work_dir, os.W_OK) and not args.tta:
        args.out = args.out or str(work_dir / METRICS_FILE)
        args.show_dir = args.show_dir or str(work_dir / SHOW_FOLDER)
    ensure_writable_files(*(file for file in (args.out, args.out_predictions) if file))
    if args.show_dir:
        check_parent(args.show_dir, '--show-dir')
        NewFolder(args.show_dir, 'folder', '--show-dir').discard()  # it is made when something is drawn
    if args.diagnose:
        check_diagnosis(args)
