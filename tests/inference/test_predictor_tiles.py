"""Predictors with tiles: whole results of images of any kind, and what tells one prediction from another."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from convnext_dense.errors import UserError
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.fingerprint import hash_weights
from convnext_dense.inference.predictor import Predictor
from convnext_dense.results import Detection, Segmentation
from convnext_dense.tiling.tile_objects import MaskCrop
from tests.helpers.small_models import CLASSES, write_checkpoint, write_config
from tests.inference.test_predictor import scene

SIZE = (150, 110)


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('models')
    for task in ('detection', 'segmentation'):
        write_checkpoint(write_config(task, folder), folder / f'{task}.pth', classes=CLASSES)
    return folder


@pytest.fixture(scope='module')
def load(files):
    def load(task: str, **arguments: object) -> Predictor:
        return inference.load(files / f'{task}.py', files / f'{task}.pth', device='cpu', data='sample', **arguments)

    return load


@pytest.fixture(scope='module')
def segmentor(load) -> Predictor:
    return load('segmentation', tile=64, overlap=0.25)


def test_images_of_all_kinds_give_the_same(segmentor, tmp_path):
    pixels = scene(*SIZE)
    tifffile.imwrite(tmp_path / 'a.tif', pixels, tile=(32, 32), photometric='rgb')
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    images = [pixels, Image.fromarray(pixels), tmp_path / 'a.png', str(tmp_path / 'a.tif')]
    results = list(segmentor.batch(images, batch_size=3))
    for result, path in zip(results, [None, None, *map(str, images[2:])], strict=True):
        assert isinstance(result, Segmentation) and result.path == path
        assert np.array_equal(result.labels, results[0].labels) and result.labels.shape == (110, 150)
    assert np.array_equal(segmentor(pixels).labels, results[0].labels), 'whatever the batch'


def test_a_tile_that_holds_the_image_changes_nothing(load, segmentor):
    """The same as without tiles where the pipeline resizes alike, which follows the tiles."""
    pixels = scene(64, 64)
    for task in ('detection', 'segmentation'):
        whole, tiled = (load(task, tile=(96, 70), image_size=(64, 64)) for _ in range(2))
        whole.tiles = None
        one, other = whole(pixels), tiled(pixels)
        if isinstance(one, Detection):
            assert isinstance(other.masks[0], MaskCrop) and len(one.boxes) == len(other.boxes) > 0
            one, other = (dataclasses.replace(each, path='a') for each in (one, other))
            for first, second in zip(one.as_json(), other.as_json(), strict=True):
                assert first['segmentation'] == second['segmentation']
                assert first['bbox'] == pytest.approx(second['bbox'], abs=1e-3)
        else:
            assert np.array_equal(one.labels, other.labels)


def test_images_that_cannot_be_used_are_told(segmentor, tmp_path):
    (tmp_path / 'a.tif').write_bytes(b'II*\0')
    failed = []
    images = [tmp_path / 'a.tif', scene(40, 50), scene(8, 50)]
    found = list(segmentor.batch(images, failed=lambda image, error: failed.append(str(error))))
    assert len(found) == 1 and len(failed) == 2
    assert failed[0].startswith('bad image') and 'too thin' in failed[1]
    with pytest.raises(UserError, match=r'bad image .*a.tif'):
        segmentor(tmp_path / 'a.tif')


def test_a_file_is_for_what_is_as_large_as_the_image(segmentor, load, tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', scene(*SIZE), photometric='rgb')
    result = segmentor.predict_tiles(tmp_path / 'a.tif', file=str(tmp_path / 'new' / 'a_labels.tif'))
    assert np.array_equal(tifffile.imread(result.file), segmentor(tmp_path / 'a.tif').labels + 1)
    with pytest.raises(UserError, match=r"file='b\.tif': the image has no path, leave it out"):
        segmentor.predict_tiles(scene(*SIZE), file='b.tif')
    with pytest.raises(UserError, match=r"file='b\.tif': objects are not written to a file, leave it out"):
        load('detection', tile=64).predict_tiles(tmp_path / 'a.tif', file='b.tif')
    with pytest.raises(UserError, match='has no tiles: load it with tile=640'):
        load('segmentation').predict_tiles(tmp_path / 'a.tif')


def test_a_large_image_is_drawn_shrunk(segmentor, monkeypatch):
    monkeypatch.setattr(inference, 'DRAWN_SIDE', 100)
    pixels = scene(*SIZE)
    result = segmentor(pixels)
    assert result.drawn_side == 100
    drawn = result.draw(image=pixels)
    assert drawn.shape[1] == 75 * 7, 'shrunk by 2, and enlarged to 512 pixels or more'


def test_what_is_predicted_is_told_from_what_was(segmentor, load, tmp_path):
    """By the file, the weights and the settings."""
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, scene(*SIZE), photometric='rgb')
    known = segmentor._fingerprint(str(path))
    assert segmentor._fingerprint(str(path)) == known and known['image'].startswith('a.tif of 49')
    again = load('segmentation', tile=64, overlap=0.25)
    assert again._fingerprint(str(path)) == known
    ranged = load('segmentation', tile=64, value_range=(0, 100), image_size=(96, 96))._fingerprint(str(path))
    changed = {key for key in known if ranged[key] != known[key]}
    assert changed == {'value range', 'model and pipeline'}
    tifffile.imwrite(path, scene(*SIZE), photometric='rgb', compression='zlib')
    assert segmentor._fingerprint(str(path))['image'] != known['image']
    with torch.no_grad():
        next(again.model.parameters()).mul_(1.001)
    assert hash_weights(again.model) != known['weights']


def test_an_export_says_that_tiles_are_not_inside(segmentor, load):
    assert segmentor.graph().left_out.endswith(', cutting it into tiles of 64 x 64 and merging what is found in them')
    assert 'tiles' not in load('segmentation').graph().left_out
