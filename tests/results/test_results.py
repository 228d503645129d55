"""Results: their numbers as JSON against plain computation, what they draw, and supervision's form of them."""

import dataclasses
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle

from convnext_dense.errors import UserError
from convnext_dense.results.drawing import palette
from convnext_dense.results.results import Classification, Detection, Segmentation, encode_masks

HEIGHT, WIDTH = 520, 600
NAMES = ['bird', 'boat', 'car', 'fish', 'kite', 'ring']


@pytest.fixture
def path(tmp_path) -> str:
    """A gray image."""
    file = tmp_path / 'gray.png'
    Image.new('RGB', (WIDTH, HEIGHT), (128, 128, 128)).save(file)
    return str(file)


@pytest.fixture
def detection(path) -> Detection:
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 100:150, 210:260] = masks[1, 300:310, 20:70] = True
    masks[2, ::2, 1::3] = True
    boxes = np.array([[200.5, 90, 270.25, 160], [10, 290, 80, 320], [0, 0, 600, 520]], np.float32)
    scores = np.array([0.9, 0.4, 0.1], np.float32)
    return Detection(path, (HEIGHT, WIDTH), boxes, scores, np.array([5, 0, 5]), masks, NAMES)


@pytest.fixture
def segmentation(path) -> Segmentation:
    labels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    labels[:150], labels[200:460, 100:400] = 4, 2
    return Segmentation(path, labels, NAMES, palette(len(NAMES)))


@pytest.fixture
def supervision(monkeypatch) -> None:
    """A stand-in: ``Detections`` keeps its arguments."""
    module = ModuleType('supervision')
    module.Detections = lambda **arguments: SimpleNamespace(**arguments)
    monkeypatch.setitem(sys.modules, 'supervision', module)


def test_the_highest_scores_of_a_classification():
    scores = np.array([0.05, 0.4, 0.02, 0.3, 0.2, 0.03], np.float32)
    result = Classification('a.jpg', scores, NAMES)
    assert result.top(2) == [('boat', pytest.approx(0.4)), ('fish', pytest.approx(0.3))]
    assert [name for name, _ in result.top(9)] == ['boat', 'fish', 'kite', 'bird', 'ring', 'car']
    content = json.loads(json.dumps(result.as_json()))
    assert content['path'] == 'a.jpg'
    assert [entry['label'] for entry in content['top']] == [1, 3, 4, 0, 5]
    assert [entry['name'] for entry in content['top']] == ['boat', 'fish', 'kite', 'bird', 'ring']
    assert [entry['score'] for entry in content['top']] == pytest.approx([0.4, 0.3, 0.2, 0.05, 0.03])


def test_what_the_classifier_predicts_becomes_a_classification():
    scores = torch.tensor([0.25, 0.75])
    result = Classification.from_prediction({'scores': scores, 'path': 'a.jpg', 'label': 0}, ['cat', 'dog'])
    assert (result.path, result.top(1)) == ('a.jpg', [('dog', 0.75)])
    assert result.scores.dtype == np.float32
    assert Classification.from_prediction({'scores': scores}, ['cat', 'dog']).path is None


def test_detections_as_coco_results(detection):
    entries = json.loads(json.dumps(detection.as_json()))
    assert [entry['bbox'] for entry in entries] == [[200.5, 90, 69.75, 70], [10, 290, 70, 30], [0, 0, 600, 520]]
    assert [entry['score'] for entry in entries] == pytest.approx([0.9, 0.4, 0.1])
    assert [(entry['category_id'], entry['category']) for entry in entries] == [(5, 'ring'), (0, 'bird'), (5, 'ring')]
    assert {entry['image_id'] for entry in entries} == {detection.path}
    for entry, mask in zip(entries, detection.masks, strict=True):
        assert np.array_equal(rle.decode(entry['segmentation']), mask)

    known = dataclasses.replace(detection, category_ids=[7, 2, 1, 3, 90, 4])
    assert [(entry['category_id'], entry['category']) for entry in known.as_json()] == [
        *((4, 'ring'), (7, 'bird'), (4, 'ring'))
    ]
    boxes_only = dataclasses.replace(detection, masks=None)
    assert all(entry.keys() == entries[0].keys() - {'segmentation'} for entry in boxes_only.as_json())


def test_no_masks_are_no_rles():
    assert encode_masks(np.zeros((0, 4, 5), bool)) == []


def test_many_masks_in_any_layout_are_what_they_were():
    many = np.random.default_rng(0).random((19, 5, 7)) < 0.5
    decoded = rle.decode([{**mask, 'counts': mask['counts'].encode()} for mask in encode_masks(many[:, ::-1])])
    assert np.array_equal(decoded.transpose(2, 0, 1), many[:, ::-1])


