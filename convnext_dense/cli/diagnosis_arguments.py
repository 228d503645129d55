"""The folder of a diagnosis, by the arguments of a verb. Imports nothing large, like the parsers."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..analysis import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER
from ..config.find import find_work_dir
from ..errors import UserError
from ..io.files import check_parent, check_replaceable
from ..io.new_folder import NewFolder

SHOWN = 200
"""Images in the browser of a diagnosis, unless told otherwise."""


def check_diagnosis(args: argparse.Namespace, out: str | None = None, images: int = SHOWN) -> None:
    """Set ``diagnosis``, the folder to be written, and ``diagnosed_images``, the number of images in its browser.

    Args:
        args: the arguments.
        out: the folder that was named; None for the one in the work dir of the run.
        images: number of images.

    Raises:
        UserError: if the folder can't be written, or is not that of a diagnosis.
    """
    if images < 0:
        raise UserError(f'--images {images}: take 0 or more')
    if out is None:
        work_dir = find_work_dir(args.checkpoint)
        if work_dir is None:
            raise UserError(
                f'{args.checkpoint} is not from the work dir of a run, in which its diagnosis would be: name its '
                'folder with --out DIR of the verb diagnose'
            )
        out = str(work_dir / DIAGNOSIS_FOLDER)
    check_parent(out, '--out')
    check_replaceable(out, DIAGNOSIS_FILE, '--out')
    NewFolder(Path(out).absolute().parent, 'folder', '--out').discard()
    args.diagnosis, args.diagnosed_images = out, images
