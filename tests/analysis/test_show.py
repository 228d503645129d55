"""Images with prediction and ground truth, from what the three kinds of data sets and models hand on."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from PIL import Image

from convnext_dense.analysis.show import ShowPredictions
from convnext_dense.data import ImageFolder
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.results.colors import palette
from convnext_dense.tasks import TASKS
from tests.helpers import coco_files
from tests.helpers.coco_files import GRAY, HEIGHT, WIDTH
from tests.helpers.mask_folder import COLORS, draw_labels, write_mask_folder


def show(task: str, folder: Path, dataset, passes: list[list], count: int = 60) -> list[dict]:
    """Hand batches of two outputs to the hook, pass by pass; returns the index."""
    folder.mkdir()
    loader = SimpleNamespace(dataset=dataset, sampler=range(len(dataset)))
    runner = SimpleNamespace(test_dataloader=loader, logger=SimpleNamespace(info=print))
    hook = ShowPredictions(TASKS[task], folder, count)
    for outputs in passes:
        for batch in range(0, len(outputs), 2):
            hook.after_test_iter(runner, batch // 2, None, outputs[batch : batch + 2])
    hook.after_test_epoch(runner)
    return json.loads((folder / 'predictions.json').read_text())


def panels(file: Path, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn left and right, below the titles, each (height, width, 3)."""
    image = np.asarray(Image.open(file)).astype(int)
    below_title = round(2 * 13 * 1.15)
    row = image[below_title : below_title + height]
    return row[:, :width], row[:, -width:]


def near(color: np.ndarray, expected: np.ndarray) -> bool:
    """Equal, but for what JPEG does to it."""
    return bool(np.abs(color - expected).max() < 12)


@pytest.fixture
def coco(tmp_path) -> CocoDataset:
    file, folder = coco_files.write(tmp_path / 'coco', coco_files.content())
    keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')
    pipeline = [dict(type='convnext_dense.LoadImage'), dict(type='mmdet.PackDetInputs', meta_keys=keys)]
    return CocoDataset(str(file), str(folder), pipeline, test_mode=True)


