"""Panoptic segments in tiles, against the rule written out: shares of boxes, ignored things, empty tiles."""

import json

import numpy as np
import pytest

from convnext_dense.data.panoptic.dataset import PanopticDataset
from convnext_dense.data.panoptic.tiles import boxes_of
from convnext_dense.data.sampler import sample_seed
from convnext_dense.engine.hooks.data_check import sizes_of_objects
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from tests.helpers.mask_folder import save
from tests.helpers.panoptic_files import CATEGORIES, as_colors, segment

SIZE = ImageSize(150, 230)
TILES = dict(size=64, overlap=0.25, empty_share=0.5, least_visible=0.4)
PIPELINE = [dict(type='convnext_dense.LoadImage'), dict(type='convnext_dense.LoadPanoptic')]
SKY, CAT, DOG, CROWD = 70_000, 300, 16_777_215, 66_051
CATEGORY = {SKY: (7, 0), CAT: (3, 0), DOG: (9, 0), CROWD: (9, 1)}
LABELS = {SKY: 2, CAT: 0, DOG: 1}


def draw():
    """Sky with nothing on the right, a cat in two pieces, a dog, and a crowd in a corner."""
    ids = np.full(SIZE, SKY)
    ids[:, 150:] = 0
    ids[10:20, 10:30] = ids[40:44, 30:60] = CAT
    ids[60:64, 90:110] = DOG
    ids[100:, :20] = CROWD
    return ids


