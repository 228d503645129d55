"""Objects in tiles, against the rules written out: clipping, the least visible share, ignore regions, empty tiles."""

import json
from collections import Counter

import numpy as np
import pytest
from pycocotools import mask as rle
from torch.utils.data import DataLoader

from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.tiles import MaskRule, clip_instance
from convnext_dense.data.sampler import AspectRatioBatches, SeededSampler, sample_seed
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from convnext_dense.registry import DATASETS
from tests.helpers.mask_folder import save

SIZE = ImageSize(150, 230)
TILES = dict(size=64, overlap=0.25, empty_share=0.5, least_visible=0.3)
PIPELINE = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'window', 'image_size', 'ori_shape', 'img_shape', 'instances'),
    ),
]


def annotation(number, image, box, category=1, **more):
    x, y, w, h = box
    polygon = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    return dict(
        id=number, image_id=image, category_id=category, bbox=box, area=w * h, iscrowd=0, segmentation=polygon, **more
    )


def content(images=2):
    """Small objects in the upper left, one across tiles, a huge one, and a crowd."""
    rng = np.random.default_rng(0)
    annotations = []
    for image in range(1, images + 1):
        boxes = [[*(rng.random(2) * 60).round(1), *(4 + rng.random(2) * 20).round(1)] for _ in range(6)]
        boxes += [[50.0, 50.0, 30.0, 8.0], [20.0, 5.0, 200.0, 140.0]]
        annotations += [annotation(100 * image + i, image, box, 1 + i % 2) for i, box in enumerate(boxes)]
        crowd = annotation(100 * image + 50, image, [10.0, 100.0, 90.0, 40.0])
        crowd['iscrowd'], crowd['segmentation'] = 1, {'size': list(SIZE), 'counts': _runs([10, 100, 90, 40])}
        annotations.append(crowd)
    return {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'height': SIZE.height, 'width': SIZE.width}
            for i in range(1, images + 1)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'b'}],
    }


def _runs(box):
    x, y, w, h = box
    mask = np.zeros(SIZE, np.uint8, order='F')
    mask[y : y + h, x : x + w] = 1
    changes = np.flatnonzero(np.diff(mask.ravel(order='F'), prepend=0, append=0))
    return np.diff([0, *changes, SIZE.height * SIZE.width]).tolist()


def write(root, data):
    rng = np.random.default_rng(0)
    for image in data['images']:
        save(root / 'images' / image['file_name'], rng.integers(0, 256, (*SIZE, 3), np.uint8))
    (root / 'train.json').write_text(json.dumps(data))
    return root / 'train.json', root / 'images'


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return write(tmp_path_factory.mktemp('tiles'), content())


def build(files, tiles=TILES, data=None, pipeline=PIPELINE, **more):
    annotations, images = files
    return CocoDataset(annotations=str(annotations), images=str(images), pipeline=pipeline, tiles=tiles, **more)


def expected_of(instance, window, least=0.3):
    """The rule, written out: what becomes of an object (label, box in the tile, ignored), or None."""
    x1, y1, x2, y2 = instance['bbox']
    left, top, right, bottom = max(x1, window.left), max(y1, window.top), min(x2, window.right), min(y2, window.bottom)
    if left >= right or top >= bottom:
        return None
    share = (right - left) * (bottom - top) / ((x2 - x1) * (y2 - y1))
    box = [left - window.left, top - window.top, right - window.left, bottom - window.top]
    if instance['ignore_flag']:
        return instance['bbox_label'], box, 1
    if share < least or right - left < 1 or bottom - top < 1:
        return -1, box, 1
    return instance['bbox_label'], box, 0


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr('convnext_dense.data.tiles.print_log', lambda line, *_: lines.append(line))
    return lines


@pytest.fixture(scope='module')
def whole(files):
    return build(files, tiles=None)


