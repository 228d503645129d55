"""Write a data set in the format of another program.

convnext-dense convert-data SRC DST --to yolo
convnext-dense convert-data my_masks my_objects --to coco

SRC is a data set in any format that --data PATH takes, with boxes, masks of objects or label maps; its format is
recognized. DST is a new folder with the splits of SRC. Annotations are cleaned as for training. Polygons that become
boxes, crowds that are left out and whatever else DST can't hold are counted in the last line. From label maps, the
connected regions of a class become objects; in label maps, objects become pixels of their class.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from ...errors import UserError
from ...io.files import check_parent
from ..arguments import (
    DATA_FORMATS,
    MASK_FORMATS,
    WRITE_FORMATS,
    add_class_arguments,
    add_image_files_argument,
    add_label_zero_argument,
    add_mask_arguments,
    class_choice,
    is_config,
)

EXAMPLE = 'my_coco my_yolo --to yolo'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('source', metavar='SRC', help='root folder of a data set, or a file that --data takes')
    parser.add_argument('target', metavar='DST', help='folder to write, which does not exist or is empty')
    parser.add_argument('--to', choices=WRITE_FORMATS, required=True, help='format of DST')
    parser.add_argument(
        '--data-format',
        choices=(*DATA_FORMATS, *MASK_FORMATS),
        help='format of SRC, where several may be meant (default: the one that is there)',
    )
    add_image_files_argument(parser)
    add_mask_arguments(parser)
    add_class_arguments(parser)
    add_label_zero_argument(parser)


def check(args: argparse.Namespace) -> None:
    if is_config(args.source):
        raise UserError(f'{args.source} is a config: give the root folder of a data set')
    if '.json' not in args.source and not os.path.exists(args.source):  # explicit files are named with their images
        raise UserError(f'no data at {args.source}: check the path')
    check_new_folder(args.target, [args.source])
    class_choice(args)


def check_new_folder(path: str, sources: Iterable[str] = ()) -> None:
    """Raise a UserError if something is at the path of a folder to write, or it is in no folder or one that is read.

    Args:
        path: the folder to write.
        sources: what is read.
    """
    for source in filter(os.path.isdir, sources):
        if (os.path.realpath(path) + os.sep).startswith(os.path.realpath(source).rstrip(os.sep) + os.sep):
            raise UserError(f'{path} is in the folder that is read: name a folder beside {source}')
    check_parent(path)
    if os.path.exists(path) and not os.path.isdir(path):
        raise UserError(f'{path} is a file: name a new folder')
    if os.path.isdir(path) and os.listdir(path):
        raise UserError(f'{path} is not empty: name a new folder, or empty it first')
