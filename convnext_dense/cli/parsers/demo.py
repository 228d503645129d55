"""Draw predictions on images and videos: classes, boxes and masks, or labeled pixels, by the config's task.

convnext-dense demo WORK_DIR photo.jpg    the newest checkpoint of a run, with its own config
convnext-dense demo CONFIG CHECKPOINT street.jpg holiday/ 'more/*.png' film.mp4

Images and the frames of videos are drawn; results.json has the predictions for all images, film.json those for
film.mp4. A detector's results.json is a COCO results file for images.json, which is written beside it, or with
--annotations for your own file. Segmentation also writes label maps, as PNG files with a palette. An input that
cannot be read is named and skipped, and the exit code is 1.

With --tile, or a model that was trained with it, images are predicted in tiles and may be of any size. A label map is
then a TIFF file, with the georeference of the image if it has one, and is written while it is predicted: the same
command goes on where it was interrupted. --geojson also writes label maps and objects as polygons:

convnext-dense demo WORK_DIR scene.tif --tile 640 --geojson

With --format a detector's or segmentor's predictions are written as annotations instead, into an empty folder, for
correction in a labeling tool:

convnext-dense demo WORK_DIR photos/ --format labelme --out-dir to_correct
"""

from __future__ import annotations

import argparse
import mimetypes
import os

from ...errors import UserError
from ...io.files import check_input, check_parent
from ..arguments import (
    EXAMPLE_RUN,
    WRITE_FORMATS,
    add_compile_argument,
    add_image_arguments,
    add_image_files_argument,
    add_model_arguments,
    add_normalization_arguments,
    add_trust_argument,
    add_weights_argument,
    check_model,
    check_normalization,
    is_config,
)
from ..band_arguments import add_band_arguments
from ..commercial import add_commercial_argument
from ..tile_arguments import add_tile_arguments
from .convert_data import check_new_folder

EXAMPLE = f'{EXAMPLE_RUN} photo.jpg'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    add_image_arguments(parser)
    add_band_arguments(parser, '--display-bands')
    add_tile_arguments(parser, '--whole-image')
    add_normalization_arguments(parser)
    parser.add_argument('input', metavar='INPUT', nargs='+', help='image, folder of images, pattern, or video')
    parser.add_argument('--out-dir', metavar='DIR', default='demo_out', help='folder to draw in (default: demo_out)')
    add_weights_argument(parser)
    add_trust_argument(parser)
    add_commercial_argument(parser)
    parser.add_argument(
        '--batch-size', type=int, metavar='N', default=1, help='images at once, more for a GPU (default: 1)'
    )
    add_compile_argument(parser)
    parser.add_argument('--device', choices=('cpu', 'cuda'), help='(default: cuda where there is a GPU)')
    parser.add_argument(
        '--annotations',
        metavar='FILE.json',
        help='detection: COCO file with the ids of the images, for results.json (default: they are numbered from 1)',
    )
    parser.add_argument(
        '--score',
        type=_score,
        metavar='S|best',
        help='leave out detections below this score (default: 0.3); best: the one of each class in the diagnosis of '
        'the run',
    )
    parser.add_argument(
        '--geojson',
        action='store_true',
        help='also write the objects or regions of each image as polygons in longitude and latitude; images need a '
        'georeference',
    )
    parser.add_argument(
        '--format',
        choices=WRITE_FORMATS,
        help='write the predictions for images as annotations in this format, without drawings',
    )
    parser.add_argument(
        '--confidence',
        action='store_true',
        help='--format yolo: write scores as a last column, which training refuses',
    )
    add_image_files_argument(parser)


def check(args: argparse.Namespace) -> None:
    if args.batch_size < 1:
        raise UserError(f'--batch-size {args.batch_size}: take at least 1')
    if isinstance(args.score, float) and not 0 <= args.score <= 1:
        raise UserError(f'--score {args.score}: take a number from 0 to 1')
    if args.confidence and args.format != 'yolo':
        raise UserError('--confidence is a column of YOLO files: give --format yolo, or leave it out')
    if args.images != 'link' and args.format is None:
        raise UserError(f'--images {args.images} is for annotations: give --format, or leave it out')
    if args.format is not None and args.geojson:
        raise UserError('--geojson is written beside drawings, and --format makes none: leave one out')
    if args.format is not None and args.annotations:
        raise UserError('--annotations is for results.json, and --format writes other files: leave one out')
    if args.config is not None and not is_config(args.config) and not is_config(args.checkpoint):
        # there is no CONFIG: the first argument is CHECKPOINT, the others are INPUT
        args.config, args.checkpoint, args.input = None, args.config, [args.checkpoint, *args.input]
    if _is_media(args.checkpoint):
        names = [args.checkpoint, *args.input]
        checkpoint = next((name for name in names if not _is_media(name)), 'CHECKPOINT')
        inputs = [name for name in names if name != checkpoint]
        config = f'{args.config} ' if args.config else ''
        raise UserError(
            f'{args.checkpoint} is in the place of CHECKPOINT: {args.prog} {config}{checkpoint} {inputs[0]} ...'
        )
    check_parent(args.out_dir, '--out-dir')
    if args.format is not None:
        check_new_folder(args.out_dir, args.input)
    check_model(args)
    check_normalization(args)
    if args.annotations and not os.path.isfile(args.annotations):
        raise UserError(f'--annotations {args.annotations}: no such file')
    for number, name in enumerate(args.input, start=1):
        try:
            check_input(name)
            break
        except UserError:
            if number == len(args.input):  # of several inputs one is enough
                raise


def _score(text: str) -> float | str:
    try:
        return text if text == 'best' else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is neither a number from 0 to 1 nor best') from None


def _is_media(name: str) -> bool:
    """Whether a name has the suffix of an image or a video."""
    return (mimetypes.guess_type(name)[0] or '').startswith(('image/', 'video/'))
