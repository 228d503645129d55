"""Read images of any format, mode and orientation as upright RGB."""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import UserError
from .band_images import ShownBands, read_shown
from .files import read_with_retries
from .image_size import ImageSize
from .opening import AS_USUAL, DEFAULT_MAX_PIXELS, Opening, open_by_pillow
from .raster_image import RasterImage
from .value_range import BITS_8, ValueRange, find_value_range, to_levels

UNLABELED = 255
"""Label of pixels without a class, in masks and label maps."""
MAX_UNREADABLE_IN_A_ROW = 20
"""Number of consecutive unreadable images that ends even a run that skips bad images: the disk must have failed."""


def open_image(path: str | Path, retry_missing: bool = False, opening: Opening = AS_USUAL) -> Image.Image:
    """Read an image file into memory and open it, without decoding the pixels.

    The file is read completely so that disk errors occur here: Pillow memory-maps some formats, where a disk error
    would kill the process.

    Args:
        path: the image's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`, which reads the file.
        opening: the page, and the limit of pixels.

    Raises:
        UserError: if it has more pixels than the limit, or several pages of which none is chosen.
        OSError: if the file can't be read or is not an image.
    """
    return open_content(read_with_retries(path, retry_missing), opening)


def open_content(content: bytes, opening: Opening = AS_USUAL) -> Image.Image:
    """Open an image file that is in memory, without decoding the pixels.

    The content may also be a JSON file of LabelMe that has the image in it.

    Raises:
        UserError: if it has more pixels than the limit, or several pages of which none is chosen.
        OSError: if it is not an image of a kind that is read.
    """
    return open_file(io.BytesIO(image_content(content)), opening)


def open_file(file: IO[bytes], opening: Opening = AS_USUAL) -> Image.Image:
    """Open an image file that is open, like :func:`open_content`; a ``.npy`` file or a TIFF may be of any bands.

    Returns:
        Pillow's image, or a :class:`~convnext_dense.io.raster_image.RasterImage` of what Pillow does not read.
    """
    from .rasters import npy, tiff  # here, because they import this module

    file.seek(0)
    start = file.read(8)
    if start.startswith(npy.MAGIC):
        raster = npy.NpyRaster('', file, opening)
        opening.check_size(raster.size)
        return RasterImage(raster, 'NPY')
    if start.startswith(tiff.STARTS):
        return _open_tiff(file, opening)
    image = _open_by_pillow(file, opening)
    opening.check_size(ImageSize.of(image))
    if opening.page is not None and opening.page > 1:
        if opening.page > getattr(image, 'n_frames', 1):
            raise UserError(f'it has no page {opening.page}, which --page asks for')
        image.seek(opening.page - 1)
    return image


def _open_tiff(file: IO[bytes], opening: Opening) -> Image.Image:
    """Open a TIFF by Pillow, or by tifffile if Pillow does not read it."""
    from .rasters import tiff
    from .rasters.tiff_pages import find_page

    page = find_page(file, opening.page)
    opening.check_size(page.size)
    if page.size.height * page.size.width <= DEFAULT_MAX_PIXELS:  # Pillow's decoder of TIFF has no other limit
        try:
            image = _open_by_pillow(file, opening)
            if page.place:
                image.seek(page.place)
            if not (page.place and has_color_of_16_bits(image)):  # of which OpenCV reads the first page
                return image
        except (UnidentifiedImageError, SyntaxError, EOFError):
            pass
    return RasterImage(tiff.TiffRaster('', file, opening), 'TIFF')


def _open_by_pillow(file: IO[bytes], opening: Opening) -> Image.Image:
    if opening.max_pixels is not None:
        return open_by_pillow(file)
    try:
        file.seek(0)
        return Image.open(file)
    except Image.DecompressionBombError:
        opening.check_size(ImageSize.of(open_by_pillow(file)))
        raise


