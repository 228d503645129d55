from functools import cache

import numpy as np
import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data.check.records import NOTE, WARNING, ImageRecord, SplitRecords
from convnext_dense.data.check.small_objects import count_tiles, find_small, object_sizes, sizes_in_records
from convnext_dense.data.seen_sizes import UNKNOWN, SeenSizes
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks.tiles import TileOptions, seen_in_training
from convnext_dense.tiling.settings import TileSettings

DETECTORS = ('det/mask_rcnn_convnext_t_coco', 'det/rtmdet_convnext_t_coco', 'det/mask2former_convnext_t_coco')
LARGE = [ImageSize(3000, 3000)] * 12


@cache
def seen(config, **options):
    return seen_in_training(read_config(f'configs/{config}.py', needs_data=False, **options))


def sizes_of_coco(rng, count):
    """Draw sizes of objects of which many are small and few large, by the limits of 32 and 96 pixels of COCO's AP."""
    kinds = rng.choice(3, count, p=(0.42, 0.34, 0.24))
    low, high = np.array([4, 32, 96])[kinds], np.array([32, 96, 400])[kinds]
    return rng.uniform(low, high).tolist()


@pytest.mark.parametrize('config', DETECTORS)
def test_coco_and_usual_photos_are_not_said(config):
    sizes = [ImageSize(480, 640)] * 30 + [ImageSize(640, 427)] * 10
    objects = [
        (size, side) for size, side in zip(sizes * 20, sizes_of_coco(np.random.default_rng(0), 800), strict=True)
    ]
    assert not list(find_small('train', sizes, objects, seen(config)))
    assert not list(find_small('train', [ImageSize(1080, 1920)] * 4, [(ImageSize(1080, 1920), 60.0)], seen(config)))


@pytest.mark.parametrize('size', [(512, 683), (256, 256), (1024, 2048), (1500, 2000)])  # ADE20K's, and Cityscapes'
def test_ade20k_and_cityscapes_are_not_said(size):
    for config in ('seg/upernet_convnext_t_ade20k', 'seg/mask2former_convnext_t_ade20k'):
        assert not list(find_small('train', [ImageSize(*size)], [], seen(config)))


def test_large_images_are_said_with_the_size_of_tiles():
    [finding] = find_small('train', LARGE, [], seen('seg/upernet_convnext_t_ade20k'))
    assert finding == (
        NOTE,
        'train',
        'images of 3000 x 3000 (height x width, the median of 12) are shrunk 4.7 times on average before the network '
        'sees them',
        '--tile 512 trains and predicts on tiles at their own size',
        (),
        (),
    )


def test_objects_that_come_out_small_are_a_warning():
    objects = [(LARGE[0], 12.0)] * 3 + [(LARGE[0], 900.0)]
    [finding] = find_small('train', LARGE, objects, seen(DETECTORS[0]))
    assert finding.level == WARNING
    assert finding.message.endswith(
        'before the network sees them; 75% of 4 objects come out under 8 pixels: the median object has 12 pixels a '
        'side, and 2.6 in the network'  # 12 * 640 / 3000
    )
    assert finding.fix == '--tile 640 trains and predicts on tiles at their own size'


def test_objects_that_are_small_themselves_are_enlarged():
    size = ImageSize(640, 640)
    [finding] = find_small('train', [size], [(size, 3.0)] * 4, SeenSizes(((640, 640),)))
    assert finding.message == (
        '100% of 4 objects come out under 8 pixels: the median object has 3 pixels a side, and 3 in the network'
    )
    assert finding.fix == '--tile 192 --image-size 576 576 trains and predicts on tiles, enlarged 3 times'
    inside = SeenSizes(((576, 576),), ImageSize(192, 192))
    assert not list(find_small('train', [size], [(size, 3.0)] * 4, inside))  # which helps


@pytest.mark.parametrize('config', [*DETECTORS, 'seg/upernet_convnext_t_ade20k'])
def test_nothing_is_said_with_the_tiles_that_it_names(config):
    objects = [(LARGE[0], 12.0)] * 4
    [finding] = find_small('train', LARGE, objects, seen(config))
    tile = int(finding.fix.split()[1])
    assert not list(find_small('train', LARGE, objects, seen(config, tiles=TileOptions(ImageSize(tile, tile)))))


def test_tiles_that_are_shrunk_are_said():
    shrunk = seen(DETECTORS[0], tiles=TileOptions(ImageSize(2400, 2400)), image_size=ImageSize(640, 640))
    [finding] = find_small('train', LARGE, [], shrunk)
    assert finding.message == 'tiles of 2400 x 2400 are shrunk 4.7 times on average before the network sees them'


def test_nothing_is_said_where_nothing_is_known():
    assert not list(find_small('train', LARGE, [], UNKNOWN))
    assert not list(find_small('train', [], [], SeenSizes(((64, 64),))))


def test_objects_that_are_learned_count():
    size = ImageSize(100, 200)
    truth = {
        'instances': [
            {'bbox': [10, 10, 30, 15], 'ignore_flag': 0},
            {'bbox': [0, 0, 50, 50], 'ignore_flag': 1},
            {'bbox': [5, 5, 5, 9], 'ignore_flag': 0},
        ]
    }
    assert list(object_sizes(size, truth)) == [(size, 10.0)]
    segments = [
        {'label': 0, 'iscrowd': 0, 'area': 49},
        {'label': 0, 'iscrowd': 1, 'area': 25},
        {'label': 2, 'iscrowd': 0, 'area': 9},  # of stuff
        {'label': 1, 'iscrowd': 0, 'area': None},
    ]
    assert list(object_sizes(size, {'panoptic': {'segments': segments, 'things': 2}})) == [(size, 7.0)]
    used = ImageRecord('a.png', instances=truth['instances'], size=size, segments=segments)
    split = SplitRecords('train', [used, used._replace(is_read=False), used._replace(size=None)])
    assert sizes_in_records(split, things=2) == [(size, 10.0), (size, 7.0)]


def test_tiles_are_counted():
    sizes = [ImageSize(1000, 640), ImageSize(100, 100)]
    # starts 0 and 360 of 1000 rows, and 0 of 640 columns
    assert count_tiles('val', sizes, TileSettings(ImageSize(640, 640))).message == (
        '2 images in 3 tiles of 640 x 640 with an overlap of 0.2'
    )
