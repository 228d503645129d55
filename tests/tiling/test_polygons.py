"""GeoJSON polygons of label maps: the same areas, in longitude and latitude, wound as the standard wants them."""

import json
import os
import sys

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io import geojson
from convnext_dense.tiling.polygons import write_polygons

rasterio = pytest.importorskip('rasterio')
shapely = pytest.importorskip('shapely')
NAMES = ['field', 'forest', 'water']


def label_map(path, labels, crs='EPSG:32633', transform=(10.0, 0, 500_000, 0, -10.0, 5_600_000)):
    georeference = {'crs': crs, 'transform': rasterio.Affine(*transform)} if crs else {}
    height, width = labels.shape
    form = dict(driver='GTiff', height=height, width=width, count=1, dtype=labels.dtype, **georeference)
    with rasterio.open(path, 'w', **form) as file:
        file.write(labels, 1)
    return path


def drawn():
    """A lake with an island in a forest, which is in two pieces; pixels without a class around the corner."""
    labels = np.zeros((40, 60), np.uint8)
    labels[5:30, 10:40] = 1
    labels[10:20, 15:30] = 2
    labels[13:16, 20:24] = 0
    labels[32:36, 50:55] = 1
    labels[36:, :7] = 255
    return labels


def read(path):
    collection = json.loads(path.read_text())
    assert collection['type'] == 'FeatureCollection'
    return collection['features']


def test_polygons_have_the_pixels_of_their_class(tmp_path, monkeypatch):
    monkeypatch.setattr(geojson, 'FEATURES', 2)
    labels = drawn()
    count = write_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', NAMES)
    features = read(tmp_path / 'map.geojson')
    assert count == len(features) == 5
    assert sorted((f['properties']['label'], f['properties']['name']) for f in features) == [
        *[(0, 'field'), (0, 'field'), (1, 'forest'), (1, 'forest'), (2, 'water')],
    ]
    back = rasterio.warp.transform_geom('EPSG:4326', 'EPSG:32633', [f['geometry'] for f in features])
    areas = dict.fromkeys(range(3), 0.0)
    centers = [(500_005 + 10 * x, 5_599_995 - 10 * y) for y, x in np.ndindex(labels.shape)]
    for feature, geometry in zip(features, back, strict=True):
        shape, k = shapely.geometry.shape(geometry), feature['properties']['label']
        areas[k] += shape.area / 100
        inside = shapely.contains_xy(shape, *np.array(centers).T).reshape(labels.shape)
        assert inside.any() and (labels[inside] == k).all()
    np.testing.assert_allclose([areas[k] for k in range(3)], [(labels == k).sum() for k in range(3)], rtol=1e-4)


def test_coordinates_are_longitude_and_latitude(tmp_path):
    """UTM zone 33 is around 15 degrees east: x = 500,000 is that meridian."""
    labels = np.zeros((2, 2), np.uint8)
    write_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', NAMES)
    (feature,) = read(tmp_path / 'map.geojson')
    longitudes, latitudes = np.array(feature['geometry']['coordinates'][0]).T
    assert longitudes.min() == 15 and 15 < longitudes.max() < 15.001
    assert 50.5 < latitudes.min() < latitudes.max() < 50.6


@pytest.mark.parametrize(
    'transform', [(0.01, 0, 10, 0, -0.01, 50), (0.01, 0, 10, 0, 0.01, 50), (0, 0.01, 10, 0.01, 0, 50)]
)
def test_outer_rings_go_counterclockwise_and_holes_clockwise(tmp_path, transform):
    """Also of images whose rows go north, or are turned."""
    write_polygons(label_map(tmp_path / 'map.tif', drawn(), 'EPSG:4326', transform), tmp_path / 'map.geojson', NAMES)
    holes = 0
    for feature in read(tmp_path / 'map.geojson'):
        outer, *inner = [shapely.LinearRing(ring) for ring in feature['geometry']['coordinates']]
        assert outer.is_ccw and not any(ring.is_ccw for ring in inner)
        holes += len(inner)
    assert holes == 4


def test_polygons_are_cut_at_the_antimeridian(tmp_path):
    """UTM zone 1 begins there, at x = 166,021 on the equator."""
    labels, across = np.zeros((4, 8), np.uint8), (10_000, 0, 126_000, 0, -10_000, 50_000)
    write_polygons(label_map(tmp_path / 'map.tif', labels, 'EPSG:32601', across), tmp_path / 'map.geojson', NAMES)
    (feature,) = read(tmp_path / 'map.geojson')
    assert feature['geometry']['type'] == 'MultiPolygon'
    for polygon in feature['geometry']['coordinates']:
        longitudes = np.array(polygon[0])[:, 0]
        assert np.ptp(longitudes) < 1 and np.abs(longitudes).max() <= 180
        assert shapely.LinearRing(polygon[0]).is_ccw


def test_many_classes(tmp_path):
    labels = np.full((3, 3), 65_535, np.uint16)
    labels[0], labels[1] = 299, 300
    names = [f'class {k}' for k in range(300)]
    assert write_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', names) == 1
    assert read(tmp_path / 'map.geojson')[0]['properties'] == {'label': 299, 'name': 'class 299'}


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_a_map_without_georeference_is_refused_in_a_line(tmp_path):
    path = label_map(tmp_path / 'map.tif', drawn(), crs=None)
    with pytest.raises(UserError, match=r'map.tif has no georeference, .* such as a GeoTIFF'):
        write_polygons(path, tmp_path / 'map.geojson', NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ['map.tif']


def test_files_that_cannot_be_read_or_written(tmp_path):
    (tmp_path / 'map.tif').write_text('no image')
    with pytest.raises(UserError, match=r'map.tif cannot be read: '):
        write_polygons(tmp_path / 'map.tif', tmp_path / 'map.geojson', NAMES)
    path = label_map(tmp_path / 'map.tif', np.random.default_rng(0).integers(0, 3, (400, 400), np.uint8))
    os.truncate(path, 60_000)
    with pytest.raises(UserError, match=r'map.tif cannot be read: '):  # GDAL would find no polygons in it
        write_polygons(path, tmp_path / 'map.geojson', NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ['map.tif']
    path = label_map(tmp_path / 'map.tif', drawn())
    with pytest.raises(UserError, match=r'map.geojson cannot be written'):
        write_polygons(path, tmp_path / 'missing' / 'map.geojson', NAMES)


def test_rasterio_is_asked_for_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rasterio', None)
    with pytest.raises(UserError, match='pip install rasterio'):
        write_polygons(tmp_path / 'map.tif', tmp_path / 'map.geojson', NAMES)
