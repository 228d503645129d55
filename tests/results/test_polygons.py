"""Results as GeoJSON polygons: the same areas, in longitude and latitude, whatever the result is."""

import dataclasses
import json
import os
import sys

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io import geojson
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Classification, Detection, Panoptic, Segmentation
from convnext_dense.results.colors import palette
from convnext_dense.results.polygons import write_file_polygons
from convnext_dense.tiling.tile_objects import MaskCrop

rasterio = pytest.importorskip('rasterio')
shapely = pytest.importorskip('shapely')
from tests.io.test_geojson import UTM, georeferenced  # noqa: E402 - it needs rasterio

NAMES, SIZE = ['field', 'forest', 'water'], ImageSize(40, 60)


@pytest.fixture
def georeference(tmp_path):
    return georeferenced(tmp_path / 'scene.tif', size=SIZE)


def pixels_of(geometry: dict) -> np.ndarray:
    """The pixels whose centers a geometry in longitude and latitude covers, bool (40, 60)."""
    back = rasterio.warp.transform_geom('EPSG:4326', 'EPSG:32633', geometry)
    rows, columns = np.indices(SIZE)
    x, y = UTM[2] + 10 * (columns + 0.5), UTM[5] - 10 * (rows + 0.5)
    return shapely.contains_xy(shapely.geometry.shape(back), x.ravel(), y.ravel()).reshape(SIZE)


def saved(result, georeference, tmp_path) -> list[dict]:
    count = result.save_polygons(tmp_path / 'a.geojson', georeference)
    features = json.loads((tmp_path / 'a.geojson').read_text())['features']
    assert count == len(features)
    return features


def regions() -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[5:30, 10:40], labels[10:20, 15:30], labels[36:, :7] = 1, 2, 255
    return labels


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_label_maps(georeference, tmp_path, dtype):
    labels = regions().astype(dtype)
    labels[regions() == 255] = np.iinfo(dtype).max
    result = Segmentation('scene.tif', labels, NAMES, palette(3), first_label=1)
    covered = np.full(SIZE, np.iinfo(dtype).max, dtype)
    for feature in saved(result, georeference, tmp_path):
        label = feature['properties']['label']
        assert feature['properties'] == {'label': label, 'name': NAMES[label - 1]}
        covered[pixels_of(feature['geometry'])] = label - 1
    assert np.array_equal(covered, labels)


def test_segments(georeference, tmp_path):
    numbers = regions().astype(int)
    numbers[32:34, 50:52] = 1  # of the same segment as the rest of it
    result = Panoptic.from_map('scene.tif', numbers, {0: 2, 1: 0, 2: 1}, NAMES, palette(3), 1, [7, 8, 9])
    features, covered = saved(result, georeference, tmp_path), np.zeros(SIZE, np.int32)
    for feature in features:
        covered[pixels_of(feature['geometry'])] = feature['properties']['id']
    assert np.array_equal(covered, result.ids) and len(features) == 4
    forest = next(one.id for one in result.segments if one.name == 'field')
    expected = {'id': forest, 'category_id': 7, 'category': 'field', 'isthing': 1}
    assert [f['properties'] for f in features].count(expected) == 2


def test_objects_are_features_with_their_masks_or_boxes(georeference, tmp_path):
    ring, parts = np.ones((9, 9), bool), np.zeros((4, 8), bool)
    ring[3:6, 3:6] = False
    parts[:, :2] = parts[:, 5:] = True
    masks = [MaskCrop(20, 30, ring), MaskCrop(3, 4, parts), MaskCrop(0, 0, np.zeros((0, 0), bool))]
    boxes = np.array([[30, 20, 39, 29], [4, 3, 12, 7], [50, 0, 53, 2]], np.float32)
    scores, labels = np.array([0.9, 0.75, 0.5], np.float32), np.array([2, 0, 1])
    result = Detection('scene.tif', SIZE, boxes, scores, labels, masks, NAMES, [5, 6, 7])
    features = saved(result, georeference, tmp_path)
    assert features[1]['properties'] == {'category_id': 5, 'category': 'field', 'score': 0.75}
    for mask, feature in zip(masks[:2], features, strict=False):
        assert np.array_equal(pixels_of(feature['geometry']), mask.full(SIZE))
    in_box = np.zeros(SIZE, bool)
    in_box[:2, 50:53] = True
    assert np.array_equal(pixels_of(features[2]['geometry']), in_box)
    boxes_only = saved(dataclasses.replace(result, masks=None), georeference, tmp_path)
    assert pixels_of(boxes_only[0]['geometry']).sum() == 81
    assert saved(result.above(2), georeference, tmp_path) == []


