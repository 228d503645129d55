"""Images that are too thin for a detector's anchors."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.thin_images import is_too_thin, resized_long_side
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import tile_size
from convnext_dense.tasks import DetectionTask
from tests.helpers import coco_files

PIPELINE = [
    dict(
        type='mmcv.RandomChoiceResize',
        scales=[(480, 1333), (800, 1333)],
        resize_type='mmdet.Resize',
        keep_ratio=True,
    )
]


@pytest.mark.parametrize(
    ('size', 'long_side', 'expected'),
    [
        ((40, 12000), 1333, True),
        ((12000, 40), 1333, True),
        ((40, 2000), 1333, False),
        ((216, 12000), 1333, True),  # 23.99 pixels
        ((217, 12000), 1333, False),
        ((23, 100), 1333, False),  # images are enlarged
        ((40, 12000), None, False),
    ],
)
def test_an_image_is_too_thin_after_it_is_resized(size, long_side, expected):
    assert is_too_thin(ImageSize(*size), long_side, 24) == expected
    assert not is_too_thin(ImageSize(*size), long_side, 0)


def test_the_long_side_is_the_smallest_of_all_branches_that_keep_the_ratio():
    cfg = read_config('configs/det/cascade_convnext_t_coco.py', needs_data=False)
    assert resized_long_side(cfg.train_dataloader.dataset.pipeline) == 1333
    branches = [[dict(keep_ratio=True, scales=[(400, 4200), (500, 4200)])], [dict(keep_ratio=True, scale=(1333, 800))]]
    assert resized_long_side([dict(type='a'), dict(transforms=branches)]) == 1333
    assert resized_long_side([dict(scale=[(300, 200), (250, 100)], keep_ratio=True)]) == 250
    assert resized_long_side([dict(type='mmdet.Resize', scale=(640, 640))]) is None  # it stretches a thin image
    assert resized_long_side([dict(type='mmdet.PackDetInputs')]) is None


def write_with_thin(folder, *numbers):
    """A COCO file in which these images are 12000 pixels wide and 40 high, as their files are not."""
    content = coco_files.content()
    for number in numbers:
        content['images'][number].update(height=40, width=12000)
    for annotation in content['annotations']:
        annotation.pop('segmentation', None)
        annotation.update(iscrowd=0, bbox=[5, 6, 20, 30])
    return tuple(map(str, coco_files.write(folder, content)))


def test_they_are_left_out_of_training_and_named(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr('convnext_dense.data.detection.dataset.print_log', lambda line, *_: told.append(line))
    files = write_with_thin(tmp_path, 0)
    options = dict(pipeline=PIPELINE, least_side=24, filter_cfg=dict(filter_empty_gt=True, min_size=32))
    kept = CocoDataset(*files, **options)
    names = [entry['img_path'][-7:] for entry in map(kept.get_data_info, range(len(kept)))]
    assert names == ['001.png', '004.png']
    assert told[-1] == 'train2017: left out: 1 image too thin for the anchors of a detector: 000.png'
    assert len(CocoDataset(*files, **options, test_mode=True)) == 4
    assert len(CocoDataset(*files, pipeline=PIPELINE, least_side=24)) == 3  # an empty one is kept without a filter
    assert len(CocoDataset(*files, pipeline=PIPELINE)) == 4  # a detector that learns all images


def test_a_data_set_of_nothing_else_is_refused(tmp_path):
    files = write_with_thin(tmp_path, 0, 1, 2)
    with pytest.raises(UserError, match=r'nothing to learn from: .*3 images too thin'):
        CocoDataset(*files, pipeline=PIPELINE, least_side=24, filter_cfg=dict(filter_empty_gt=True))


def test_a_check_finds_what_training_leaves_out(tmp_path):
    annotations, images = write_with_thin(tmp_path, 1)
    source = dict(annotations=annotations, images=images, pipeline=PIPELINE)
    assert not [f for f in read_coco_files({'train': source}).findings if 'too thin' in f.message]
    sources = {split: dict(source, least_side=24) for split in ('train', 'val')}
    found = [f for f in read_coco_files(sources).findings if 'too thin' in f.message]
    assert [(f.split, f.message[:14]) for f in found] == [('train', '1 image too th')]
    assert found[0].items[0].endswith('001.png')


@pytest.mark.parametrize(('border', 'count'), [(0, 1), (-1, 0)])
def test_the_check_of_a_config_asks_its_model(tmp_path, border, count):
    annotations, images = write_with_thin(tmp_path, 1)
    options = {'model.train_cfg.rpn.allowed_border': border}
    cfg = read_config('configs/det/mask_rcnn_convnext_t_coco.py', options, needs_data=False)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(annotations=annotations, images=images)
    cfg.train_dataloader.dataset.filter_cfg = None  # the file has no masks
    found = [f for f in DetectionTask().read_data(cfg).findings if 'too thin' in f.message]
    assert [f.split for f in found] == ['train'] * count


def test_of_an_image_in_tiles_the_tiles_count():
    thin, tile = ImageSize(100, 2000), ImageSize(640, 640)
    assert is_too_thin(thin, 1333, 100) and not is_too_thin(tile_size(thin, tile), 1333, 100)
