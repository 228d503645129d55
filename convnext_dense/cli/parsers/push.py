"""Write a model for a hub, in the layout of timm or transformers, which load it with their own functions.

convnext-dense push work_dirs/convnext_t ./convnext_t --to timm
convnext-dense push work_dirs/convnext_t hf:USER/convnext_t --to hf --weights ema --private
convnext-dense push work_dirs/cascade_convnext_t_coco ./backbone --to hf --backbone

CHECKPOINT is the work dir of a run, a checkpoint, or any source of train --pretrained. DESTINATION is a folder, or
hf:USER/REPO, a repository on Hugging Face that the same files are uploaded to, as `hf auth login` allows.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from ...errors import UserError
from ...export.hub.folder import check_folder
from ...io.files import check_parent
from ..arguments import (
    add_normalization_arguments,
    add_trust_argument,
    add_weights_argument,
    check_checkpoint,
    check_normalization,
)
from ..commercial import add_commercial_argument

EXAMPLE = 'work_dirs/convnext_t ./convnext_t --to timm'
HUB = 'hf:'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'checkpoint',
        metavar='CHECKPOINT',
        help='the work dir of a run, a checkpoint file, a URL, timm:NAME, hf:REPO or an official name',
    )
    parser.add_argument('destination', metavar='DESTINATION', help='a folder to write, such as ./out, or hf:USER/REPO')
    parser.add_argument(
        '--to', choices=('timm', 'hf'), required=True, help="the layout: timm's, or transformers' (hf)"
    )
    add_weights_argument(parser)
    add_normalization_arguments(parser)
    parser.add_argument(
        '--backbone', action='store_true', help='push the backbone alone, without the head of the checkpoint'
    )
    parser.add_argument('--private', action='store_true', help='create the repository hf:USER/REPO as a private one')
    parser.add_argument(
        '--force',
        action='store_true',
        help='write over a model that was not pushed from here, and over a README.md that was edited',
    )
    add_commercial_argument(parser)
    add_trust_argument(parser)


def check(args: argparse.Namespace) -> None:
    check_checkpoint(args.checkpoint)
    check_normalization(args)
    repository = repository_of(args.destination)
    if repository is not None:
        return
    if args.private:
        raise UserError(
            f'--private is for a repository, hf:USER/REPO, and {args.destination} is a folder: leave it out'
        )
    check_parent(args.destination)
    check_folder(Path(args.destination), args.force)


def repository_of(destination: str) -> str | None:
    """Return the repository that DESTINATION names, None if it is a folder.

    Raises:
        UserError: if it may be either, or names no repository.
    """
    if destination.startswith(HUB):
        name = destination.removeprefix(HUB)
        if not re.fullmatch(r'[\w.-]+/[\w.-]+', name):
            raise UserError(f'{destination} is no repository: give hf:USER/REPO')
        return name
    if re.match(r'\w{2,}:', destination):
        raise UserError(f'{destination} is neither a folder nor hf:USER/REPO')
    if os.sep not in destination and '/' not in destination and not os.path.exists(destination):
        raise UserError(
            f'{destination} may be a folder or a repository: give ./{destination} or hf:USER/{destination}'
        )
    return None