def odd_masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    masks = {f'{h} x {w}': rng.random((6, h, w)) < 0.5 for h, w in ((1, 1), (1, 9), (9, 1), (2, 2), (5, 7), (40, 33))}
    masks |= {'empty': np.zeros((2, 4, 5), bool), 'full': np.ones((2, 4, 5), bool)}
    masks['every pixel alone'] = np.eye(20, dtype=bool).reshape(20, 4, 5)
    masks['every column alone'] = np.eye(5, dtype=bool)[:, None].repeat(4, 1)
    masks['every row alone'] = np.eye(4, dtype=bool)[:, :, None].repeat(5, 2)
    masks['more than 255'] = rng.random((300, 3, 4)) < 0.5
    masks['more than 65535 pixels'] = (np.mgrid[:300, :400].sum(0) % 250 < 120)[None]
    masks['column order'] = np.asfortranarray(masks['5 x 7'])
    masks['mirrored'] = masks['5 x 7'][::-1, ::-1, ::-2]
    masks['turned'] = masks['5 x 7'].transpose(0, 2, 1)
    masks['one for all'] = np.broadcast_to(masks['5 x 7'][0], (3, 5, 7))
    return masks


@pytest.mark.parametrize(('kind', 'masks'), odd_masks().items(), ids=odd_masks().keys())
def test_rles_are_those_of_pycocotools_to_the_byte(kind, masks):
    one_by_one = [rle.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks]
    expected = [{'size': m['size'], 'counts': m['counts'].decode()} for m in one_by_one]
    assert encode_masks(masks) == expected
    assert encode_masks(torch.from_numpy(masks.copy())) == expected


def test_detections_above_a_score(detection):
    good = detection.above(0.4)
    assert np.array_equal(good.boxes, detection.boxes[:2]) and np.array_equal(good.masks, detection.masks[:2])
    assert good.labels.tolist() == [5, 0] and good.scores.tolist() == pytest.approx([0.9, 0.4])
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


def test_a_drawn_detection_has_its_classes_colors_and_names(detection, tmp_path, monkeypatch):
    from convnext_dense.results import drawing

    texts = []
    monkeypatch.setattr(drawing, '_write', lambda draw, place, text, *_: texts.append(text))
    out = tmp_path / 'out.png'
    drawn = detection.above(0.4).draw(out)
    assert texts == ['ring 90%', 'bird 40%']
    ring, bird = palette(len(NAMES))[[5, 0]]
    assert (drawn[159, 201:270] == ring).all() and (drawn[319, 10:80] == bird).all()
    assert np.abs(drawn[120, 230] - (0.55 * 128 + 0.45 * ring)).max() <= 0.5
    assert (drawn[400:] == 128).all()
    assert np.array_equal(np.asarray(Image.open(out)), drawn)


def test_results_are_drawn_on_the_image_that_is_handed_over(detection, segmentation):
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    scores = np.eye(6, dtype=np.float32)[1]
    for result in (detection.above(0.4), segmentation, Classification(detection.path, scores, NAMES)):
        assert (result.draw(image=white)[500, 500] == 255).all()
        assert (result.draw()[500, 500] == 128).all()


def test_results_are_drawn_on_the_upright_image(detection, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / 'turned.png'
    Image.new('RGB', (HEIGHT, WIDTH)).save(turned, exif=exif)
    assert dataclasses.replace(detection, path=str(turned)).draw().shape == (HEIGHT, WIDTH, 3)


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


def test_detections_for_supervision(detection, supervision):
    found = detection.to_supervision()
    assert np.array_equal(found.xyxy, detection.boxes) and np.array_equal(found.mask, detection.masks)
    assert np.array_equal(found.confidence, detection.scores) and found.class_id.tolist() == [5, 0, 5]
    assert found.data['class_name'].tolist() == ['ring', 'bird', 'ring']
    assert detection.above(2).to_supervision().data['class_name'].shape == (0,)


def test_a_segmentation_for_supervision_has_a_mask_for_each_class(segmentation, supervision):
    found = segmentation.to_supervision()
    assert found.class_id.tolist() == [2, 4] and found.data['class_name'].tolist() == ['car', 'kite']
    assert found.xyxy.tolist() == [[100, 200, 400, 460], [0, 0, WIDTH, 150]]
    assert np.array_equal(found.mask, np.stack([segmentation.labels == 2, segmentation.labels == 4]))


def test_without_supervision_the_error_says_how_to_get_it(detection, monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(UserError, match=r'pip install supervision$'):
        detection.to_supervision()


def test_bad_input_is_named(detection, segmentation, tmp_path):
    with pytest.raises(UserError, match=f'^{detection.path}: the image is 600 x 520, the result is for 300 x 200: '):
        dataclasses.replace(detection, size=(200, 300)).draw()
    with pytest.raises(UserError, match='comes from no file'):
        dataclasses.replace(segmentation, path=None).draw()
    for name in ('absent/out.png', 'out.suffix', 'out'):
        with pytest.raises(UserError, match=f'{name} cannot be written'):
            segmentation.draw(tmp_path / name)
