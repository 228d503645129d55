"""Export a model as an ONNX file, or as a program of torch.export, and check the file against what it predicts.

convnext-dense export-onnx WORK_DIR OUT.onnx --check    the newest checkpoint of a run, with its own config
convnext-dense export-onnx CONFIG CHECKPOINT OUT.pt2 --task-output features --dynamic --check street.jpg

Outputs, by task, the default first:
  classification  logits, probabilities, features
  detection       instances (boxes, scores, labels, masks of one image), features
  segmentation    logits, labels (of each pixel), features
"features" are the outputs of the backbone's four stages, each through its norm. A classifier has no such norms: they
are fresh, with weight 1 and bias 0. Classifiers on an isotropic network or a step of the roadmap have no features.

The input is an image as decoded: float32, NCHW, RGB, values from 0 to 255. Normalization is part of the model, and
the file's metadata names mean, standard deviation, classes and outputs. Not part of it: resizing the image, slide
inference of segmentors, and, of detectors, pasting the masks (28 x 28) into their boxes.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from ...errors import UserError
from ...export.limits import DYNAMIC_MIN, EQUAL_PIXELS, SAME_INSTANCES, SAME_MASKS, TOLERANCE
from ...io.files import ensure_writable_files
from ...tasks import TASKS
from ..arguments import (
    EXAMPLE_RUN,
    add_image_arguments,
    add_model_arguments,
    add_normalization_arguments,
    add_trust_argument,
    add_weights_argument,
    check_model,
    check_normalization,
)
from ..band_arguments import add_band_arguments
from ..commercial import add_commercial_argument

EXAMPLE = f'{EXAMPLE_RUN} model.onnx --check'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    add_image_arguments(parser)
    add_band_arguments(parser)
    add_normalization_arguments(parser)
    outputs = dict.fromkeys(name for task in TASKS.values() for name in task.exports)
    parser.add_argument('out', metavar='OUT', help='file to write: .onnx, or .pt2 for torch.export')
    parser.add_argument(
        '--task-output',
        choices=outputs,
        metavar='OUTPUT',
        help='output, listed above (default: the first of its task)',
    )
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='size of the images in pixels (default: as in testing)',
    )
    parser.add_argument(
        '--dynamic',
        action='store_true',
        help=f'accept any number of images, of any height and width from {DYNAMIC_MIN} on; detection: one image, from '
        'twice the stride of its coarsest level on (128)',
    )
    parser.add_argument(
        '--check',
        nargs='*',
        metavar='IMAGE',
        help='run the file on images (default: drawn ones) and compare with what the model predicts; the exit code '
        f'is 1 if a number differs by more than {TOLERANCE:g} times max(1, the largest), or more than '
        f'{1 - EQUAL_PIXELS:.1%}% of the labels, {1 - SAME_INSTANCES:.0%}% of the instances or {1 - SAME_MASKS:.0%}% '
        'of the masks do',
    )
    add_weights_argument(parser)
    add_trust_argument(parser)
    add_commercial_argument(parser)


def check(args: argparse.Namespace) -> None:
    check_model(args)
    check_normalization(args)
    out = Path(args.out)
    if out.suffix not in ('.onnx', '.pt2'):
        raise UserError(f'{out}: name a file that ends in .onnx, or in .pt2 for torch.export')
    for path in args.check or ():
        if not Path(path).is_file():
            raise UserError(f'no image at {path}: name files after --check, or none for drawn images')
    ensure_writable_files(out)
    needed = ('onnx', 'onnxscript', *(('onnxruntime',) if args.check is not None else ()))
    absent = [package for package in needed if importlib.util.find_spec(package) is None]
    if out.suffix == '.onnx' and absent:
        raise UserError(f'{", ".join(absent)} not installed: pip install -r requirements/optional.txt')
