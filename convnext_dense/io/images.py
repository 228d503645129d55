"""Reading images as people have them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import UserError
from .files import read_bytes

IN_A_ROW = 20
"""So many unreadable images one after another are not skipped: then it is not the images."""


def open_image(path: str | Path, seen: bool = False) -> Image.Image:
    """Read an image's file wholly, with the patience of :func:`~convnext_dense.io.files.read_bytes`, and open it.

    From here on no error is the disk's (Pillow would map some formats into memory, where one is the process's end).

    Raises:
        OSError: if the file can't be read, or is no image.
    """
    return Image.open(io.BytesIO(read_bytes(path, seen)))


def read_image(path: str | Path, seen: bool = False) -> Image.Image:
    """Decode an image wholly: upright, as RGB.

    Args:
        path: its file, read as in :func:`open_image`.
        seen: the file was there before, so that its absence may pass.

    Raises:
        UserError: if it can't be read or decoded, with its path.
    """
    try:
        with open_image(path, seen) as image:
            return as_rgb(upright(image))
    except Exception as error:  # Pillow's decoders leak whatever a broken file makes them run into
        raise UserError(f'bad image {path} ({why(error)})') from None


def read_rgb(path: str | Path, seen: bool = False) -> np.ndarray:
    """As :func:`read_image`, but uint8 (H, W, 3), RGB."""
    return np.asarray(read_image(path, seen))


def why(error: Exception) -> str:
    """Why an image can't be read: the system's reason with its errno, or the decoder's."""
    if isinstance(error, OSError) and error.errno:
        return f'{error.strerror}, errno {error.errno}'
    if isinstance(error, UnidentifiedImageError):
        return 'no image'
    return ' '.join(str(error).split()) or type(error).__name__


def all_unreadable(paths: Sequence[str]) -> UserError:
    """The error where skipping bad images finds no good one."""
    return UserError(
        f'{len(paths)} training images in a row are unreadable, {paths[0]} to {paths[-1]}: is the disk there?'
    )


def upright_rgb(image: Image.Image) -> np.ndarray:
    """An image of any mode, turned upright as its EXIF says.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    return np.asarray(as_rgb(upright(image)))


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and turn it as its EXIF says; one that is upright comes back itself, where Pillow copies it."""
    image.load()  # some formats have their EXIF after the pixels
    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode in RGB: 16-bit gray is scaled to 8 bits, transparency is dropped."""
    if image.mode == 'RGB':
        return image
    if image.mode.startswith('I'):  # Pillow would cut what is above 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    return image.convert('RGB')
