"""Parts of a config that cannot be built are named."""

import re

import pytest
import torch

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model, class_shapes
from tests.helpers.other_heads import write_head
from tests.helpers.run_tool import train


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('model.backbone.drop_paht_rate=0.1', 'model can.t be built.*drop_paht_rate'),
        ('model.backbone.arch=teeny', 'unknown arch .teeny.: take one of atto'),
        ('optim_wrapper.optimizer.type=Adamm', 'optim_wrapper can.t be built.*Adamm'),
        ('val_evaluator.type=Accuracyy', 'can.t be built.*Accuracyy'),
        ('train_dataloader.batch_size=500', '48 training images are fewer than one batch'),
        ('train_dataloader.batch_size=7', 'batch size must be even'),
        ('model.type=Classifier', 'Classifier is not in the'),
    ],
)
def test_option_that_cannot_be_built(error, image_folder, tmp_path, option, said):
    assert train(image_folder, tmp_path, '--epochs', '2', options=(option,)) == 2
    assert re.search(said, line := error()), line


def test_a_model_can_be_built_twice_from_one_config(tmp_path):
    """mmdet's DETR head writes a tensor into its config."""
    cfg = read_config(str(write_head('detr', tmp_path)), needs_data=False)
    text = cfg.pretty_text
    for _ in range(2):
        with torch.device('meta'):
            build_model(cfg)
        assert cfg.pretty_text == text


@pytest.mark.parametrize(
    ('name', 'shapes'),
    [
        (
            'fcos',
            {'bbox_head.conv_cls.weight': ((0, 16, 3, 3), (1, 0, 0, 0)), 'bbox_head.conv_cls.bias': ((0,), (1,))},
        ),
        (
            'retinanet',  # six anchors
            {
                'bbox_head.retina_cls.weight': ((0, 16, 3, 3), (6, 0, 0, 0)),
                'bbox_head.retina_cls.bias': ((0,), (6,)),
            },
        ),
        ('detr', {'bbox_head.fc_cls.weight': ((1, 32), (1, 0)), 'bbox_head.fc_cls.bias': ((1,), (1,))}),
        (
            'maskformer',
            {'decode_head.cls_embed.weight': ((1, 32), (1, 0)), 'decode_head.cls_embed.bias': ((1,), (1,))},
        ),
    ],
)
def test_shapes_with_the_number_of_classes_are_found_by_building_the_model(name, shapes, tmp_path):
    cfg = read_config(str(write_head(name, tmp_path)), needs_data=False)
    before, state = cfg.pretty_text, torch.get_rng_state()
    assert class_shapes(cfg) == shapes
    assert cfg.pretty_text == before and torch.equal(torch.get_rng_state(), state)


def test_a_head_of_one_channel_is_taken_for_one_of_two_classes_unless_asked(tmp_path):
    options = {'model.decode_head.out_channels': 1, 'model.decode_head.num_classes': 2}
    cfg = read_config(str(write_head('fcn', tmp_path)), options, needs_data=False)
    assert class_shapes(cfg) == {}
    assert list(class_shapes(cfg, channel_per_class=True)) == [
        'decode_head.conv_seg.weight',
        'decode_head.conv_seg.bias',
    ]
