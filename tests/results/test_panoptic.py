"""The segments of an image: ids that are colors, entries of COCO's panoptic files, drawings."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from convnext_dense.io.panoptic import Segments
from convnext_dense.results import Panoptic, drawing
from convnext_dense.results.colors import palette
from tests.results.conftest import HEIGHT, NAMES, WIDTH

COLORS = palette(len(NAMES))
IDS = [7, 2, 1, 3, 90, 4]


@pytest.fixture
def panoptic(path) -> Panoptic:
    """Two boats and a car on stuff, class 4, with nothing at the top; the last two classes are stuff."""
    numbers = np.full((HEIGHT, WIDTH), 6)
    numbers[20:] = 4
    numbers[100:200, 50:150], numbers[300:500, 50:150], numbers[250:300, 400:440] = 1001, 2001, 3002
    labels = {4: 4, 1001: 1, 2001: 1, 3002: 2}
    return Panoptic.from_map(path, numbers, labels, NAMES, COLORS, 2)


def as_id(color: np.ndarray) -> int:
    return int(color @ np.array([1, 256, 65536]))


def test_segments_are_listed_by_size_with_ids_of_their_colors(panoptic):
    assert [(one.name, one.label, one.isthing, one.area) for one in panoptic.segments] == [
        ('kite', 4, False, WIDTH * (HEIGHT - 20) - 100 * 100 - 200 * 100 - 50 * 40),
        ('boat', 1, True, 20000),
        ('boat', 1, True, 10000),
        ('car', 2, True, 2000),
    ]
    assert panoptic.segments[1].box == (50, 300, 150, 500)
    ids = [one.id for one in panoptic.segments]
    assert len(set(ids)) == 4
    assert ids[:2] == [as_id(COLORS[4]), as_id(COLORS[1])] and ids[3] == as_id(COLORS[2])
    for one in panoptic.segments:
        assert (panoptic.ids == one.id).sum() == one.area
    assert not panoptic.ids[:20].any() and panoptic.ids[20:].all()


def test_entries_are_those_of_coco(panoptic, tmp_path):
    known = dataclasses.replace(panoptic, category_ids=IDS).with_image_id(17).with_extra_files(tmp_path / 'a.png')
    entry = known.as_json()
    assert (entry['image_id'], entry['path'], entry['file_name']) == (17, panoptic.path, 'a.png')
    car = entry['segments_info'][3]
    assert car == {
        'id': as_id(COLORS[2]),
        'category_id': 1,
        'category': 'car',
        'isthing': 1,
        'area': 2000,
        'bbox': [400, 250, 40, 50],
        'iscrowd': 0,
    }
    assert panoptic.as_json()['segments_info'][3]['category_id'] == 2 and 'file_name' not in panoptic.as_json()
    assert panoptic.coco_image() is None
    assert known.coco_image() == {'id': 17, 'file_name': panoptic.path, 'height': HEIGHT, 'width': WIDTH}
    known.save_extra_files(tmp_path / 'a.png')
    written = np.asarray(Image.open(tmp_path / 'a.png')).astype(int)
    assert np.array_equal(written @ np.array([1, 256, 65536]), panoptic.ids)


def test_ids_differ_where_colors_are_equal():
    numbers = np.arange(300).repeat(2).reshape(20, 30)
    black = np.zeros((2, 3), np.uint8)
    result = Panoptic.from_map(None, numbers, dict.fromkeys(range(300), 1), ['a', 'b'], black, 1)  # all of one stuff
    assert sorted(one.id for one in result.segments) == list(range(1, 301))
    things = Panoptic.from_map(None, numbers, dict.fromkeys(range(300), 0), ['a', 'b'], COLORS, 1)
    assert len({one.id for one in things.segments}) == 300


def test_things_have_their_names_and_stuff_stands_in_the_legend(panoptic, monkeypatch):
    written = []
    write = drawing._write
    monkeypatch.setattr(drawing, '_write', lambda *args: (written.append((args[2], args[1])), write(*args)))
    drawn = panoptic.draw()
    assert [text for text, _ in written] == ['boat', 'boat', 'car', f'kite  {panoptic.segments[0].area / 3120:.1f}%']
    assert drawn.shape[0] > HEIGHT and drawn.shape[1] == WIDTH
    image = drawn[:HEIGHT]
    assert (image[5:15] == 128).all(), 'where nothing is, the image stays'
    for one in panoptic.segments[:3]:
        color = np.array([one.id & 255, one.id >> 8 & 255, one.id >> 16])
        x1, y1, x2, _ = one.box
        tint = image[y1 + 4, (x1 + x2) // 2].astype(int)
        assert abs(tint - (0.45 * 128 + 0.55 * color)).max() <= 1
    assert (image[150:152, 149:151] == 255).all(axis=-1).any(), 'a border'
    boat = next(place for text, place in written if text == 'boat')
    assert 50 < boat[0] < 150 and 300 < boat[1] < 500  # on the larger one
    assert np.array_equal(panoptic.draw_frame(np.full((HEIGHT, WIDTH, 3), 128, np.uint8)).shape[1:], drawn.shape[1:])


def test_frames_of_one_size_give_drawings_of_one_size(panoptic):
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    nothing = Panoptic.from_map(None, np.zeros((HEIGHT, WIDTH), int), {}, NAMES, COLORS, 2)
    assert nothing.draw_frame(frame).shape == panoptic.draw_frame(frame).shape
    assert nothing.draw(image=frame).shape == frame.shape and not nothing.segments


def test_crowds_of_a_ground_truth_are_named(path, monkeypatch):
    ids = np.zeros((HEIGHT, WIDTH), np.int32)
    ids[100:200, 100:300] = 9
    truth = Segments(ids, [dict(id=9, label=0, iscrowd=1, area=20000), dict(id=5, label=1, iscrowd=0, area=0)])
    result = Panoptic.from_truth(path, truth, NAMES, COLORS, 2)
    written = []
    monkeypatch.setattr(drawing, '_write', lambda *args: written.append(args[2]))
    result.draw()
    assert written == ['bird (crowd)'] and [one.iscrowd for one in result.segments] == [True]


def test_supervision_gets_a_detection_for_each_segment(panoptic, supervision):
    found = panoptic.to_supervision()
    assert found.class_id.tolist() == [4, 1, 1, 2] and found.data['isthing'].tolist() == [False, True, True, True]
    assert found.mask.shape == (4, HEIGHT, WIDTH) and found.mask[3].sum() == 2000
    assert found.xyxy[3].tolist() == [400, 250, 440, 300] and found.data['class_name'][3] == 'car'
