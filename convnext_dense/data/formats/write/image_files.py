"""Check and read the files of images that are written beside annotations, so that no other file is taken for one."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

from ....errors import UserError
from ....io.images import describe_read_error, image_content, open_file
from ....io.opening import OF_ANY_SIZE
from ...image_files import EXTENSIONS

SUFFIXES = {'jpeg': '.jpg', 'mpo': '.jpg', 'tiff': '.tif'}
"""Suffixes of Pillow's formats that have another name."""
FIX = 'restore it, or remove it and its entry'


def read_embedded(file: str) -> bytes | None:
    """Return the image that is in a JSON file of LabelMe; None for any other file.

    Raises:
        UserError: if it can't be read.
    """
    if not file.lower().endswith('.json'):
        return None
    content = read_file(file)
    try:
        image = image_content(content)
    except OSError as error:
        raise UserError(f'bad image {file} ({error}): {FIX}') from None
    if image is content:
        raise UserError(f'bad image {file} (not an image): {FIX}')
    return image


def check_image(file: str, content: bytes | None = None) -> str:
    """Check that a file is an image, by its suffix and its header, and return its suffix, in lowercase.

    Args:
        file: the file.
        content: the image, if it is in a file of another kind; its suffix is then that of its format.

    Raises:
        UserError: if it is none, or can't be read.
    """
    suffix = os.path.splitext(file)[1].lower()
    if content is None and suffix not in EXTENSIONS:
        raise UserError(
            f'{file} is listed as an image and has no suffix of one ({", ".join(EXTENSIONS)}): rename it, or remove '
            'its entry'
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # such as for slightly invalid EXIF
            with open(file, 'rb') if content is None else io.BytesIO(content) as opened:
                name = str(open_file(opened, OF_ANY_SIZE).format).lower()
    except Exception as error:  # Pillow's decoders raise many types for broken files
        reason = isinstance(error, OSError) and error.strerror
        raise UserError(f'bad image {file} ({reason or describe_read_error(error)}): {FIX}') from None
    if content is None:
        return suffix
    suffix = SUFFIXES.get(name, f'.{name}')
    if suffix not in EXTENSIONS:
        raise UserError(f'the image in {file} has the format {name.upper()}: save it as JPEG or PNG')
    return suffix


def read_file(file: str) -> bytes:
    """Return the content of a file.

    Raises:
        UserError: if it can't be read.
    """
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UserError(f'bad image {file} ({error.strerror or error}): {FIX}') from None
