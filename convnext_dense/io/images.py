"""Read images of any format, mode and orientation as upright RGB."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import UserError
from .files import read_with_retries

UNLABELED = 255
"""Label of pixels without a class, in masks and label maps."""
MAX_UNREADABLE_IN_A_ROW = 20
"""Number of consecutive unreadable images that ends even a run that skips bad images: the disk must have failed."""


def open_image(path: str | Path, retry_missing: bool = False) -> Image.Image:
    """Read an image file into memory and open it, without decoding the pixels.

    The file is read completely so that disk errors occur here: Pillow memory-maps some formats, where a disk error
    would kill the process.

    Args:
        path: the image's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`, which reads the file.

    Raises:
        OSError: if the file can't be read or is not an image.
    """
    return Image.open(io.BytesIO(read_with_retries(path, retry_missing)))


def read_image(path: str | Path, retry_missing: bool = False) -> Image.Image:
    """Read and decode an image as RGB, rotated upright by its EXIF orientation.

    Args:
        path: the image's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.

    Raises:
        UserError: if the image can't be read or decoded.
    """
    try:
        with open_image(path, retry_missing) as image:
            return as_rgb(upright(image))
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise UserError(f'bad image {path} ({describe_read_error(error)})') from None


def read_rgb(path: str | Path, retry_missing: bool = False) -> np.ndarray:
    """Read an image like :func:`read_image`, as an array: uint8 (H, W, 3), RGB."""
    return np.asarray(read_image(path, retry_missing))


def describe_read_error(error: Exception) -> str:
    """Describe why an image can't be read: the system's reason with its errno, or the decoder's message."""
    if isinstance(error, OSError) and error.errno:
        return f'{error.strerror}, errno {error.errno}'
    if isinstance(error, UnidentifiedImageError):
        return 'not an image'
    return ' '.join(str(error).split()) or type(error).__name__


def too_many_unreadable(paths: Sequence[str]) -> UserError:
    """Return the error for :data:`MAX_UNREADABLE_IN_A_ROW` consecutive unreadable images."""
    return UserError(
        f'{len(paths)} training images in a row are unreadable, {paths[0]} to {paths[-1]}: check the disk'
    )


def upright_rgb(image: Image.Image) -> np.ndarray:
    """Convert an image of any mode to an array, rotated upright by its EXIF orientation.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    return np.asarray(as_rgb(upright(image)))


def upright(image: Image.Image) -> Image.Image:
    """Decode an image and rotate it upright by its EXIF orientation; an upright image is returned without a copy."""
    image.load()  # some formats store EXIF after the pixels
    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB: 16-bit gray is scaled to 8 bits, transparency is dropped."""
    if image.mode == 'RGB':
        return image
    if image.mode.startswith('I'):  # Pillow would clip values above 255
        image = Image.fromarray((np.asarray(image) / 257).round().clip(0, 255).astype(np.uint8))
    return image.convert('RGB')
