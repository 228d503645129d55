"""Results as GeoJSON: the same areas in the same places, whatever the result is."""

import dataclasses
import json

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Classification, Detection, Panoptic, Segmentation
from convnext_dense.results.drawing import palette
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


def drawn() -> np.ndarray:
    labels = np.zeros(SIZE, np.uint8)
    labels[5:30, 10:40], labels[10:20, 15:30], labels[36:, :7] = 1, 2, 255
    return labels


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_label_maps(georeference, tmp_path, dtype):
    labels = drawn().astype(dtype)
    labels[drawn() == 255] = np.iinfo(dtype).max
    result = Segmentation('scene.tif', labels, NAMES, palette(3), first_label=1)
    covered = np.full(SIZE, np.iinfo(dtype).max, dtype)
    for feature in saved(result, georeference, tmp_path):
        label = feature['properties']['label']
        assert feature['properties'] == {'label': label, 'name': NAMES[label - 1]}
        covered[pixels_of(feature['geometry'])] = label - 1
    assert np.array_equal(covered, labels)


def test_segments(georeference, tmp_path):
    numbers = drawn().astype(int)
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
