"""Formats that GDAL alone reads, and GeoTIFFs that GDAL wrote."""

import sys

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.transform import from_origin

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster
from convnext_dense.io.rasters.gdal import GdalRaster
from convnext_dense.io.rasters.tiff import TiffRaster
from convnext_dense.io.window import Window

VALUES = np.random.default_rng(0).integers(0, 4000, (37, 53, 5)).astype(np.uint16)
PLACE = from_origin(400_000, 5_600_000, 10, 10)


def write(file, driver, **options):
    with rasterio.open(
        file,
        'w',
        driver=driver,
        height=37,
        width=53,
        count=5,
        dtype='uint16',
        crs='EPSG:32633',
        transform=PLACE,
        **options,
    ) as dataset:
        dataset.write(np.moveaxis(VALUES, -1, 0))
    return file


def test_windows_of_another_format(tmp_path):
    with open_raster(write(tmp_path / 'a.img', 'HFA')) as raster:
        assert isinstance(raster, GdalRaster)
        assert (raster.size, raster.bands, raster.dtype) == ((37, 53), 5, np.uint16)
        assert np.array_equal(raster.read(), VALUES)
        window = Window(30, 50, 7, 3)
        assert np.array_equal(raster.read(window, [4, 0]), VALUES[window.slices][..., [4, 0]])
        assert raster.georeference.transform == tuple(PLACE)[:6]
        assert raster.georeference.crs == 'EPSG:32633'
        tifffile.imwrite(tmp_path / 'b.tif', VALUES[..., 0], extratags=raster.georeference.tags, metadata=None)
    with rasterio.open(tmp_path / 'b.tif') as written:
        assert (written.crs, written.transform) == ('EPSG:32633', PLACE)


@pytest.mark.parametrize('options', [{}, {'tiled': True, 'blockxsize': 16, 'blockysize': 16, 'compress': 'deflate'}])
def test_geotiffs_need_no_rasterio(options, tmp_path, monkeypatch):
    file = write(tmp_path / 'a.tif', 'GTiff', **options)
    monkeypatch.setitem(sys.modules, 'rasterio', None)
    with open_raster(file) as raster:
        assert isinstance(raster, TiffRaster)
        assert np.array_equal(raster.read(), VALUES)
        assert raster.georeference.crs == 'EPSG:32633'


def test_what_is_missing_or_no_image_is_said(tmp_path, monkeypatch):
    file = write(tmp_path / 'a.img', 'HFA')
    (tmp_path / 'b.img').write_bytes(b'no image at all')
    with pytest.raises(UserError, match=r'^bad image .*b.img \(no image that Pillow or GDAL knows: .*\)$'):
        open_raster(tmp_path / 'b.img')
    with pytest.raises(UserError, match=r"a file of GDAL's has one page, and --page 2"):
        open_raster(file, page=2)
    monkeypatch.setitem(sys.modules, 'rasterio', None)
    with pytest.raises(UserError, match=r"^bad image .*GDAL's formats need .*: pip install rasterio"):
        open_raster(file)