def image_content(content: bytes) -> bytes:
    """Return the image file that a JSON file of LabelMe has in its ``imageData``, in base64; any other file as it is.

    Raises:
        OSError: if there is none in a JSON file.
    """
    if not content[:16].lstrip(b'\xef\xbb\xbf \t\r\n').startswith(b'{'):
        return content
    try:
        return base64.b64decode(json.loads(content)['imageData'], validate=True)
    except (LookupError, TypeError, ValueError, RecursionError, binascii.Error):
        raise OSError('a JSON file without an image in it, imageData in base64') from None


def read_image(
    path: str | Path,
    retry_missing: bool = False,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
) -> Image.Image:
    """Read and decode an image as RGB, rotated upright by its EXIF orientation.

    Args:
        path: the image's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
        value_range: see :func:`decode`; or the bands that are shown.
        opening: the page, and the limit of pixels.

    Raises:
        UserError: if the image can't be read or decoded, or its value range is ambiguous.
    """
    if isinstance(value_range, ShownBands):
        return Image.fromarray(read_shown(path, value_range, opening))
    try:
        with open_image(path, retry_missing, opening) as image:
            return decode(image, value_range)
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise UserError(f'bad image {path} ({describe_read_error(error)})') from None


def read_rgb(
    path: str | Path,
    retry_missing: bool = False,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
) -> np.ndarray:
    """Read an image like :func:`read_image`, as an array: uint8 (H, W, 3), RGB."""
    return np.asarray(read_image(path, retry_missing, value_range, opening))


def describe_read_error(error: Exception) -> str:
    """Describe why an image can't be read: the system's reason with its errno, or the decoder's message."""
    if isinstance(error, OSError) and error.errno:
        return f'{error.strerror}, errno {error.errno}'
    if isinstance(error, UnidentifiedImageError):
        return 'not an image'
    return ' '.join(str(error).split()) or type(error).__name__


def check_on_bad_image(chosen: str) -> None:
    """Check what a data set is told to do with an unreadable image.

    Raises:
        UserError: if it is neither ``'stop'`` nor ``'skip'``.
    """
    if chosen not in ('stop', 'skip'):
        raise UserError(f"on_bad_image {chosen!r} does not exist: take 'stop' or 'skip'")


def too_many_unreadable(paths: Sequence[str], last: UserError) -> UserError:
    """Return the error for :data:`MAX_UNREADABLE_IN_A_ROW` consecutive unreadable images, with that of the last."""
    return UserError(
        f'{len(paths)} training images in a row are unreadable, {paths[0]} to {paths[-1]}, the last one a {last}: '
        'check the disk, or what its error names'
    )


def decode(image: Image.Image, value_range: ValueRange | None = None, turn: bool = True) -> Image.Image:
    """Decode an image of any mode as RGB with 8 bits; transparency is dropped.

    Args:
        image: the image. Color of 16 bits has all of them only if the pixels of the opened file are not decoded yet.
        value_range: the values that become black and white, of images of any depth. None leaves images of 8 bits as
            they are, and scales others by the rule of :func:`~convnext_dense.io.value_range.find_value_range`.
        turn: rotate the image upright by its EXIF orientation.

    Raises:
        AmbiguousValues: if there is no ``value_range`` and the image's is ambiguous.
    """
    if isinstance(image, RasterImage):
        return image.as_rgb(value_range)
    color = None if value_range is None else _color_of_16_bits(image)
    if color is None or value_range is None:
        return _as_rgb(_upright(image) if turn else image, value_range)
    rgb = Image.fromarray(to_levels(color, value_range))
    rgb.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return ImageOps.exif_transpose(rgb) if turn else rgb


def is_turned(image: Image.Image, expected: ImageSize | None, is_upright: bool = False) -> bool:
    """Decide whether an image is turned upright by its EXIF, for annotations that may be of the image as stored.

    Args:
        image: the image, not yet turned.
        expected: the size that the annotations are for; None for any.
        is_upright: they are for the upright image, also where the size does not tell.
    """
    stored = ImageSize.of(image)
    keeps_size = stored.height == stored.width or image.getexif().get(ExifTags.Base.Orientation, 1) < 5
    return stored != expected or (is_upright and keeps_size)


