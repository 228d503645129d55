"""The thinnest images that a detector's anchors allow, against mmdet's own choice of the anchors inside an image."""

from pathlib import Path

import pytest
import torch
from mmdet.models.task_modules.prior_generators import AnchorGenerator, anchor_inside_flags

from convnext_dense.config.read import read_config
from convnext_dense.tasks import DetectionTask
from convnext_dense.tasks.anchors import least_side

RECIPE = dict(strides=[4, 8, 16, 32, 64], ratios=[0.5, 1.0, 2.0], scales=[8])
SMALL = dict(strides=[4, 8, 16, 32, 64], ratios=[0.5, 1.0, 2.0], scales=[4])
RETINA = dict(strides=[8, 16, 32, 64, 128], ratios=[0.5, 1.0, 2.0], octave_base_scale=4, scales_per_octave=3)
SQUARE = dict(strides=[8, 16], ratios=[1.0], scales=[8])


@pytest.mark.parametrize('anchors', [RECIPE, SMALL, RETINA, SQUARE])
@pytest.mark.parametrize('border', [0, 1, 4])
def test_the_least_side_is_that_of_the_smallest_anchor(anchors, border):
    model = dict(
        rpn_head=dict(anchor_generator=dict(type='mmdet.AnchorGenerator', **anchors)),
        train_cfg=dict(rpn=dict(allowed_border=border)),
    )
    side = least_side(model)
    generator = AnchorGenerator(**anchors)

    def fits(height):
        sizes = [(-(-height // s), 1333 // s) for s in anchors['strides']]
        flat = torch.cat(generator.grid_priors(sizes, device='cpu'))
        valid = torch.ones(len(flat), dtype=torch.bool)
        return bool(anchor_inside_flags(flat, valid, (height, 1333), border).any())

    assert fits(side)
    assert not fits(side - 1)
    if anchors is RECIPE and border == 0:
        assert side == 24


def test_anchors_over_the_border_and_heads_without_anchors_learn_all_images():
    anchors = dict(rpn_head=dict(anchor_generator=dict(type='mmdet.AnchorGenerator', **RECIPE)))
    assert least_side(dict(anchors, train_cfg=dict(rpn=dict(allowed_border=-1)))) == 0
    assert least_side(dict(anchors, train_cfg=None)) == 0
    assert least_side(dict(bbox_head=dict(type='mmdet.FCOSHead'), train_cfg=dict(allowed_border=0))) == 0


@pytest.mark.parametrize(
    ('config', 'border', 'side'),
    [
        ('cascade_convnext_t_coco', None, 24),
        ('cascade_convnext_t_coco', -1, 0),  # as the error in training advises
        ('mask_rcnn_convnext_t_coco', None, 0),
        ('mask_rcnn_convnext_t_coco', 0, 24),
    ],
)
def test_the_task_sets_it_in_the_training_data(config, border, side):
    options = {} if border is None else {'model.train_cfg.rpn.allowed_border': border}
    file = next(Path('configs/det').glob(f'{config}*.py'))
    cfg = read_config(str(file), options, needs_data=False)
    cfg.train_dataloader.dataset.least_side = 7  # of another model, as a saved config may have it
    DetectionTask().settle(cfg)
    assert cfg.train_dataloader.dataset.least_side == side
    assert 'least_side' not in cfg.val_dataloader.dataset
