"""Detections: their JSON in COCO's form, what they draw, and supervision's form of them."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Detection
from convnext_dense.results.colors import class_colors, palette
from convnext_dense.tiling.tile_objects import MaskCrop, Objects
from tests.results.conftest import HEIGHT, NAMES, WIDTH


def test_detections_as_coco_results(detection):
    entries = json.loads(json.dumps(detection.as_json()))
    assert [entry['bbox'] for entry in entries] == [[200.5, 90, 69.75, 70], [10, 290, 70, 30], [0, 0, 600, 520]]
    assert [entry['score'] for entry in entries] == pytest.approx([0.9, 0.4, 0.1])
    assert [(entry['category_id'], entry['category']) for entry in entries] == [(5, 'ring'), (0, 'bird'), (5, 'ring')]
    assert {(entry['image_id'], entry['path']) for entry in entries} == {(None, detection.path)}
    assert {entry['image_id'] for entry in detection.with_image_id(7).as_json()} == {7}
    assert detection.coco_image() is None
    height, width = detection.size
    expected = {'id': 7, 'file_name': detection.path, 'height': height, 'width': width}
    assert detection.with_image_id(7).coco_image() == expected
    for entry, mask in zip(entries, detection.masks, strict=True):
        assert np.array_equal(rle.decode(entry['segmentation']), mask)

    known = dataclasses.replace(detection, category_ids=[7, 2, 1, 3, 90, 4])
    assert [(entry['category_id'], entry['category']) for entry in known.as_json()] == [
        *((4, 'ring'), (7, 'bird'), (4, 'ring'))
    ]
    boxes_only = dataclasses.replace(detection, masks=None)
    assert all(entry.keys() == entries[0].keys() - {'segmentation'} for entry in boxes_only.as_json())


def test_detections_above_a_score(detection):
    good = detection.above(0.4)
    assert np.array_equal(good.boxes, detection.boxes[:2]) and np.array_equal(good.masks, detection.masks[:2])
    assert good.labels.tolist() == [5, 0] and good.scores.tolist() == pytest.approx([0.9, 0.4])
    by_class = np.full(len(NAMES), 0.95)
    by_class[detection.labels[1]] = detection.scores[1]
    assert np.array_equal(detection.above(by_class).boxes, detection.boxes[1:2])
    nothing = detection.above(0.95)
    assert nothing.boxes.shape == (0, 4) and nothing.as_json() == []
    assert (nothing.draw() == 128).all()


def test_mmdet_samples_become_detections(detection):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    sample = DetDataSample(metainfo={'ori_shape': (HEIGHT, WIDTH), 'img_path': detection.path})
    fields = {'bboxes': detection.boxes, 'scores': detection.scores, 'labels': detection.labels}
    sample.pred_instances = InstanceData(**{name: torch.from_numpy(value) for name, value in fields.items()})
    boxes_only = Detection.from_sample(sample, NAMES)
    assert boxes_only.masks is None
    sample.pred_instances.masks = torch.from_numpy(detection.masks)
    assert Detection.from_sample(sample, NAMES).as_json() == detection.as_json()
    assert Detection.from_sample(sample, NAMES).size == (HEIGHT, WIDTH)
    nothing = sample.pred_instances[:0]
    nothing.labels = torch.zeros(0)  # mmdet's SOLOv2 returns floats for an image without objects
    sample.pred_instances = nothing
    assert Detection.from_sample(sample, NAMES).labels.dtype == np.int64
    assert Detection.from_sample(sample, NAMES).draw().shape == (HEIGHT, WIDTH, 3)


def test_a_drawn_detection_has_its_classes_colors_and_names(detection, tmp_path, monkeypatch):
    from convnext_dense.results import drawing

    texts = []
    monkeypatch.setattr(drawing, '_write', lambda draw, place, text, *_: texts.append(text))
    out = tmp_path / 'out.png'
    drawn = detection.above(0.4).draw(out)
    assert texts == ['ring 90%', 'bird 40%']
    ring, bird = class_colors(NAMES)[[5, 0]]
    assert (drawn[159, 201:270] == ring).all() and (drawn[319, 10:80] == bird).all()
    assert np.abs(drawn[120, 230] - (0.7 * 128 + 0.3 * ring)).max() <= 0.5
    assert (drawn[400:] == 128).all()
    assert np.array_equal(np.asarray(Image.open(out)), drawn)


def test_detections_for_supervision(detection, supervision):
    found = detection.to_supervision()
    assert np.array_equal(found.xyxy, detection.boxes) and np.array_equal(found.mask, detection.masks)
    assert np.array_equal(found.confidence, detection.scores) and found.class_id.tolist() == [5, 0, 5]
    assert found.data['class_name'].tolist() == ['ring', 'bird', 'ring']
    assert detection.above(2).to_supervision().data['class_name'].shape == (0,)


def test_without_supervision_the_error_says_how_to_get_it(detection, monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(UserError, match=r'pip install supervision$'):
        detection.to_supervision()


@pytest.fixture
def cropped(detection):
    """The same, with masks as tiles of a large image give them."""
    return dataclasses.replace(detection, masks=[MaskCrop.of(mask) for mask in detection.masks])


def test_cropped_masks_are_the_same_in_files_and_drawings(detection, cropped, supervision):
    assert cropped.as_json() == detection.as_json()
    assert np.array_equal(cropped.draw(), detection.draw())
    good, expected = cropped.above(0.4), detection.above(0.4)
    assert len(good.masks) == 2 and good.as_json() == expected.as_json()
    assert np.array_equal(cropped.to_supervision().mask, detection.masks)
    assert np.array_equal(cropped.mask(0).pixels, detection.mask(0).pixels)
    assert cropped.above(2).as_json() == [] and (cropped.above(2).draw() == 128).all()
    huge = dataclasses.replace(cropped, size=ImageSize(1 << 28, 1 << 28))
    with pytest.raises(UserError, match=r'3 masks of .* do not fit into the memory'):
        huge.to_supervision()


def test_objects_of_tiles_become_detections(cropped, path):
    objects = Objects(cropped.boxes, cropped.scores, cropped.labels, np.zeros(3, bool), cropped.masks)
    assert Detection.of_objects(path, cropped.size, objects, NAMES).as_json() == cropped.as_json()


def test_a_large_image_is_drawn_shrunk(detection, cropped):
    """By a whole factor: 600 pixels become 200 with a longest side of 299. Small drawings are enlarged again."""
    shrunk = dataclasses.replace(detection.above(0.4), drawn_side=299)
    drawn = shrunk.draw()
    ring = class_colors(NAMES)[5].astype(int)
    assert drawn.shape == (174 * 3, 200 * 3, 3)
    assert np.abs(drawn[120, 230] - (0.7 * 128 + 0.3 * ring)).max() <= 0.5, 'the mask of the ring'
    assert (drawn[159, 207:267] == ring).all(), 'the bottom of its box'
    assert np.array_equal(dataclasses.replace(cropped.above(0.4), drawn_side=299).draw(), drawn)
    gray = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    assert np.array_equal(shrunk.draw(image=gray), drawn)
    with pytest.raises(UserError, match='the image is 520 x 600'):
        dataclasses.replace(shrunk, size=ImageSize(520, 640)).draw()


def test_many_names_become_a_legend_where_a_large_image_is_drawn(detection, monkeypatch):
    from convnext_dense.results import drawing

    texts = []
    monkeypatch.setattr(drawing, '_write', lambda draw, place, text, *_: texts.append(text))
    boxes = np.array([[x, y, x + 9, y + 9] for x in range(5, 590, 30) for y in range(5, 510, 30)], np.float32)
    labels = np.arange(len(boxes)) % 3
    many = dataclasses.replace(detection, boxes=boxes, labels=labels, scores=np.ones(len(boxes)), masks=None)
    many.draw()
    assert len(texts) == len(boxes)
    texts.clear()
    drawn = dataclasses.replace(many, drawn_side=4096).draw()
    assert texts == [f'{name}  {(labels == k).sum()}' for k, name in enumerate(NAMES[:3])]
    assert drawn.shape[0] > HEIGHT and (drawn[5, 5:14] == palette(6)[0]).all() and (drawn[20:35, 20:35] == 128).all()
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    assert dataclasses.replace(many, drawn_side=4096).draw_frame(frame).shape == frame.shape, 'all have one size'
