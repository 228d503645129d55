"""``--copy-paste`` in configs: what it wraps, and what it refuses."""

import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS, DefaultScope

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from tests.helpers import coco_files

CASCADE = 'configs/det/cascade_convnext_a_coco.py'


@pytest.fixture(scope='module')
def coco(tmp_path_factory):
    root = tmp_path_factory.mktemp('coco')
    for split in ('train', 'val'):
        coco_files.write(root, coco_files.content(), split)
    return root


def config(path=CASCADE, data=None, prob=1.0, **options):
    return read_config(path, options, data and str(data), needs_data=data is not None, copy_paste=prob)


def test_reading_stays_inside_and_the_rest_is_mixed():
    plain, cfg = (config(prob=prob).train_dataloader.dataset for prob in (None, 0.3))
    step = dict(type='convnext_dense.CopyPaste', prob=0.3)
    assert cfg.type == 'convnext_dense.MixedImages'
    assert cfg.dataset == {**plain, 'pipeline': plain.pipeline[:2]}
    assert cfg.pipeline == [*plain.pipeline[2:-1], step, plain.pipeline[-1]]


def test_mosaics_are_pasted_into_as_they_are():
    options = {'train_dataloader.dataset.dataset.pipeline.1.with_mask': True}
    with pytest.raises(UserError, match='--copy-paste 1 pastes objects by their masks, and this config loads none'):
        config('configs/det/rtmdet_convnext_t_coco.py')
    cfg = config('configs/det/rtmdet_convnext_t_coco.py', **options).train_dataloader.dataset
    assert [step.type for step in cfg.pipeline[-2:]] == ['convnext_dense.CopyPaste', 'mmdet.PackDetInputs']
    assert cfg.dataset.type == 'convnext_dense.CocoDataset'


def test_other_configs_are_refused():
    with pytest.raises(UserError, match='is for detection with masks: leave it out, since the config is for class'):
        config('configs/classification/convnext_a.py')
    with pytest.raises(UserError, match='leave it out, since the config is for panoptic'):
        config('configs/panoptic/mask2former_convnext_a_coco.py')
    twice = {'train_dataloader.dataset.pipeline.2.type': 'mmdet.CopyPaste'}
    with pytest.raises(UserError, match='pastes already: set prob of its CopyPaste'):
        config(**twice)
    with pytest.raises(UserError, match='without a pipeline that ends with packing: put'):
        config(**{'train_dataloader.dataset.pipeline.4.type': 'mmdet.Other'})


def test_samples_have_pasted_objects_and_depend_on_their_seed(coco):
    cfg = config(data=coco)
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    own = {0: 3, 1: 2, 2: 1}  # objects of each image, with a crowd
    counts = {index: set() for index in own}
    for seed in range(12):
        for index in own:
            objects = dataset[index, seed]['data_samples']
            new, ignored = objects.gt_instances, objects.ignored_instances
            counts[index].add(len(new.labels) + len(ignored.labels))
            assert len(ignored.labels) <= (index == 1)  # the crowd is in the second image alone
            for box, mask in zip(new.bboxes.tensor.numpy(), new.masks.masks, strict=True):
                assert mask.any()
                ys, xs = np.nonzero(mask)
                inside = [xs.min() - box[0], ys.min() - box[1], box[2] - xs.max() - 1, box[3] - ys.max() - 1]
                assert min(inside) > -8  # enlarged 10 times
    assert max(counts[2]) > 1
    first, again, other = dataset[0, 4], dataset[0, 4], dataset[0, 5]
    assert torch.equal(first['inputs'], again['inputs'])
    assert first['inputs'].shape != other['inputs'].shape or not torch.equal(first['inputs'], other['inputs'])


def test_data_without_masks_are_refused(tmp_path):
    content = coco_files.content()
    for one in content['annotations']:
        del one['segmentation']
    for split in ('train', 'val'):
        coco_files.write(tmp_path, content, split)
    with pytest.raises(
        UserError, match='CopyPaste pastes objects by their masks, and the training data have no masks'
    ):
        config(data=tmp_path)
