"""Weights by name: the official ones, downloaded once."""

from __future__ import annotations

import difflib
from pathlib import Path
from urllib.error import URLError

import torch
from filelock import FileLock

from ..cache import cache_folder
from ..errors import UserError
from ..paper import OFFICIAL_WEIGHTS


def locate(source: str | Path) -> Path:
    """The file of some weights: a path as it is, an official name such as ``convnext_tiny_1k_224`` downloaded once.

    Raises:
        UserError: if the download fails, with the place where the file may be put by hand.
    """
    url = OFFICIAL_WEIGHTS.get(str(source))
    if url is None:
        near = difflib.get_close_matches(str(source), OFFICIAL_WEIGHTS, n=3)
        if near and not Path(source).exists():
            raise UserError(f'no file and no official weights at {source}: did you mean {" or ".join(near)}?')
        return Path(source)
    file = cache_folder() / 'weights' / Path(url).name
    if file.is_file():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f'{file}.lock'):  # of several processes one downloads
            if not file.is_file():
                torch.hub.download_url_to_file(url, str(file))
    except (URLError, OSError) as error:
        reason = getattr(error, 'reason', None) or error
        raise UserError(
            f'the official weights {source} cannot be downloaded from {url} ({reason}): put the file at {file}, name '
            'other weights with --pretrained PATH, or start from random ones with --pretrained none'
        ) from None
    return file
