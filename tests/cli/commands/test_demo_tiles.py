"""The demo of large images in tiles, from the command line to the files it leaves."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as rle

from convnext_dense.cli.commands import demo as command
from convnext_dense.inference import predictor as inference
from convnext_dense.tiling import label_file
from convnext_dense.tiling.label_file import LabelFile
from tests.helpers.demo_inputs import image, names
from tests.helpers.panoptic_heads import STUFF, THINGS, write_panoptic_head
from tests.helpers.small_models import ROOT, write_checkpoint

TAGS = (
    *((33550, 12, 3, (0.5, 0.5, 0.0), True), (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 5600000.0, 0.0), True)),
    (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633), True),
)
"""Of a GeoTIFF in UTM zone 33, with pixels of half a meter."""


def scene(path: str | Path, seed: int = 0, size: tuple[int, int] = (110, 80), tags=TAGS) -> Path:
    """A scene of this width and height, as a tiled TIFF."""
    noise = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, tile=(32, 32), compression='zlib', photometric='rgb', extratags=tags, metadata=None)
    return Path(path)


@pytest.fixture(scope='session')
def tiled_predictors(model_files) -> dict[str, inference.Predictor]:
    settings = dict(device='cpu', data='sample', tile=64, overlap=0.25)
    return {
        task: inference.load(model_files / f'{task}.py', model_files / f'{task}.pth', **settings)
        for task in ('detection', 'segmentation')
    }


@pytest.fixture
def tiled_demo(demo, tiled_predictors, predictors, monkeypatch):
    """Like ``demo``, with models that predict in tiles."""
    models = {**predictors, **tiled_predictors}
    monkeypatch.setattr(command, 'load', lambda config, *_, **__: models[Path(config).stem])
    return demo


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_label_map_is_a_geotiff_with_polygons(tiled_demo, tiled_predictors):
    rasterio = pytest.importorskip('rasterio')
    scene('in/scene.tif')
    assert tiled_demo('segmentation', 'in', '--geojson', '--batch-size', 4) == 0
    assert names() == ['results.json', 'scene.geojson', 'scene.png', 'scene_labels.tif']
    result = tiled_predictors['segmentation']('in/scene.tif')
    with rasterio.open('demo_out/scene_labels.tif') as file:
        assert np.array_equal(file.read(1), result.labels + 1), 'the numbers of the masks'
        assert file.crs.to_epsg() == 32633 and tuple(file.transform)[:6] == (0.5, 0, 500000, 0, -0.5, 5600000)
    (entry,) = json.loads(Path('demo_out/results.json').read_text())
    assert entry == result.as_json()
    assert np.array_equal(np.asarray(Image.open('demo_out/scene.png')), result.draw())
    features = json.loads(Path('demo_out/scene.geojson').read_text())['features']
    present = {(one['label'], one['name']) for one in entry['classes']}
    assert {(f['properties']['label'], f['properties']['name']) for f in features} == present
    lon, lat = features[0]['geometry']['coordinates'][0][0]
    assert 15 <= lon < 15.01 and 50.5 < lat < 50.6


def test_objects_are_those_of_the_predictor(tiled_demo, tiled_predictors):
    pytest.importorskip('rasterio')
    scene('scene.tif')
    assert tiled_demo('detection', 'scene.tif', '--geojson', '--score', 0.5) == 0
    assert names() == ['images.json', 'results.json', 'scene.geojson', 'scene.png']
    result = tiled_predictors['detection']('scene.tif').above(0.5)
    entries = json.loads(Path('demo_out/results.json').read_text())
    assert entries == result.with_image_id(1).as_json() and len(entries) > 4
    masks = [rle.decode(entry['segmentation']) for entry in entries]
    assert all(np.array_equal(mask, crop.full(result.size)) for mask, crop in zip(masks, result.masks, strict=True))
    features = json.loads(Path('demo_out/scene.geojson').read_text())['features']
    assert [f['properties'] for f in features] == [
        {key: entry[key] for key in ('category_id', 'category', 'score')} for entry in entries
    ]


def test_an_interrupted_demo_goes_on_and_leaves_the_same_bytes(tiled_demo, monkeypatch, capsys):
    """Of two images: the first one is kept, and the second goes on."""
    for seed in range(2):
        scene(f'in/{seed}.tif', seed, (80, 230))
    written, write = [], LabelFile.write

    def keep(self, block):
        if len(written) == stop:
            raise KeyboardInterrupt
        written.append(block)
        write(self, block)

    monkeypatch.setattr(LabelFile, 'write', keep)
    stop = None
    assert tiled_demo('segmentation', 'in', '--out-dir', 'whole') == 0
    blocks = len(written) // 2
    stop = len(written) + blocks + 2
    assert tiled_demo('segmentation', 'in') == 130 and blocks > 3
    part, done = 'demo_out/1_labels.tif.part', f'2 of {blocks} blocks'
    said = capsys.readouterr().err
    assert f'in/1.tif: interrupted, {done} are kept in {part}; the same command goes on' in said
    assert len(json.loads(Path('demo_out/results.json').read_text())) == 1
    stop = None
    assert tiled_demo('segmentation', 'in') == 0 and len(written) == 4 * blocks
    lines = capsys.readouterr().err.splitlines()
    assert 'demo_out/0_labels.tif is there already, of the same image, weights and settings' in lines
    assert f'in/1.tif: goes on after {done}, which {part} has' in lines
    assert contents('demo_out') == contents('whole')


def test_a_full_disk_says_what_is_kept_also_where_the_results_do_not_fit_either(tiled_demo, errors, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    scene('in/a.tif')
    with monkeypatch.context() as patch:
        patch.setattr(label_file, 'write_tiff', full)
        patch.setattr(command, 'atomic_write', full)
        assert tiled_demo('segmentation', 'in') == 2
    (line,) = errors()
    assert line.startswith('error: demo_out/a_labels.tif cannot be written (No space left on device): ')
    assert 'blocks are kept in a_labels.tif.part' in line
    assert tiled_demo('segmentation', 'in') == 0
    assert names() == ['a.png', 'a_labels.tif', 'results.json']


def test_a_refused_demo_leaves_the_results_of_an_earlier_one(tiled_demo, errors):
    scene('a.tif')
    assert tiled_demo('segmentation', 'a.tif') == 0
    results = Path('demo_out/results.json').read_bytes()
    Path('demo_out/a_labels.tif.part').touch()
    Path('demo_out/a_labels.tif.progress.json').write_text('{"next": [0, 1], "fingerprint": {"image": "b.tif"}}')
    assert tiled_demo('segmentation', 'a.tif') == 2
    assert 'is of a prediction with other settings (image: b.tif, now a.tif' in errors()[0]
    assert Path('demo_out/results.json').read_bytes() == results


def test_images_without_georeference_are_refused_where_polygons_are_asked_for(tiled_demo, errors):
    pytest.importorskip('rasterio')
    scene('in/a.tif')
    image('in/b.png')
    assert tiled_demo('segmentation', 'in', '--geojson') == 2
    (line,) = errors()
    assert line.startswith('error: in/b.png has no georeference, so that its pixels have no longitude and latitude: ')
    assert not Path('demo_out').exists()
    scene('plain.tif', tags=())
    assert tiled_demo('detection', 'plain.tif', '--geojson') == 2
    assert errors()[0].startswith('error: plain.tif has no georeference')
    Path('film.mp4').touch()
    for arguments, said in {
        ('classification', 'in/a.tif'): '--geojson is for objects and label maps, not for classification',
        ('detection', 'film.mp4'): '--geojson is for images, and film.mp4 is a video',
        ('detection', 'in/a.tif', '--format', 'coco'): '--geojson is written beside drawings, and --format makes none',
    }.items():
        assert tiled_demo(*arguments, '--geojson') == 2
        assert errors()[0].startswith(f'error: {said}')


def test_polygons_need_no_tiles(demo, predictors):
    pytest.importorskip('rasterio')
    scene('a.tif')
    assert demo('segmentation', 'a.tif', '--geojson') == 0
    assert names() == ['a.geojson', 'a.png', 'a_labels.png', 'results.json']
    features = json.loads(Path('demo_out/a.geojson').read_text())['features']
    present = {one['label'] for one in predictors['segmentation']('a.tif').as_json()['classes']}
    assert {feature['properties']['label'] for feature in features} == present


@pytest.mark.parametrize('task', ['segmentation', 'detection'])
def test_images_that_break_off_are_named_and_passed_over(tiled_demo, errors, task):
    broken = scene('in/a.tif')
    broken.write_bytes(broken.read_bytes()[:-1500])
    scene('in/b.tif', 1)
    image('in/thin.png', size=(90, 5))
    assert tiled_demo(task, 'in') == 1
    line, thin = errors()
    assert line.startswith('error: bad image in/a.tif') and thin.startswith('error: bad image in/thin.png (height 5')
    assert {'b.png', 'results.json'} <= set(names()) and not {'a.png', 'thin_labels.tif.part'} & set(names())


def test_objects_in_tiles_become_annotations(tiled_demo, tiled_predictors):
    image('a.png', size=(110, 80))
    assert tiled_demo('detection', 'a.png', '--format', 'coco', '--out-dir', 'new', '--score', 0.6) == 0
    (file,) = Path('new').rglob('*.json')
    found = json.loads(file.read_text())['annotations']
    result = tiled_predictors['detection']('a.png').above(0.6)
    assert [one['score'] for one in found] == pytest.approx(result.scores.tolist()) and len(found)
    assert [one['area'] for one in found] == [mask.pixels.sum() for mask in result.masks]


@pytest.mark.faults
def test_segments_have_their_ids_in_a_tiff(demo, tmp_path, monkeypatch):
    scene('scene.tif')
    config = write_panoptic_head('panoptic_fpn', tmp_path)
    meta = dict(classes=[*THINGS, *STUFF], thing_classes=THINGS, stuff_classes=STUFF, category_ids=[7, 3, 40, 50, 60])
    model = inference.load(config, write_checkpoint(config, tmp_path / 'a.pth', **meta), device='cpu', tile=64)
    monkeypatch.setattr(command, 'load', lambda *_, **__: model)
    assert demo('segmentation', 'scene.tif', '--geojson') == 0
    assert names() == ['images.json', 'results.json', 'scene.geojson', 'scene.png', 'scene_panoptic.tif']
    result = model('scene.tif')
    found = tifffile.imread('demo_out/scene_panoptic.tif').astype(int) @ np.array([1, 256, 65536])
    assert np.array_equal(found, result.ids) and len(result.segments) > 1
    (entry,) = json.loads(Path('demo_out/results.json').read_text())['annotations']
    assert entry['file_name'] == 'scene_panoptic.tif'
    assert entry['segments_info'] == result.as_json()['segments_info']
    features = json.loads(Path('demo_out/scene.geojson').read_text())['features']
    assert {feature['properties']['id'] for feature in features} == {one.id for one in result.segments}


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_killed_demo_goes_on_and_leaves_the_same_bytes(model_files, tmp_path):
    scene(tmp_path / 'scene.tif', size=(500, 1000))
    model = [str(model_files / 'segmentation.py'), str(model_files / 'segmentation.pth')]
    argv = [*model, str(tmp_path / 'scene.tif'), '--data', 'sample', '--device', 'cpu', '--tile', '64']

    def demo(folder):
        return [sys.executable, str(ROOT / 'tools/demo.py'), *argv, '--out-dir', str(tmp_path / folder)]

    progress = tmp_path / 'cut/scene_labels.tif.progress.json'
    process = subprocess.Popen(demo('cut'), stderr=subprocess.PIPE, text=True)
    while not progress.exists() or json.loads(progress.read_text())['next'][1] < 3:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    done = subprocess.run(demo('cut'), capture_output=True, text=True)
    assert done.returncode == 0 and 'goes on after ' in done.stderr
    assert subprocess.run(demo('whole'), capture_output=True).returncode == 0
    assert contents(tmp_path / 'cut') == contents(tmp_path / 'whole')