def test_samples_are_windows_with_clipped_boxes_and_cut_masks(files, whole):
    dataset = build(files)
    images = {whole[i]['data_samples'].img_id: whole[i] for i in range(2)}
    windows, ignored = set(), 0
    for index in range(len(dataset)):
        sample = dataset[index, sample_seed(1, 2, index)]
        meta = sample['data_samples'].metainfo
        window, reference = meta['window'], images[meta['img_id']]
        windows.add((meta['img_id'], window))
        assert meta['image_size'] == SIZE and meta['ori_shape'] == meta['img_shape'] == window.size == (64, 64)
        np.testing.assert_array_equal(sample['inputs'], reference['inputs'][:, window.slices[0], window.slices[1]])
        info = whole.get_data_info(int(meta['img_id']) - 1)
        masks = {}
        for instances in ('gt_instances', 'ignored_instances'):
            found = reference['data_samples'].get(instances)
            for box, mask in zip(found.bboxes.tensor.tolist(), found.masks.masks, strict=True):
                masks[tuple(np.round(box, 1))] = mask
        expected = []
        for instance in info['instances']:
            one = expected_of(instance, window)
            mask = masks[tuple(np.round(instance['bbox'], 1))][window.slices]
            if one is not None and (mask.any() or instance['ignore_flag']):
                expected.append((*one, mask))
        for flag, name in ((0, 'gt_instances'), (1, 'ignored_instances')):
            found = sample['data_samples'].get(name)
            wanted = [one for one in expected if one[2] == flag]
            assert found.labels.tolist() == [label for label, *_ in wanted]
            np.testing.assert_allclose(
                found.bboxes.tensor, np.reshape([box for _, box, *_ in wanted], (-1, 4)), atol=1e-4
            )
            for mask, (*_, own) in zip(found.masks.masks, wanted, strict=True):
                np.testing.assert_array_equal(mask, own)
            ignored += flag * sum(label == -1 for label, *_ in wanted)
    assert ignored and len({window.top % 16 for _, window in windows}) > 3  # they are moved


def test_every_tile_that_shows_something_is_used_and_some_of_the_others(files, whole):
    dataset, table = build(files), build(files).tile_table
    starts = {'top': [0, 48, 86], 'left': [0, 48, 96, 144, 166]}
    shown = set()
    for image in range(2):
        for top in starts['top']:
            for left in starts['left']:
                window = Window(top, left, 64, 64)
                ones = [expected_of(one, window) for one in whole.get_data_info(image)['instances']]
                if any(one and not one[2] for one in ones):
                    shown.add((image, *window))
    assert {tuple(row) for row in table.shown.tolist()} == shown
    assert len(table.shown) + len(table.empty) == 30 and table.empty_used == min(len(shown), 30 - len(shown))
    assert len(dataset) == len(shown) + table.empty_used
    drawn = Counter(
        dataset.tile_table.pick(len(dataset) - 1) for _ in range(200)
    )  # a place of an empty one has any of them
    assert len(drawn) > len(table.empty) * 0.9 and not any(tile.shows for tile in drawn)
    for share, number in ((0, 0), (0.1, round(len(shown) / 9))):
        assert build(files, {**TILES, 'empty_share': share}).tile_table.empty_used == number


def test_a_sample_depends_on_its_seed_alone(files):
    dataset = build(files)
    np.random.seed(0)
    first = [dataset[i, 7 + i]['data_samples'].window for i in range(len(dataset))]
    np.random.seed(1)
    assert [build(files)[i, 7 + i]['data_samples'].window for i in range(len(dataset))] == first
    assert [dataset[i, 70 + i]['data_samples'].window for i in range(len(dataset))] != first
    sampler = SeededSampler(dataset, shuffle=True, seed=3)

    def read(workers):
        batches = AspectRatioBatches(sampler, 2)
        loader = DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=lambda batch: batch)
        return [
            (one['data_samples'].img_id, one['data_samples'].window, int(one['inputs'].sum()))
            for b in loader
            for one in b
        ]

    assert read(0) == read(2)


def test_a_moved_tile_shows_something_or_stays(files, monkeypatch):
    data = content(1)
    data['annotations'] = [annotation(1, 1, [60.0, 60.0, 4.0, 4.0])]
    dataset = build(write(files[0].parent / 'one', data), {**TILES, 'empty_share': 0})
    assert len(dataset) == 4  # the tiles that have it
    for seed in range(60):
        sample = dataset[seed % 4, seed]['data_samples']
        assert len(sample.gt_instances) == 1 and sample.gt_instances.bboxes.tensor.min() >= 0
    monkeypatch.setattr('convnext_dense.data.tiles.draw_window', lambda *_: Window(0, 166, 64, 64))
    windows = [dataset[index, 0]['data_samples'].window for index in range(4)]
    assert windows == [Window(*row[1:]) for row in dataset.tile_table.shown.tolist()]


