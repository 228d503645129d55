"""The command ``test`` with ``--tile`` measures whole images: all tasks, one process or two, several views."""

import contextlib
import io
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convnext_dense import load
from convnext_dense.cli import run_verb
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.models.tiled import TiledModel
from convnext_dense.tiling.settings import TileSettings
from tests.helpers import coco_files, mask_folder, panoptic_heads, processes
from tests.helpers.small_models import write_checkpoint, write_config

TILES = ['--tile', '32', '48', '--overlap', '0.3']
HERE = ['--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory):
    """A folder with data, a config and random weights."""
    root = tmp_path_factory.mktemp('segmentation')
    mask_folder.write_mask_folder(root / 'data')
    config = write_config('segmentation', root)
    write_checkpoint(config, root / 'model.pth', classes=list(mask_folder.CLASSES), reduce_zero_label=True)
    return root


def metrics_of(root, config, *more, options=(), tiles=TILES):
    out = root / f'metrics_{os.getpid()}.json'  # processes of one test must not write to one file
    argv = [str(config), str(root / 'model.pth'), '--data', str(root / 'data'), '--out', str(out), *tiles, *more]
    assert run_verb('test', [*argv, *HERE, *options]) == 0
    return json.loads(out.read_text())['metrics']


def test_label_maps(segmentor):
    """mIoU by hand, from the label maps that the model gives by tiles."""
    metrics = metrics_of(segmentor, segmentor / 'segmentation.py', '--show-dir', str(segmentor / 'shown'))
    predict = load(segmentor / 'segmentation.py', segmentor / 'model.pth', image_size=(32, 48))
    by_tiles = TiledModel(predict.model, predict._transform, TileSettings(ImageSize(32, 48), 0.3), 3)
    counts = np.zeros((6, 6))
    images = sorted((segmentor / 'data/images/validation').iterdir())
    for path in images:
        true = np.asarray(Image.open(segmentor / 'data/annotations/validation' / f'{path.stem}.png'))
        with WindowedImage.open(path) as image:
            for block in by_tiles.label_blocks(image)[1]:
                np.add.at(counts, (true[block.window.slices], block.labels + 1), 1)
    counts = counts[1:, 1:]  # label 0 is not labeled
    right = np.diag(counts)
    assert metrics['raw/mIoU'] == pytest.approx(100 * np.mean(right / (counts.sum(0) + counts.sum(1) - right)))
    assert metrics['raw/images'] == len(images) == len(list((segmentor / 'shown').glob('*.jpg')))


def test_two_processes_measure_what_one_does(segmentor, tmp_path):
    config = segmentor / 'segmentation.py'
    one = metrics_of(segmentor, config)

    def test(rank):
        two = metrics_of(segmentor, config, options=['launcher=pytorch'])
        return 0 if two == one and torch.distributed.get_world_size() == 2 else 3

    ended = processes.run(test, tmp_path)
    assert [process.code for process in ended] == [0, 0], [process.err[-2000:] for process in ended]


def test_views_are_merged_in_each_tile(segmentor):
    tiles = ['--tile', '40', '40', '--image-size', '64', '64']
    config = segmentor / 'segmentation.py'
    plain, views = (metrics_of(segmentor, config, *more, tiles=tiles) for more in ((), ['--tta']))
    assert views['raw/images'] == plain['raw/images']
    assert views['raw/aAcc'] != plain['raw/aAcc']


def test_objects(tmp_path):
    """AP by pycocotools from the written predictions, of which all are at the size of the whole images."""
    data = coco_files.content()
    file, _ = coco_files.write(tmp_path / 'data', data, 'val')
    config = write_config('detection', tmp_path)
    write_checkpoint(config, tmp_path / 'model.pth', classes=['red', 'green', 'blue'])
    found = tmp_path / 'found.json'
    shown, few = tmp_path / 'shown', ['model.test_cfg.rcnn.max_per_img=8']
    metrics = metrics_of(tmp_path, config, '--out-predictions', str(found), '--show-dir', str(shown), options=few)
    results = json.loads(found.read_text())
    sizes = {image['id']: [image['height'], image['width']] for image in data['images']}
    assert all(one['segmentation']['size'] == sizes[one['image_id']] for one in results)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(file))
        for kind, name in (('bbox', 'box'), ('segm', 'mask')):
            evaluation = COCOeval(truth, truth.loadRes(results), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            assert metrics[f'raw/{name}_AP'] == pytest.approx(100 * evaluation.stats[0], abs=1e-6)
    assert metrics['raw/images'] == len(list(shown.glob('*.jpg')))


def test_segments(tmp_path):
    panoptic_heads.write_panoptic_data(tmp_path / 'data')
    config = panoptic_heads.write_panoptic_head('mask2former', tmp_path)
    classes = [*panoptic_heads.THINGS, *panoptic_heads.STUFF]
    write_checkpoint(config, tmp_path / 'model.pth', classes=classes, stuff_classes=panoptic_heads.STUFF)
    found = tmp_path / 'found.json'
    metrics = metrics_of(tmp_path, config, '--out-predictions', str(found))
    assert metrics['raw/images'] == 2 and 'raw/PQ' in metrics
    for entry in json.loads(found.read_text())['annotations']:
        assert Image.open(tmp_path / 'found' / entry['file_name']).size == (96, 64)
