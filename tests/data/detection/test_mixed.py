"""Samples of several images: which ones, after which steps, and by which seeds."""

import random

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.logging import MMLogger

from convnext_dense.data.detection import mixing  # noqa: F401 - registers the steps
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.mixed import MixedImages
from convnext_dense.data.foreign import classes_of, with_seeds
from convnext_dense.data.sampler import seeded
from convnext_dense.errors import UserError
from convnext_dense.registry import DATASETS
from tests.helpers import coco_files

LOAD = [dict(type='convnext_dense.LoadImage'), dict(type='mmdet.LoadAnnotations', with_bbox=True)]
PACK = dict(type='mmdet.PackDetInputs')
MOSAIC = dict(type='convnext_dense.Mosaic', img_scale=(64, 48))
MIX_UP = dict(type='convnext_dense.MixUp', img_scale=(64, 64), ratio_range=(1.0, 1.0), flip_ratio=1.0)


@pytest.fixture(scope='module')
def inside(tmp_path_factory) -> CocoDataset:
    path, images = coco_files.write(tmp_path_factory.mktemp('coco'), coco_files.content())
    return CocoDataset(str(path), str(images), LOAD, filter_cfg=dict(filter_empty_gt=True))


class Seen:
    """A step that records what the steps before it have made of the images."""

    def __init__(self) -> None:
        self.shapes, self.mixed = [], []

    def __call__(self, results: dict) -> dict:
        self.shapes.append(results['img'].shape[:2])
        self.mixed.append('mix_results' in results)
        return results


def test_a_sample_depends_on_its_seed_alone(inside):
    mixed = MixedImages(inside, [MOSAIC, MIX_UP, PACK])
    assert with_seeds(mixed) is mixed and len(mixed) == len(inside)
    assert classes_of(mixed) == list(inside.metainfo['classes'])
    first = mixed[0, 5]
    random.seed(1)
    state = random.getstate()
    again = mixed[0, 5]
    assert random.getstate() == state
    assert torch.equal(first['inputs'], again['inputs'])
    assert torch.equal(*(one['data_samples'].gt_instances.bboxes.tensor for one in (first, again)))
    assert not all(torch.equal(first['inputs'], mixed[0, seed]['inputs']) for seed in range(6, 9))
    assert first['path'] == inside.image(0)[0] and first['skipped'] == []


def test_the_other_image_of_a_mixed_pair_is_a_mosaic_too(inside):
    """As in mmdet's CachedMixUp: it has been through all steps before."""
    mixed, seen = MixedImages(inside, [MOSAIC]), Seen()
    mixed.pipeline = Compose([MOSAIC, seen, MIX_UP, PACK])
    mixed[0, 3]
    assert seen.shapes == [(96, 128), (96, 128)]
    assert seen.mixed == [False, False]


def test_the_other_image_of_a_plain_mix_is_that_of_the_data_set(inside):
    """As in mmdet's MultiImageMixDataset, with which the same images are drawn and the same samples made."""
    mixed, seen = MixedImages(inside, [], mixes_plain=True), Seen()
    mixed.pipeline = Compose([MOSAIC, seen, MIX_UP, PACK])
    mixed[0, 3]
    assert seen.shapes == [(96, 128)]
    pipeline = [MOSAIC, dict(type='mmdet.RandomAffine', border=(-32, -24)), MIX_UP, PACK]
    ours = MixedImages(inside, pipeline, mixes_plain=True)
    theirs = DATASETS.build(dict(type='mmdet.MultiImageMixDataset', dataset=inside, pipeline=pipeline))
    with seeded(11):
        expected = theirs[0]
    sample = ours[0, 11]
    assert torch.equal(sample['inputs'], expected['inputs'])
    boxes = [one['data_samples'].gt_instances.bboxes.tensor for one in (sample, expected)]
    assert len(boxes[0])
    assert torch.equal(*boxes)


def test_the_hook_of_yolox_leaves_out_steps(inside, monkeypatch):
    mixed, image = MixedImages(inside, [MOSAIC, MIX_UP, PACK]), inside[0]['img']
    mixed.update_skip_type_keys((MOSAIC['type'], MIX_UP['type']))
    assert np.array_equal(mixed[0, 1]['inputs'].permute(1, 2, 0), image)
    said = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', said.append)
    monkeypatch.setattr(MMLogger.get_current_instance(), 'warning', said.append)
    mixed.update_skip_type_keys((MOSAIC['type'], 'mmdet.MixUp'))
    assert said == [
        f'left out of the training pipeline from now on: {MOSAIC["type"]}',
        f'MixUp of the training pipeline will go on mixing images: the steps to leave out are {MOSAIC["type"]}, '
        'mmdet.MixUp',
    ]
    said.clear()
    MixedImages(inside, [PACK]).update_skip_type_keys((MOSAIC['type'],))
    assert not said, 'nothing is mixed anyway'


def test_all_images_are_drawn_and_none_after_the_last(inside):
    drawn = []

    class Draw:
        def get_indexes(self, dataset):
            drawn.append(random.randrange(len(dataset)))
            return drawn[-1]

        def __call__(self, results):
            return results

    mixed = MixedImages(inside, [])
    mixed.pipeline = Compose([Draw(), PACK])
    for seed in range(40):
        mixed[0, seed]
    assert set(drawn) == set(range(len(inside)))


def test_where_a_step_leaves_nothing_the_next_image_is_taken(inside):
    class Drop:
        def __call__(self, results):
            return None if results['img_id'] == inside.get_data_info(0)['img_id'] else results

    mixed = MixedImages(inside, [])
    mixed.pipeline = Compose([Drop(), PACK])
    assert mixed[0, 1]['path'] == inside.image(1)[0]
    mixed.pipeline = Compose([lambda results: None])
    with pytest.raises(UserError, match='no training image can be used'):
        mixed[0, 1]


def test_a_mosaic_has_the_objects_of_its_images(inside):
    """Their colors are at the centers of their boxes."""
    colors = np.array([coco_files.COLORS[name] for name in inside.metainfo['classes']])
    mixed, looked = MixedImages(inside, [MOSAIC, PACK]), 0
    for seed in range(6):
        sample = mixed[1, seed]
        objects, image = sample['data_samples'].gt_instances, sample['inputs'].numpy()[::-1]  # RGB
        assert image.shape == (3, 96, 128)
        for box, label in zip(objects.bboxes.tensor.tolist(), objects.labels.tolist(), strict=True):
            if min(box[2] - box[0], box[3] - box[1]) > 4:  # not one cut off at an edge
                x, y = int((box[0] + box[2]) / 2), int((box[1] + box[3]) / 2)
                looked += 1
                assert np.abs(colors - image[:, y, x]).sum(axis=1).argmin() == label
    assert looked > 10