def test_scores_of_images_have_no_place(georeference, tmp_path):
    with pytest.raises(UserError, match='no positions in the image'):
        Classification('scene.tif', np.ones(3), NAMES).save_polygons(tmp_path / 'a.geojson', georeference)


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
    count = write_file_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', NAMES)
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
    write_file_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', NAMES)
    (feature,) = read(tmp_path / 'map.geojson')
    longitudes, latitudes = np.array(feature['geometry']['coordinates'][0]).T
    assert longitudes.min() == 15 and 15 < longitudes.max() < 15.001
    assert 50.5 < latitudes.min() < latitudes.max() < 50.6


@pytest.mark.parametrize(
    'transform', [(0.01, 0, 10, 0, -0.01, 50), (0.01, 0, 10, 0, 0.01, 50), (0, 0.01, 10, 0.01, 0, 50)]
)
def test_outer_rings_go_counterclockwise_and_holes_clockwise(tmp_path, transform):
    """Also of images whose rows go north, or are turned."""
    write_file_polygons(
        label_map(tmp_path / 'map.tif', drawn(), 'EPSG:4326', transform), tmp_path / 'map.geojson', NAMES
    )
    holes = 0
    for feature in read(tmp_path / 'map.geojson'):
        outer, *inner = [shapely.LinearRing(ring) for ring in feature['geometry']['coordinates']]
        assert outer.is_ccw and not any(ring.is_ccw for ring in inner)
        holes += len(inner)
    assert holes == 4


def test_polygons_are_cut_at_the_antimeridian(tmp_path):
    """UTM zone 1 begins there, at x = 166,021 on the equator."""
    labels, across = np.zeros((4, 8), np.uint8), (10_000, 0, 126_000, 0, -10_000, 50_000)
    write_file_polygons(label_map(tmp_path / 'map.tif', labels, 'EPSG:32601', across), tmp_path / 'map.geojson', NAMES)
    (feature,) = read(tmp_path / 'map.geojson')
    assert feature['geometry']['type'] == 'MultiPolygon'
    for polygon in feature['geometry']['coordinates']:
        longitudes = np.array(polygon[0])[:, 0]
        assert np.ptp(longitudes) < 1 and np.abs(longitudes).max() <= 180
        assert shapely.LinearRing(polygon[0]).is_ccw


def test_files_of_many_classes(tmp_path):
    labels = np.full((3, 3), 65_535, np.uint16)
    labels[0], labels[1] = 299, 300
    names = [f'class {k}' for k in range(300)]
    assert write_file_polygons(label_map(tmp_path / 'map.tif', labels), tmp_path / 'map.geojson', names) == 1
    assert read(tmp_path / 'map.geojson')[0]['properties'] == {'label': 299, 'name': 'class 299'}


@pytest.mark.filterwarnings('ignore::rasterio.errors.NotGeoreferencedWarning')
def test_a_map_without_georeference_is_refused_in_a_line(tmp_path):
    path = label_map(tmp_path / 'map.tif', drawn(), crs=None)
    with pytest.raises(UserError, match=r'map.tif has no georeference, .* such as a GeoTIFF'):
        write_file_polygons(path, tmp_path / 'map.geojson', NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ['map.tif']


def test_files_that_cannot_be_read_or_written(tmp_path):
    (tmp_path / 'map.tif').write_text('no image')
    with pytest.raises(UserError, match=r'map.tif cannot be read: '):
        write_file_polygons(tmp_path / 'map.tif', tmp_path / 'map.geojson', NAMES)
    path = label_map(tmp_path / 'map.tif', np.random.default_rng(0).integers(0, 3, (400, 400), np.uint8))
    os.truncate(path, 60_000)
    with pytest.raises(UserError, match=r'map.tif cannot be read: '):  # GDAL would find no polygons in it
        write_file_polygons(path, tmp_path / 'map.geojson', NAMES)
    assert [file.name for file in tmp_path.iterdir()] == ['map.tif']
    path = label_map(tmp_path / 'map.tif', drawn())
    with pytest.raises(UserError, match=r'map.geojson cannot be written'):
        write_file_polygons(path, tmp_path / 'missing' / 'map.geojson', NAMES)


def test_rasterio_is_asked_for_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rasterio', None)
    with pytest.raises(UserError, match='pip install rasterio'):
        write_file_polygons(tmp_path / 'map.tif', tmp_path / 'map.geojson', NAMES)
