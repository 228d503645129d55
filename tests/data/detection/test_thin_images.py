"""Images that are too thin for a detector's anchors."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.thin_images import is_too_thin, longest_side
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from tests.helpers import coco_files

PIPELINE = [dict(type='mmcv.RandomChoiceResize', scales=[(480, 1333), (800, 1333)], resize_type='mmdet.Resize')]


@pytest.mark.parametrize(
    ('size', 'longest', 'expected'),
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
def test_an_image_is_too_thin_after_it_is_resized(size, longest, expected):
    assert is_too_thin(ImageSize(*size), longest) == expected


def test_the_longest_side_is_that_of_any_step():
    cfg = read_config('configs/det/cascade_convnext_t_coco.py', needs_data=False)
    assert longest_side(cfg.train_dataloader.dataset.pipeline) == 1333
    assert longest_side([dict(type='a'), dict(transforms=[[dict(scale=(300, 200))]])]) == 300
    assert longest_side([dict(type='mmdet.PackDetInputs')]) is None


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
    options = dict(pipeline=PIPELINE, filter_cfg=dict(filter_empty_gt=True, min_size=32))
    kept = CocoDataset(*files, **options)
    names = [entry['img_path'][-7:] for entry in map(kept.get_data_info, range(len(kept)))]
    assert names == ['001.png', '004.png']
    assert told[-1] == 'train2017: left out: 1 image too thin for the anchors of a detector: 000.png'
    assert len(CocoDataset(*files, **options, test_mode=True)) == 4
    assert len(CocoDataset(*files, pipeline=PIPELINE)) == 3  # an empty one is kept without a filter


def test_a_data_set_of_nothing_else_is_refused(tmp_path):
    files = write_with_thin(tmp_path, 0, 1, 2)
    with pytest.raises(UserError, match=r'nothing to learn from: .*3 images too thin'):
        CocoDataset(*files, pipeline=PIPELINE, filter_cfg=dict(filter_empty_gt=True))


def test_a_check_finds_what_training_leaves_out(tmp_path):
    annotations, images = write_with_thin(tmp_path, 1)
    sources = {split: dict(annotations=annotations, images=images, pipeline=PIPELINE) for split in ('train', 'val')}
    found = [f for f in read_coco_files(sources).findings if 'too thin' in f.message]
    assert [(f.split, f.message[:14]) for f in found] == [('train', '1 image too th')]
    assert found[0].items[0].endswith('001.png')