@pytest.fixture
def root(tmp_path):
    ids, size = draw(), {'height': SIZE.height, 'width': SIZE.width}
    save(tmp_path / 'images/1.png', np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    save(tmp_path / 'segments/1.png', as_colors(ids))
    segments = [segment(ids, number, *kind) for number, kind in CATEGORY.items()]
    annotation = {'image_id': 1, 'file_name': '1.png', 'segments_info': segments}
    images = [{'id': 1, 'file_name': '1.png', **size}]
    content = {'images': images, 'annotations': [annotation], 'categories': CATEGORIES}
    (tmp_path / 'train.json').write_text(json.dumps(content))
    return tmp_path


def build(root, settings=TILES, **more):
    places = dict(annotations=str(root / 'train.json'), images=str(root / 'images'), segments=str(root / 'segments'))
    return PanopticDataset(**places, pipeline=PIPELINE, tiles=settings, **more)


def box(number):
    rows, columns = np.nonzero(draw() == number)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def share(number, window):
    """The share of the pixels of the box, counted."""
    x1, y1, x2, y2 = box(number)
    frame = np.zeros(SIZE, bool)
    frame[y1:y2, x1:x2] = True
    return frame[window.slices].sum() / frame.sum()


def present(number, window):
    return (draw()[window.slices] == number).any()


def test_boxes_are_around_the_pixels():
    ids = np.random.default_rng(0).integers(0, 5, (700, 30))
    ids[0], ids[699] = 0, 0
    expected = {}
    for number in range(1, 5):
        rows, columns = np.nonzero(ids == number)
        expected[number] = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert boxes_of(ids) == expected
    assert boxes_of(draw())[CAT] == box(CAT)


def test_tiles_show_things(root, monkeypatch):
    lines = []
    monkeypatch.setattr('convnext_dense.data.tiles.print_log', lambda line, *_: lines.append(line))
    dataset = build(root)
    windows = [Window(top, left, 64, 64) for top in (0, 48, 86) for left in (0, 48, 96, 144, 166)]
    visible = {w: [n for n in (CAT, DOG) if present(n, w) and share(n, w) >= 0.4] for w in windows}
    cut = {w: [n for n in (CAT, DOG) if present(n, w) and share(n, w) < 0.4] for w in windows}
    shown = {w for w in windows if visible[w]}
    empty = {w for w in windows if not visible[w] and present(SKY, w)}
    assert {Window(*row[1:]) for row in dataset.tile_table.shown.tolist()} == shown
    assert {Window(*row[1:]) for row in dataset.tile_table.empty.tolist()} == empty
    times = sum(map(len, cut.values()))
    assert dataset.ignore_regions == times > 0
    others, tiles = len(windows) - len(shown) - len(empty), len(shown) + len(empty)
    assert lines[0].startswith(f'train: 1 image in {tiles} tiles of 64 x 64, of which {len(shown)} show something, ')
    assert f'; {others} others with nothing to learn are not used; ' in lines[0]
    assert f'ignored in tiles that have less than 40% of the box, {times} time' in lines[0]
    for index, row in enumerate(dataset.tile_table.shown.tolist()):
        window = Window(*row[1:])
        labels = {LABELS[number] for number in (*visible[window], *([SKY] if present(SKY, window) else []))}
        assert set(dataset.get_cat_ids(index)) == labels


def test_samples_are_cut_by_the_rule(root):
    dataset, image = build(root), build(root, None)[0]['img']
    ignored = 0
    for seed in range(4):
        for index in range(len(dataset)):
            sample = dataset[index, sample_seed(seed, 0, index)]
            window = sample['window']
            ids = draw()[window.slices]
            np.testing.assert_array_equal(sample['img'], image[window.slices])
            things = [n for n in (CAT, DOG) if present(n, window)]
            flags = [share(number, window) < 0.4 for number in things]
            semantic = np.full(ids.shape, 255)
            for number in (SKY, *[n for n, flag in zip(things, flags, strict=True) if not flag]):
                semantic[ids == number] = LABELS[number]
            np.testing.assert_array_equal(sample['gt_seg_map'], semantic)
            order = sorted(range(len(things)), key=lambda i: list(CATEGORY).index(things[i]))
            assert sample['gt_ignore_flags'].tolist() == [flags[i] for i in order]
            assert sample['gt_bboxes_labels'].tolist() == [-1 if flags[i] else LABELS[things[i]] for i in order]
            for i, mask in zip(order, sample['gt_masks'].masks, strict=True):
                np.testing.assert_array_equal(mask, ids == things[i])
            ignored += sum(flags)
            if index < len(dataset.tile_table.shown):
                assert not all(flags)
    assert ignored


def test_evaluation_is_on_whole_images_and_faults_are_named(root):
    dataset = build(root, test_mode=True)
    sample = dataset[0]
    assert sample['inputs'] == 'not read' and sample['data_samples']['panoptic']['size'] == SIZE
    with dataset.open_whole(sample['data_samples']) as image:
        assert image.size == SIZE
    save(root / 'segments/1.png', as_colors(np.where(draw() == DOG, 99, draw())))
    with pytest.raises(UserError, match=r'bad mask .*1.png \(with segments that the JSON file lacks: 80 pixels of 99'):
        build(root)


def test_images_whose_segments_are_bad_are_left_out_where_bad_images_are_skipped(root, monkeypatch):
    lines = []
    monkeypatch.setattr('convnext_dense.data.panoptic.dataset.print_log', lambda line, *_: lines.append(line))
    content = json.loads((root / 'train.json').read_text())
    for kind in ('images', 'segments'):
        (root / kind / '0.png').write_bytes((root / kind / '1.png').read_bytes())
    content['images'].insert(0, {**content['images'][0], 'id': 0, 'file_name': '0.png'})
    content['annotations'].insert(0, {**content['annotations'][0], 'image_id': 0, 'file_name': '0.png'})
    (root / 'train.json').write_text(json.dumps(content))
    whole = build(root)
    save(root / 'segments/0.png', as_colors(np.where(draw() == DOG, 99, draw())))
    dataset = build(root, on_bad_image='skip')
    assert set(dataset.tile_table.shown[:, 0].tolist()) == {1} and len(dataset) == len(whole) / 2
    assert lines[-1].startswith('train: 1 image left out whose segments are unreadable or do not fit the file: ')
    assert dataset[0, 0]['img_path'].endswith('1.png')
    for index in range(len(dataset)):
        dataset.get_cat_ids(index)


def test_the_check_of_the_first_images_counts_each_thing_once(root):
    areas = [(draw() == number).sum() for number in (CAT, DOG)]
    found = [(size, round(side**2)) for size, side in sizes_of_objects(build(root))]
    assert found == [(SIZE, area) for area in areas]
