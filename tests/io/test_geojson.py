"""GeoJSON of georeferenced images: their coordinate reference systems, and polygons of regions."""

import json

import numpy as np
import pytest
import tifffile

from convnext_dense.errors import UserError
from convnext_dense.io.geojson import crs_of, shapes_of, write_features
from convnext_dense.io.georeference import Georeference
from convnext_dense.io.rasters import open_raster

rasterio = pytest.importorskip('rasterio')
UTM = (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0)


def georeferenced(path, crs='EPSG:32633', size=(4, 6)) -> Georeference:
    form = dict(driver='GTiff', height=size[0], width=size[1], count=1, dtype='uint8')
    with rasterio.open(path, 'w', **form, crs=crs, transform=rasterio.Affine(*UTM)) as file:
        file.write(np.zeros((1, *size), np.uint8))
    with open_raster(path) as raster:
        return raster.georeference


def test_systems_are_those_that_gdal_reads(tmp_path):
    """Also where the tags have no number that names them."""
    for crs in ('EPSG:32633', 'EPSG:4326', '+proj=laea +lat_0=52 +lon_0=10 +ellps=GRS80 +units=m +no_defs'):
        found = crs_of(georeferenced(tmp_path / 'a.tif', crs), 'a.tif')
        assert found == rasterio.open(tmp_path / 'a.tif').crs and found is not None


def test_images_without_a_system_are_refused_in_a_line(tmp_path):
    with pytest.raises(UserError, match=r'^a.png has no georeference, .* such as a GeoTIFF$'):
        crs_of(None, 'a.png')
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((4, 4), np.uint8), extratags=[(33550, 12, 3, (1.0, 1.0, 0.0), True)])
    with pytest.raises(UserError, match=r'a.tif has no georeference'):
        crs_of(Georeference(UTM), 'a.tif')  # a transform alone


def test_regions_have_the_corners_of_their_pixels():
    values = np.array([[0, 0, 0, 0], [0, 7, 7, 0], [0, 7, 0, 300]], np.int32)
    found = {value: shape['coordinates'] for shape, value in shapes_of(values, Georeference(UTM), top=2, left=1)}
    assert found.keys() == {7, 300}
    east, north = UTM[2] + 10, UTM[5] - 20  # of the first value
    corners = {(east + 10 * x, north - 10 * y) for x, y in ((1, 1), (3, 1), (3, 2), (2, 2), (2, 3), (1, 3))}
    assert {tuple(point) for point in found[7][0]} == corners
    (ring,) = found[300]
    assert len(ring) == 5 and min(ring) == (east + 30, north - 30)


def test_features_that_cannot_be_written_leave_nothing(tmp_path):
    with pytest.raises(UserError, match=r'a.geojson cannot be written'):
        write_features(tmp_path / 'missing' / 'a.geojson', 'EPSG:4326', [])
    assert write_features(tmp_path / 'none.geojson', 'EPSG:4326', []) == 0
    assert json.loads((tmp_path / 'none.geojson').read_text()) == {'type': 'FeatureCollection', 'features': []}
