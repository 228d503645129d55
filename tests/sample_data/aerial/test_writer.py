"""Files of large scenes: tiled TIFFs, and three kinds of ground truth in agreement."""

from __future__ import annotations

import json
import sys

import cv2
import numpy as np
import pytest
import tifffile
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster
from convnext_dense.io.window import Window
from convnext_dense.sample_data.aerial import writer
from convnext_dense.sample_data.aerial.bands import BANDS
from convnext_dense.sample_data.aerial.land import REGIONS
from convnext_dense.sample_data.aerial.things import THINGS


def test_images_are_tiles_that_are_read_by_windows(large, six):
    for root, dtype, bands in ((large, np.uint8, 3), (six, np.uint16, len(BANDS))):
        path = root / 'images' / 'train' / '0001.tif'
        with tifffile.TiffFile(path) as tiff:
            page = tiff.pages[0]
            assert (page.is_tiled, page.tile, page.compression.name) == (True, (256, 256), 'NONE')
            assert {'Software', 'DateTime', 'ImageDescription'}.isdisjoint(tag.name for tag in page.tags.values())
            whole = page.asarray()
        window = Window(100, 90, 200, 250)
        with open_raster(path) as raster:
            assert (raster.bands, raster.dtype, raster.decodes_whole) == (bands, dtype, False)
            assert (raster.read(window) == whole[window.slices]).all()


@pytest.mark.parametrize('split', ['train', 'val'])
def test_the_three_kinds_of_ground_truth_agree(large, split):
    folder = large / 'annotations'
    names = (large / 'classes.txt').read_text().splitlines()
    assert names == [*REGIONS, *(thing.name for thing in THINGS)]
    coco = COCO(folder / f'instances_{split}2017.json')
    panoptic = json.loads((folder / f'panoptic_{split}2017.json').read_text())
    kinds = {one['id']: one for one in panoptic['categories']}
    assert panoptic['images'] == coco.dataset['images'] and len(panoptic['annotations']) == len(coco.imgs) > 0
    for entry in panoptic['annotations']:
        stem = entry['file_name'].removesuffix('.png')
        labels = cv2.imread(str(folder / split / f'{stem}.png'), cv2.IMREAD_UNCHANGED)
        colors = cv2.imread(str(folder / f'panoptic_{split}2017' / f'{stem}.png')).astype(int)
        ids = colors[..., 2] + 256 * colors[..., 1] + 256**2 * colors[..., 0]
        assert labels.min() > 0 and labels.shape == ids.shape
        segments = {one['id']: one for one in entry['segments_info']}
        assert set(np.unique(ids)) == set(segments)
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[entry['image_id']]))
        things = [one for one in segments.values() if kinds[one['category_id']]['isthing']]
        assert len(things) == len(annotations) > 20
        for number, segment in segments.items():
            mask = ids == number
            rows, cols = np.nonzero(mask)
            assert set(labels[mask]) == {1 + names.index(kinds[segment['category_id']]['name'])}
            assert segment['area'] == mask.sum()
            box = [cols.min(), rows.min(), np.ptp(cols) + 1, np.ptp(rows) + 1]
            assert segment['bbox'] == box
        for segment, annotation in zip(things, annotations, strict=True):
            assert annotation['bbox'] == segment['bbox'] and annotation['area'] == segment['area']
            mask, drawn = ids == segment['id'], coco.annToMask(annotation) > 0
            assert (mask & drawn).sum() / (mask | drawn).sum() > 0.8


def test_an_outline_runs_along_the_edges_of_pixels():
    mask = np.zeros((6, 9), bool)
    mask[1:5, 2:8] = True
    (polygon,) = writer.outline(mask, 100, 50)
    corners = np.array(polygon).reshape(-1, 2)
    assert {tuple(corner) for corner in corners.tolist()} == {(102, 51), (108, 51), (108, 55), (102, 55)}
    decoded = rle.decode(rle.frPyObjects([polygon], 60, 120))[..., 0]
    assert (decoded[50:56, 100:109] == mask).all() and decoded.sum() == mask.sum()


def test_without_tifffile_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match=r'^the images of the large sample .* need the tifffile package: pip install'):
        writer.write_image(tmp_path / 'x.tif', np.zeros((4, 4, 3), np.uint8))
