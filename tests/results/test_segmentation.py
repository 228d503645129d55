"""Segmentations: their JSON, what they draw and write, and supervision's form of them."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.results import Segmentation
from convnext_dense.results.colors import palette
from tests.helpers.mask_folder import CLASSES, draw_labels, write_mask_folder
from tests.helpers.mask_samples import arrays, mask_folder
from tests.results.conftest import HEIGHT, NAMES, WIDTH


def test_classes_of_a_segmentation_by_area(segmentation):
    content = json.loads(json.dumps(segmentation.as_json()))
    pixels = HEIGHT * WIDTH
    assert content == {
        'path': segmentation.path,
        'size': [HEIGHT, WIDTH],
        'classes': [
            {'label': 4, 'name': 'kite', 'pixels': 150 * WIDTH, 'share': 150 * WIDTH / pixels},
            {'label': 2, 'name': 'car', 'pixels': 260 * 300, 'share': 260 * 300 / pixels},
        ],
    }


def test_mmseg_samples_become_segmentations(segmentation):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo={'img_path': segmentation.path})
    labels = torch.from_numpy(segmentation.labels.astype(np.int64))[None]
    sample.pred_sem_seg, sample.gt_sem_seg = PixelData(data=labels), PixelData(data=labels * 0)
    colors = segmentation.colors.tolist()
    prediction, ground_truth = (Segmentation.from_sample(sample, NAMES, colors, kind) for kind in ('pred', 'gt'))
    assert prediction.as_json() == segmentation.as_json()
    assert prediction.labels.dtype == np.uint8 and np.array_equal(prediction.colors, segmentation.colors)
    assert not ground_truth.labels.any()


def test_a_drawn_segmentation_has_the_classes_colors(segmentation, tmp_path):
    drawn = segmentation.draw(tmp_path / 'out.png')
    for point, label in (((50, 50), 4), ((300, 200), 2)):
        assert np.abs(drawn[point] - (0.45 * 128 + 0.55 * segmentation.colors[label])).max() <= 0.501
    assert (drawn[480, 500] == 128).all()
    assert drawn.shape[0] > HEIGHT  # the legend is below


def test_labels_are_written_as_indices_of_a_palette(segmentation, tmp_path):
    segmentation.save_labels(tmp_path / 'labels.png')
    with Image.open(tmp_path / 'labels.png') as image:
        assert np.array_equal(np.asarray(image), segmentation.labels)
        colors = np.asarray(image.convert('RGB'))
    assert (colors[:150] == segmentation.colors[4]).all()
    assert (colors[segmentation.labels == 255] == 0).all()


def test_a_segmentation_for_supervision_has_a_mask_for_each_class(segmentation, supervision):
    found = segmentation.to_supervision()
    assert found.class_id.tolist() == [2, 4] and found.data['class_name'].tolist() == ['car', 'kite']
    assert found.xyxy.tolist() == [[100, 200, 400, 460], [0, 0, WIDTH, 150]]
    assert np.array_equal(found.mask, np.stack([segmentation.labels == 2, segmentation.labels == 4]))


@pytest.mark.parametrize('first', [0, 1])
def test_a_label_map_is_a_mask_of_the_same_data_set(first, tmp_path, monkeypatch):
    """Through the data set that reads masks: every class where it was, and 255 unlabeled."""
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    root = write_mask_folder(tmp_path / 'data', training=2, validation=1)
    names = CLASSES if first else ('black', *CLASSES)
    (root / 'classes.txt').write_text('\n'.join(names))
    for number in range(2):
        classes = draw_labels(number) % len(names)
        classes[20:24] = 255
        result = Segmentation(None, classes, names, palette(len(names)), first)
        result.save_labels(root / 'annotations' / 'training' / f'{number:02d}.png')
        with Image.open(root / 'annotations' / 'training' / f'{number:02d}.png') as image:
            assert image.getpixel((0, 22)) == 255 and image.getpixel((2, 0)) == classes[0, 2] + first
            colors = np.asarray(image.convert('RGB'))
        assert np.array_equal(colors[classes != 255], result.colors[classes[classes != 255]])
        data = mask_folder(root, reduce_zero_label=bool(first))
        assert data.metainfo['classes'] == names
        assert np.array_equal(arrays(data[number])[1], classes)
        for area in result.as_json()['classes']:
            assert names[area['label'] - first] == area['name']
            assert area['pixels'] == (classes == area['label'] - first).sum()
