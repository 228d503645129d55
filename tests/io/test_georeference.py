"""Georeferences from the tags of TIFF files, beside what GDAL reads from the same files."""

import warnings

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine, from_origin

from convnext_dense.io.rasters import open_raster

KINDS = {
    'projected': ('EPSG:32633', from_origin(399_960, 5_600_040, 10, 20), {}),
    'geographic': ('EPSG:4326', from_origin(13.2, 52.6, 1e-4, 2e-4), {}),
    'turned': ('EPSG:25832', Affine(3, 1, 500_000, 2, -4, 5_000_000), {}),
    'without a system': (None, from_origin(5, 7, 2, 2), {}),
}


def write(file, crs, transform, **options):
    with rasterio.open(
        file, 'w', driver='GTiff', height=8, width=9, count=1, dtype='uint8', crs=crs, transform=transform, **options
    ) as dataset:
        dataset.write(np.ones((1, 8, 9), np.uint8))


@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('is_point', [False, True])
def test_the_georeference_is_gdals_and_is_written_again(name, is_point, tmp_path):
    crs, transform, options = KINDS[name]
    write(tmp_path / 'a.tif', crs, transform, **options)
    if is_point:
        if crs is None:
            pytest.skip('no key tells')
        with rasterio.open(tmp_path / 'a.tif', 'r+') as dataset:
            dataset.update_tags(AREA_OR_POINT='Point')
    with rasterio.open(tmp_path / 'a.tif') as dataset:
        expected, system = dataset.transform, dataset.crs
    with open_raster(tmp_path / 'a.tif') as raster:
        georeference = raster.georeference
    assert georeference.transform == pytest.approx(tuple(expected)[:6], rel=1e-12)
    assert georeference.crs == crs
    corners = np.array([[0, 0], [9, 0], [2.5, 8]])
    assert np.allclose(georeference.to_map(corners), [expected @ tuple(corner) for corner in corners], rtol=1e-12)
    tifffile.imwrite(tmp_path / 'b.tif', np.zeros((8, 9), np.uint8), extratags=georeference.tags, metadata=None)
    with rasterio.open(tmp_path / 'b.tif') as written:
        assert written.transform.almost_equals(expected, 1e-9)
        assert written.crs == system


def test_a_system_of_its_own_keeps_its_name(tmp_path):
    projection = '+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84 +units=m'
    write(tmp_path / 'a.tif', rasterio.crs.CRS.from_proj4(projection), from_origin(0, 0, 5, 5))
    with open_raster(tmp_path / 'a.tif') as raster:
        assert raster.georeference.crs
        tifffile.imwrite(tmp_path / 'b.tif', np.zeros((8, 9), 'u1'), extratags=raster.georeference.tags, metadata=None)
    with rasterio.open(tmp_path / 'b.tif') as written, rasterio.open(tmp_path / 'a.tif') as read:
        assert written.crs == read.crs


def test_images_without_one(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((8, 9), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        points = [GroundControlPoint(row, column, column, row) for row, column in ((0, 0), (0, 8), (7, 0))]
        write(tmp_path / 'b.tif', 'EPSG:4326', None, gcps=points)
    for name in ('a.tif', 'b.tif'):
        with open_raster(tmp_path / name) as raster:
            assert raster.georeference is None
