"""Images in formats that GDAL reads and the others do not, through rasterio."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from ...errors import UserError
from ..georeference import GEO_TAGS, Georeference, TiffTag
from ..image_size import ImageSize
from ..opening import AS_USUAL, Opening
from ..window import Window
from .packages import import_rasterio, import_tifffile
from .raster import Raster, check_one_page


class GdalRaster(Raster):
    """An image that GDAL reads, window by window.

    Args:
        path: the file.
        opening: see :class:`~convnext_dense.io.opening.Opening`.

    Raises:
        UserError: if rasterio is missing or does not read it, or its bands are of several types.
    """

    def __init__(self, path: str, opening: Opening = AS_USUAL) -> None:
        self.path, self.opening = path, opening
        rasterio = import_rasterio()
        check_one_page(opening, "a file of GDAL's")
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that it has no georeference
            try:
                self._dataset = rasterio.open(path)
            except rasterio.errors.RasterioIOError as error:
                raise UserError(f'no image that Pillow or GDAL knows: {error}') from None
        kinds = sorted(set(self._dataset.dtypes))
        if len(kinds) != 1 or np.dtype(kinds[0]).kind not in 'iuf':
            raise UserError(f'its bands are {", ".join(kinds) or "none"}, and images have one type, not complex')
        self.size = ImageSize(self._dataset.height, self._dataset.width)
        self.bands, self.dtype = self._dataset.count, np.dtype(kinds[0])
        self.georeference, self.nodata = self._georeference(), self._dataset.nodata

    def _georeference(self) -> Georeference | None:
        transform, crs = self._dataset.transform, self._dataset.crs
        if transform.is_identity and crs is None:
            return None
        code = crs.to_epsg() if crs is not None else None
        name = f'EPSG:{code}' if code else crs.to_wkt() if crs is not None else None
        return Georeference(tuple(transform)[:6], name, _tiff_tags(transform, crs))

    def _read(self, window: Window, bands: list[int]) -> np.ndarray:
        place = (window.slices[0].indices(self.size.height)[:2], window.slices[1].indices(self.size.width)[:2])
        values: np.ndarray = self._dataset.read([band + 1 for band in bands], window=place)
        return np.moveaxis(values, 0, -1)

    def close(self) -> None:
        self._dataset.close()


def _tiff_tags(transform: Any, crs: Any) -> tuple[TiffTag, ...]:
    """Return the tags of the GeoTIFF that GDAL writes for a georeference."""
    rasterio, tifffile = import_rasterio(), import_tifffile()
    with rasterio.MemoryFile() as memory:
        form = dict(driver='GTiff', height=1, width=1, count=1, dtype='uint8')
        with memory.open(**form, transform=transform, crs=crs) as written:
            written.write(np.zeros((1, 1, 1), np.uint8))
        with tifffile.TiffFile(io.BytesIO(memory.read())) as tiff:
            tags = [tiff.pages[0].tags.get(code) for code in GEO_TAGS]
    return tuple((tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags if tag is not None)