def _upright(image: Image.Image) -> Image.Image:
    """Decode an image and rotate it upright by its EXIF orientation; an upright image is returned without a copy."""
    image.load()  # some formats store EXIF after the pixels
    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def _as_rgb(image: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """Convert an image of any mode to RGB; see :func:`decode`."""
    if image.mode == 'RGB' and value_range is None:
        return image
    values = _deep_values(image)
    if values is not None:
        levels = to_levels(values, value_range or find_value_range(values, image.format == 'PPM'))
        return Image.fromarray(levels).convert('RGB')
    rgb = image.convert('RGB')
    if value_range is None or value_range == BITS_8:
        return rgb
    return rgb.point(to_levels(np.arange(256, dtype=np.uint8), value_range).tolist() * 3)


class ImageValues(NamedTuple):
    """The values of an image as stored, and what becomes of them."""

    depth: str
    """``'8-bit'``, ``'16-bit'``, ``'integer'`` of 32 bits or with a sign, or ``'float'``."""
    low: float
    """The smallest finite value."""
    high: float
    """The largest finite value."""
    black_to_white: ValueRange
    """The values that become level 0 and level 255."""
    levels: tuple[int, int]
    """The smallest and the largest level, of all channels."""
    above: float
    """Share of the values above the range, in [0, 1]."""
    outside: float
    """Share of the values above or below the range, or NaN, in [0, 1]."""

    def join(self, other: ImageValues, share: float) -> ImageValues:
        """Return the values of two parts of an image, of which the other one has this share of the pixels."""
        return self._replace(
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            levels=(min(self.levels[0], other.levels[0]), max(self.levels[1], other.levels[1])),
            above=self.above + (other.above - self.above) * share,
            outside=self.outside + (other.outside - self.outside) * share,
        )


def measure_values(image: Image.Image, value_range: ValueRange | None = None) -> ImageValues:
    """Decode an image of a file and measure its values; see :func:`decode`.

    Raises:
        AmbiguousValues: if there is no ``value_range`` and the image's is ambiguous.
    """
    values = image.colors if isinstance(image, RasterImage) else _color_of_16_bits(image)
    if values is None:
        image.load()
        values = _deep_values(image)
    if values is None or values.dtype == np.uint8:
        image = image if values is None else Image.fromarray(np.ascontiguousarray(values))
        rgb = image if image.mode in ('RGB', 'L') else image.convert('RGB')
        if value_range is None:
            extrema = np.ravel(rgb.getextrema())
            low, high = int(extrema.min()), int(extrema.max())
            return ImageValues('8-bit', low, high, BITS_8, (low, high), 0, 0)
        depth, values, chosen = '8-bit', np.asarray(rgb), value_range
    else:
        depth = depth_of(values)
        is_scaled = depth == 'integer' and image.format == 'PPM'
        depth = '16-bit' if is_scaled else depth
        chosen = value_range or find_value_range(values, is_scaled)
    return values_of(values, depth, chosen)


def depth_of(values: np.ndarray) -> str:
    """Return the ``depth`` of stored values; see :class:`ImageValues`."""
    kinds = {'uint8': '8-bit', 'uint16': '16-bit'}
    return kinds.get(values.dtype.name, 'integer' if values.dtype.kind in 'iu' else 'float')


def values_of(values: np.ndarray, depth: str, chosen: ValueRange) -> ImageValues:
    """Measure stored values, of which those in a range become the levels from black to white."""
    levels, finite = to_levels(values, chosen), values[np.isfinite(values)]
    above, below = (float(share.mean()) for share in (values > chosen.high, ~(values >= chosen.low)))
    return ImageValues(
        depth,
        float(finite.min()) if finite.size else 0.0,
        float(finite.max()) if finite.size else 0.0,
        chosen,
        (int(levels.min()), int(levels.max())),
        above,
        above + below,
    )


def _deep_values(image: Image.Image) -> np.ndarray | None:
    """The values of an image with one channel of more than 8 bits, (H, W) in the machine's byte order, or None."""
    if not image.mode.startswith(('I', 'F')):
        return None
    values = np.asarray(image)
    return values.astype(values.dtype.newbyteorder('='), copy=False)


def has_color_of_16_bits(image: Image.Image) -> bool:
    """Check whether a file has several channels of 16 bits, if its pixels are not decoded yet."""
    raw_modes = (args if isinstance(args, str) else args[0] if args else '' for *_, args in getattr(image, 'tile', ()))
    return not image.mode.startswith(('I', 'F')) and any(';16' in str(mode) for mode in raw_modes)


def _color_of_16_bits(image: Image.Image) -> np.ndarray | None:
    """The values of a file with several channels of 16 bits, uint16 (H, W, 3) in RGB; None for others.

    Pillow keeps the upper 8 bits of each, so the file is decoded by OpenCV, if it has not been decoded yet.
    """
    if not has_color_of_16_bits(image):
        return None
    import cv2

    content = getattr(image, 'fp').getvalue()  # noqa: B009 - `open_content` set it; the type does not have it
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise OSError(f'color of 16 bits that OpenCV does not read ({image.format}): save it with 8 bits')
    return np.ascontiguousarray(pixels[..., 2::-1]) if pixels.shape[2] > 2 else np.repeat(pixels[..., :1], 3, axis=2)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an image, from 1 to 8."""
    is_png = image.format == 'PNG' and getattr(
        image, 'tile', None
    )  # Pillow would decode it, to look behind its pixels
    exif = Image.Image.getexif(image) if is_png and not _has_text_behind_pixels(image) else image.getexif()
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def _has_text_behind_pixels(image: Image.Image) -> bool:
    """Whether a PNG has chunks behind its pixels that may hold its orientation."""
    file: IO[bytes] = getattr(image, 'fp')  # noqa: B009 - Pillow's type does not have it
    place, is_behind, start = file.tell(), False, 8
    try:
        while len(chunk := _at(file, start, 8)) == 8 and chunk[4:] != b'IEND':
            is_behind |= chunk[4:] == b'IDAT'
            if is_behind and chunk[4:] in (b'eXIf', b'tEXt', b'zTXt', b'iTXt'):
                return True
            start += 12 + int.from_bytes(chunk[:4], 'big')
        return False
    finally:
        file.seek(place)


def _at(file: IO[bytes], place: int, count: int) -> bytes:
    file.seek(place)
    return file.read(count)


def stored_type(image: Image.Image) -> tuple[int, np.dtype]:
    """Return the number of bands and the type of what :func:`stored_values` gives, without decoding the image."""
    if isinstance(image, RasterImage):
        return image.raster.bands, image.raster.dtype
    if has_color_of_16_bits(image):
        return 3, np.dtype(np.uint16)
    if image.mode.startswith('F'):
        return 1, np.dtype(np.float32)
    if image.mode.startswith('I'):
        is_16 = image.mode != 'I' or image.format in ('PNG', 'PPM')  # of which Pillow makes 16 bits
        return 1, np.dtype(np.uint16 if is_16 else np.int32)
    return 1 if image.mode in ('1', 'L', 'LA', 'La') else 3, np.dtype(np.uint8)


def stored_values(image: Image.Image) -> np.ndarray:
    """Decode the stored values of an image, upright: (H, W, C), one band or red, green and blue, without opacity."""
    from .rasters.turning import turned

    if isinstance(image, RasterImage):
        return image.raster.values()
    bands, kind = stored_type(image)
    values = _color_of_16_bits(image)
    if values is not None:
        return turned(values, orientation_of(image))
    image = _upright(image)
    values = _deep_values(image)
    if values is None:
        values = np.asarray(image.convert('L' if bands == 1 else 'RGB'))
    return values.reshape(*values.shape[:2], bands).astype(kind, copy=False)