def detected(dataset: CocoDataset, index: int, boxes: list, scores: list, labels: list, masks: bool = True):
    """The data set's sample with a prediction; masks fill their boxes."""
    sample = dataset[index]['data_samples']
    found = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        scores=torch.tensor(scores),
        labels=torch.tensor(labels, dtype=torch.long),
    )
    if masks:
        found.masks = torch.zeros(len(boxes), *sample.ori_shape, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(found.masks, boxes, strict=True):
            mask[y1:y2, x1:x2] = True
    sample.pred_instances = found
    return sample


def test_detections_above_the_threshold_are_beside_the_ground_truth(coco, tmp_path):
    colors = palette(3)  # green and blue are in the ground truth, as COCO's ids order the classes of this file
    classes = list(coco.metainfo['classes'])
    boxes = [[50, 30, 70, 50], [5, 40, 25, 55]]
    sample = detected(coco, 0, boxes, [0.8, 0.29], [classes.index('red'), classes.index('blue')])
    others = [detected(coco, i, [], [], []) for i in (1, 2, 3)]
    index = show('detection', tmp_path / 'show', coco, [[sample, *others]])
    assert [entry['file'] for entry in index] == ['000_000.jpg', '001_001.jpg', '002_004.jpg', '003_009.jpg']
    assert [entry['path'] for entry in index] == [coco.get_data_info(i)['img_path'] for i in range(4)]
    assert index[0]['caption'] == '1 predicted with a score of 30% or more, 3 annotated'
    assert index[3]['caption'] == '0 predicted with a score of 30% or more, 0 annotated'

    factor = 7  # 80 pixels are brought to 512 at least
    left, right = panels(tmp_path / 'show' / '000_000.jpg', WIDTH * factor, HEIGHT * factor)
    red, green, blue = (colors[classes.index(name)] for name in ('red', 'green', 'blue'))
    at = {
        name: (y * factor, x * factor) for name, (x, y) in {'hit': (60, 45), 'low': (15, 50), 'runs': (50, 50)}.items()
    }
    of = {name: np.array(color) for name, color in coco_files.COLORS.items()}
    assert near(left[at['hit']], 0.7 * of['blue'] + 0.3 * red)
    assert near(left[at['low']], np.full(3, GRAY))
    ground_truths = {
        'polygon': (15, 20, of['red'], red),
        'rle': (50, 18, of['green'], green),
        'runs': (35, 50, of['blue'], blue),
    }
    for x, y, drawn, color in ground_truths.values():  # the forms that COCO has for masks
        assert near(right[y * factor, x * factor], 0.7 * drawn + 0.3 * color)
        assert near(left[y * factor, x * factor], drawn)


def test_boxes_alone_and_crowds_are_drawn(coco, tmp_path, monkeypatch):
    from convnext_dense.results import drawing

    texts = []
    write = drawing._write
    monkeypatch.setattr(drawing, '_write', lambda *args: (texts.append(args[2]), write(*args)))
    sample = detected(coco, 1, [[5, 5, 30, 20]], [0.9], [0], masks=False)
    [entry] = show('detection', tmp_path / 'show', coco, [[sample]], count=1)
    name = coco.metainfo['classes'][0]
    assert texts == ['green (crowd)', 'red', f'{name} 90%', 'prediction', 'ground truth']
    assert entry['caption'].endswith('2 annotated')


def segmented(dataset, index: int, labels: np.ndarray):
    sample = dataset[index]['data_samples']
    sample.pred_sem_seg = PixelData(data=torch.from_numpy(labels.astype(np.int64))[None])
    return sample


def test_label_maps_are_beside_the_true_ones(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    root = write_mask_folder(tmp_path / 'data')
    pipeline = [
        dict(type='convnext_dense.LoadImage'),
        dict(type='mmseg.LoadAnnotations', imdecode_backend='pillow'),
        dict(type='mmseg.PackSegInputs'),
    ]
    dataset = MaskFolder(str(root), 'validation', pipeline, test_mode=True)
    labels = draw_labels(0)
    wrong = np.full_like(labels, 4)
    outputs = [segmented(dataset, 0, wrong), segmented(dataset, 1, draw_labels(1) - 1)]
    index = show('segmentation', tmp_path / 'show', dataset, [outputs])
    share = (labels == 5).sum() / (labels > 0).sum()
    assert index[0]['caption'] == f'{share:.1%} of the labeled pixels are right'
    assert index[1]['caption'] == '100.0% of the labeled pixels are right'
    assert [entry['file'] for entry in index] == ['000_00.jpg', '001_01.jpg']

    factor = 10
    left, right = panels(tmp_path / 'show' / '000_00.jpg', 56 * factor, 40 * factor)
    colors = np.array(dataset.metainfo['palette'])
    inner = np.ones_like(labels, bool)  # away from borders, where resizing mixes the colors
    for axis in (0, 1):
        for shift in (-1, 1):
            inner &= labels == np.roll(labels, shift, axis)
    for y, x in np.argwhere(inner)[::37]:
        y0, x0, drawn = y * factor + 5, x * factor + 5, COLORS[labels[y, x]]
        ground_truth = 0.45 * drawn + 0.55 * colors[labels[y, x] - 1] if labels[y, x] else drawn
        assert near(right[y0, x0], ground_truth)
        assert near(left[y0, x0], 0.45 * drawn + 0.55 * colors[4])


def test_large_images_are_made_smaller(coco, tmp_path):
    sample = detected(coco, 0, [], [], [])
    Image.new('RGB', (3000, 1500)).save(sample.img_path)
    sample.set_metainfo({'ori_shape': (1500, 3000), 'instances': []})
    [entry] = show('detection', tmp_path / 'show', coco, [[sample]], count=1)
    width, height = Image.open(tmp_path / 'show' / entry['file']).size
    assert 1280 < width < 1340 and 320 < height < 380


def classified(dataset: ImageFolder, index: int, label: int) -> dict:
    scores = torch.full((3,), 0.1)
    scores[label] = 0.8
    sample = dataset[index]
    return {'scores': scores, 'label': sample['label'], 'path': sample['path']}


def test_thumbnails_spread_over_the_test_set_and_show_the_average(image_folder, tmp_path):
    dataset = ImageFolder(str(image_folder), 'val', {'input_size': 32})
    raw, average = ([classified(dataset, i, label) for i in range(18)] for label in (0, 2))
    index = show('classification', tmp_path / 'show', dataset, [raw, average], count=4)
    assert [entry['path'] for entry in index] == [raw[i]['path'] for i in (0, 6, 11, 17)]
    assert [entry['ground_truth'] for entry in index] == ['blue', 'green', 'green', 'red']
    assert {entry['prediction'] for entry in index} == {'red'}
    assert index[1] == {
        'file': '001_green.png',
        'path': raw[6]['path'],
        'caption': 'predicted red, is green',
        'ground_truth': 'green',
        'prediction': 'red',
        'score': 0.8,
    }
    assert sorted(file.name for file in (tmp_path / 'show').glob('*.png')) == [entry['file'] for entry in index]
    for entry, written in ((index[0], (207, 34, 46)), (index[3], (26, 127, 55))):  # wrong in red, right in green
        image = np.asarray(Image.open(tmp_path / 'show' / entry['file']))
        assert image.shape == (282, 224, 3)
        assert (image[224:253] == written).all(axis=-1).any()
