"""TIFF files, of which windows are read by decoding their strips or tiles alone."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ...errors import UserError
from ..georeference import GEO_TAGS, georeference_of
from ..image_size import ImageSize
from ..opening import AS_USUAL, Opening
from ..window import Window
from .packages import explain_missing_codec, import_tifffile
from .raster import Raster, read_at
from .tiff_pages import find_page
from .turning import stored_window, turned, upright_size

STARTS = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
"""First bytes of TIFF files."""
ORIENTATION, GDAL_NODATA = 274, 42113
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
"""Photometric interpretations (TIFF 6.0, section 8)."""
CONVERTED = {5: 'CMYK', YCBCR: 'YCbCr', 8: 'CIELab', 9: 'ICCLab', 10: 'ITULab'}
"""Those whose stored values are no colors in RGB."""
COLOR_BANDS, ASSOCIATED = 3, 1
"""Bands of colors, and the kind of another band that is an opacity with which they are multiplied."""
SEPARATE = 2
"""The planar configuration with the bands one after the other."""
UNCOMPRESSED = NO_PREDICTOR = USUAL_BITS = 1
KEPT_BYTES = 1 << 26
"""Bytes of decoded strips and tiles that are kept for the next window."""


class ConvertedColors(UserError):
    """Error for a TIFF whose stored values are no colors in RGB, which only a whole decode converts."""


class TiffRaster(Raster):
    """A page of a TIFF file: in strips or tiles, of any depth, with a palette as its colors in RGB.

    Gray of less than 8 bits, and gray whose 0 is white, become levels of 8 bits as Pillow has them; all others are
    read as stored. Tiles that a file leaves out are of the value that it names for no data, or 0.

    Args:
        path: the file, for messages.
        file: the open file; this object closes it.
        opening: see :class:`~convnext_dense.io.opening.Opening`. Windows of any image are read; the limit is for the
            strips and tiles.

    Raises:
        ConvertedColors: if its values are no colors in RGB, such as CMYK.
        UserError: if it is of a kind that is not read, tifffile is missing, or the page is not chosen.
        OSError: if the file is broken.
    """

    def __init__(self, path: str, file: IO[bytes], opening: Opening = AS_USUAL) -> None:
        self.path, self.opening, self._file = path, opening, file
        chosen = find_page(file, opening.page)
        tifffile = import_tifffile()
        file.seek(0)
        self._tiff = tifffile.TiffFile(file)
        self._page: Any = self._tiff.pages[chosen.place]
        page = self._page
        stack = self._tiff.imagej_metadata or {} if page.is_imagej else {}
        if len(self._tiff.pages) == 1 and int(stack.get('images', 1)) > 1:
            raise UserError(f'a stack of ImageJ with {stack["images"]} images in one page: save them as pages')
        if page.dtype is None or page.dtype.kind not in 'biuf' or not isinstance(page.bitspersample, int):
            raise UserError(f'its values of {page.bitspersample} bits are of a kind that is not read')
        if page.imagedepth > 1 or 0 in page.shaped:
            raise UserError(f'its array is {" x ".join(map(str, page.shaped))}, which is no image')
        is_jpeg = page.compression in (6, 7, 34892, 33007)
        if page.photometric in CONVERTED and not (page.photometric == YCBCR and is_jpeg):
            raise ConvertedColors(f'its values are {CONVERTED[page.photometric]}: save it in RGB')
        self._stored_size = ImageSize(page.imagelength, page.imagewidth)
        orientation = page.tags.valueof(ORIENTATION, 1)
        self._orientation = orientation if orientation in range(1, 9) else 1
        self.size = upright_size(self._stored_size, self._orientation)
        self._is_separate = page.planarconfig == SEPARATE and page.samplesperpixel > 1
        has_palette = page.photometric == PALETTE and page.colormap is not None
        self._colors = (np.asarray(page.colormap) >> 8).astype(np.uint8).T if has_palette else None
        self.bands = 3 if has_palette else page.samplesperpixel
        is_shallow = has_palette or page.bitspersample < 8
        self.dtype = np.dtype(np.uint8) if is_shallow else page.dtype.newbyteorder('=')
        if GDAL_NODATA in page.tags:  # tifffile's own value is 0 without the tag
            self.nodata = float(page.nodata)
        if self._orientation == 1:
            self.georeference = georeference_of({code: page.tags.get(code) for code in GEO_TAGS})
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        self._segment_size = ImageSize(
            min(tile[0], self._stored_size.height) if not page.is_tiled else tile[0], tile[1]
        )
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        covers = self._segment_size.height >= self._stored_size.height
        self.decodes_whole = covers and self._segment_size.width >= self._stored_size.width and not self._is_plain()

    @property
    def colors(self) -> list[int] | None:
        """Indices of the bands that are gray, or red, green and blue, for values that Pillow reads alike.

        None for other bands, for colors that are multiplied with their opacity, and for rare types.
        """
        page = self._page
        if self._colors is not None:
            return [0, 1, 2]
        if self.dtype not in (np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64):
            return None
        wanted = COLOR_BANDS if page.photometric in (RGB, YCBCR) else 1
        opacity = page.extrasamples[:1]
        has_others = self.bands > wanted and (ASSOCIATED in opacity or self.dtype not in (np.uint8, np.uint16))
        if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, YCBCR) or self.bands < wanted or has_others:
            return None
        if wanted == 1 and self.bands > 1 and not (self.dtype == np.uint8 and self.bands == 2 and opacity):
            return None
        return list(range(wanted))

    @property
    def holds_numbers(self) -> bool:
        """Whether the values are those of a single band that Pillow reads alike, such as the labels of a mask."""
        kinds = (np.uint8, np.uint16, np.int32)
        return self._page.photometric == BLACK_IS_ZERO and self.bands == 1 and self._page.dtype in kinds

    def _read(self, window: Window, bands: list[int]) -> np.ndarray:
        stored = stored_window(window, self._stored_size, self._orientation)
        if self._colors is not None:
            values = self._colors[self._read_stored(stored, [0])[..., 0]][..., bands]
        else:
            values = self._as_levels(self._read_stored(stored, bands))
        return turned(values, self._orientation)

    def _as_levels(self, values: np.ndarray) -> np.ndarray:
        """Make levels of gray of less than 8 bits, and of gray whose 0 is white."""
        page = self._page
        if page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and page.bitspersample < 8:
            values = values.astype(np.uint8) * np.uint8(255 // (2**page.bitspersample - 1))
        if page.photometric == WHITE_IS_ZERO and self.dtype == np.uint8:
            values = 255 - values
        return values.astype(self.dtype, copy=False)

    def _read_stored(self, window: Window, bands: list[int]) -> np.ndarray:
        """Read the values of a window of the image as stored: (h, w, C), in the type of the page."""
        page = self._page
        found = np.full((*window.size, len(bands)), page.nodata, page.dtype.newbyteorder('='))
        targets = [([place], band) for place, band in enumerate(bands)] if self._is_separate else [(bands, 0)]
        rows, columns = (
            range(start // side, math.ceil(end / side))
            for start, end, side in zip(
                (window.top, window.left), (window.bottom, window.right), self._segment_size, strict=True
            )
        )
        across = math.ceil(self._stored_size.width / self._segment_size.width)
        of_plane = across * math.ceil(self._stored_size.height / self._segment_size.height)
        for wanted, plane in targets:
            for row in rows:
                for column in columns:
                    index = plane * of_plane + row * across + column
                    for own, values in self._parts(index, row, column, window):
                        shared = own.intersection(window)
                        here = Window(shared.top - window.top, shared.left - window.left, *shared.size).slices
                        there = Window(shared.top - own.top, shared.left - own.left, *shared.size).slices
                        if self._is_separate:
                            found[..., wanted[0]][here] = values[..., 0][there]
                        else:
                            found[here] = values[there][..., wanted]
        return found

    def _parts(self, index: int, row: int, column: int, window: Window) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield what of a strip or tile is needed for a window, and where it is; nothing if the file leaves it out."""
        page, (height, width) = self._page, self._segment_size
        if index >= len(page.dataoffsets) or index >= len(page.databytecounts):
            raise OSError('the file is truncated')
        start, count = page.dataoffsets[index], page.databytecounts[index]
        if not start or not count:
            return
        own = Window(row * height, column * width, height, width)
        own = own if page.is_tiled else own.intersection(Window.whole(self._stored_size))
        if self._is_plain():
            yield from self._plain_rows(start, count, own.intersection(window), own)
            return
        values = self._kept.get(index)
        if values is None:
            what = 'a tile of it' if page.is_tiled else 'a strip of it, which is decoded as a whole,'
            self.opening.check_size(own.size, what)
            values = self._decode(read_at(self._file, start, count), index)
            self._keep(index, values)
        else:
            self._kept.move_to_end(index)
        yield Window(own.top, own.left, *values.shape[:2]), values

    def _is_plain(self) -> bool:
        """Whether rows of the page's strips can be read from the file as they are."""
        page = self._page
        return (
            not page.is_tiled
            and page.compression == UNCOMPRESSED
            and page.predictor == NO_PREDICTOR
            and page.fillorder == USUAL_BITS
            and page.bitspersample in (8, 16, 32, 64)
        )

    def _plain_rows(self, start: int, count: int, wanted: Window, own: Window) -> Iterator[tuple[Window, np.ndarray]]:
        """Yield rows of an uncompressed strip: it may be the whole image."""
        stored = self._page.dtype.newbyteorder(self._tiff.byteorder)
        samples = 1 if self._is_separate else self._page.samplesperpixel
        pixel = samples * stored.itemsize
        row = own.width * pixel
        if count < own.height * row:
            raise OSError('the file is broken: a strip is shorter than its rows')
        is_full = wanted.width == own.width
        for top in range(wanted.top, wanted.bottom, wanted.height if is_full else 1):
            part = Window(top, wanted.left, wanted.height if is_full else 1, wanted.width)
            place = start + (part.top - own.top) * row + part.left * pixel
            content = read_at(self._file, place, part.height * part.width * pixel)
            yield part, np.frombuffer(content, stored).reshape(*part.size, samples)

    def _decode(self, content: bytes, index: int) -> np.ndarray:
        """Decode a strip or tile: (h, w, C), or (h, w, 1) of a band that is stored apart."""
        page = self._page
        try:
            values, *_ = page.decode(content, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        except Exception as error:
            raise explain_missing_codec(error) from None
        decoded: np.ndarray = values[0]
        return decoded

    def _keep(self, index: int, values: np.ndarray) -> None:
        self._kept[index] = values
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)

    def close(self) -> None:
        self._kept.clear()
        self._tiff.close()
        self._file.close()