def test_wrappers_see_tiles_as_images(files):
    config = dict(
        type='convnext_dense.CocoDataset',
        annotations=str(files[0]),
        images=str(files[1]),
        pipeline=PIPELINE,
        tiles=TILES,
    )
    dataset = build(files)
    both = DATASETS.build(dict(type='ConcatDataset', datasets=[config, config]))
    assert len(both) == 2 * len(dataset)
    balanced = DATASETS.build(dict(type='ClassBalancedDataset', dataset=config, oversample_thr=0.9))
    labels = [set(dataset.get_cat_ids(index)) for index in range(len(dataset.tile_table.shown))]
    shares = {label: sum(label in one for one in labels) / len(dataset) for label in (0, 1)}
    repeated = [max(max(1, (0.9 / shares[label]) ** 0.5) for label in one) for one in labels]
    assert len(balanced) == sum(np.ceil(repeated)) + dataset.tile_table.empty_used
    info = dataset.get_data_info((3, 5))
    assert (info['height'], info['width']) == (64, 64) and info['instances'] and info['image_size'] == SIZE
    assert dataset.image(1)[1] == SIZE and dataset.image_count == 2


def test_the_tiles_are_told_in_a_line(files, said):
    dataset = build(files)
    table = dataset.tile_table
    (line,) = [one for one in said if ' tiles of ' in one]
    assert (
        f'train: 2 images in 30 tiles of 64 x 64, of which {len(table.shown)} show something, {table.empty_used} of '
        f'the {len(table.empty)} empty ones in each epoch; '
    ) in line
    assert 'in tiles that have less than 30% of the box, ' in line
    assert '; 2 objects are learned in no tile, since none has 30% of the box: take larger tiles with --tile' in line
    assert dataset.ignore_regions > 2  # so that detectors which learn them as background are named


def test_pipelines_without_empty_samples_get_none(files, said):
    dataset = build(files, pipeline=[*PIPELINE[:2], dict(type='mmdet.FilterAnnotations'), PIPELINE[2]])
    assert dataset.tile_table.empty_used == 0 and len(dataset) == len(dataset.tile_table.shown)
    assert 'none of the' in said[0] and 'since FilterAnnotations of the pipeline leaves them out' in said[0]


def test_evaluation_is_on_whole_images_that_are_not_read(files):
    dataset = build(files, test_mode=True)
    assert len(dataset) == 2
    sample = dataset[1]
    assert sample['inputs'] == 'not read' and len(sample['data_samples']['instances']) == 9 and not sample['skipped']
    with dataset.open_whole(sample['data_samples']) as image:
        assert image.size == SIZE


def test_nothing_to_learn_is_refused(tmp_path):
    data = content(1)
    data['annotations'] = [annotation(1, 1, [0.0, 0.0, 230.0, 150.0])]
    with pytest.raises(UserError, match='nothing to learn from: train: 1 image in 15 tiles of 64 x 64, of which none'):
        build(write(tmp_path, data))


@pytest.mark.parametrize(('left', 'kept'), [(0, 0), (13, 0), (15, 1), (39.5, 1), (40, None)])
def test_clip_by_share(left, kept):
    """A box of 20 from 20 on: 6 pixels in the window are 30%."""
    instance = dict(bbox=[20, 0, 40, 10], bbox_label=4, ignore_flag=0, area=100.0)
    clipped = clip_instance(instance, Window(0, left + 21 - 21, 64, 64), SIZE, 0.3, MaskRule(False))
    if left >= 40:
        assert clipped is None
        return
    width = 40 - max(left, 20)
    assert clipped['bbox'][2] - clipped['bbox'][0] == width and clipped['area'] == 100 * width / 20
    assert clipped['ignore_flag'] == int(width / 20 < 0.3 or width < 1) or kept is not None


def test_an_object_without_a_pixel_in_the_window_is_not_there():
    corner = dict(bbox=[0, 0, 40, 40], bbox_label=4, ignore_flag=0, area=10.0, mask=[[0, 0, 8, 0, 0, 8]])
    window = Window(20, 20, 64, 64)
    assert clip_instance(corner, window, SIZE, 0.1, MaskRule(True)) is None
    assert clip_instance(corner, window, SIZE, 0.1, MaskRule(False))['ignore_flag'] == 0
    as_polygon = clip_instance(corner, Window(0, 0, 4, 64), SIZE, 0.05, MaskRule(True, True))['mask']
    assert rle.area(rle.merge(rle.frPyObjects(as_polygon, 4, 64))) > 20
