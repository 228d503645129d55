"""Segmentation: masks of a config, the shapes that a segmentor is tested and counted at, drawn label maps."""

import numpy as np
import pytest
import torch

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results.drawing import palette
from convnext_dense.tasks.segmentation import SegmentationTask
from tests.helpers.mask_folder import COLORS, draw_labels, write_mask_folder
from tests.helpers.other_heads import write_head

TASK = SegmentationTask()
CONFIG = 'configs/seg/upernet_convnext_a_ade20k.py'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def test_a_config_is_pointed_at_masks_and_read(tmp_path):
    root = write_mask_folder(tmp_path / 'data')
    cfg = read_config(CONFIG, needs_data=False)
    TASK.point_at(cfg, str(root))
    assert {loader.dataset.root for loader in (cfg.train_dataloader, cfg.test_dataloader)} == {str(root)}
    data = TASK.read_data(cfg)
    assert TASK.count_classes(cfg) == len(data.classes) > 1
    drawn = TASK.draw_ground_truth(data, data.splits[1].images[0])
    assert drawn.shape[1] <= 530 and drawn.shape[0] <= 660
    labels = draw_labels(0)
    factor = drawn.shape[1] / labels.shape[1]
    inner = [np.roll(labels, shift, axis) == labels for axis in (0, 1) for shift in (-1, 1)]
    for y, x in np.argwhere(np.all(inner, axis=0) & (labels > 0))[::37]:
        color = 0.45 * COLORS[labels[y, x]] + 0.55 * palette(len(data.classes))[labels[y, x] - 1]
        assert np.abs(drawn[int((y + 0.5) * factor), int((x + 0.5) * factor)] - color).max() < 25


def test_a_segmentor_is_tested_at_its_window_and_counted_at_four_times_its_crop():
    cfg = read_config(CONFIG, {'model.test_cfg.crop_size': (64, 96)}, needs_data=False)
    assert TASK.input_shape(cfg) == (64, 96)
    assert TASK.counted_shape(cfg) == (512, 2048)
    TASK.set_training_shape(cfg, ImageSize(128, 160))
    assert TASK.counted_shape(cfg) == (128, 512)


def test_the_stock_segmentor_becomes_ours_for_prediction():
    cfg = read_config(CONFIG, {'model.type': 'mmseg.EncoderDecoder'}, needs_data=False)
    TASK.prepare_config(cfg)
    assert cfg.model.type == 'convnext_dense.Segmentor'


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('fcn', None),
        ('segformer', None),
        ('deeplab', None),
        ('ocrnet', 'its heads refine the logits of one another, which has no graph'),
        ('maskformer', 'its MaskFormerHead predicts the masks and classes of queries, not the logits of each pixel'),
        (
            'mask2former_seg',
            'its Mask2FormerHead predicts the masks and classes of queries, not the logits of each pixel',
        ),
    ],
)
def test_heads_are_exported_and_counted_or_named(name, reason, tmp_path):
    cfg = read_config(str(write_head(name, tmp_path)), needs_data=False)
    model = build_model(cfg).eval()
    for output in ('logits', 'labels'):
        assert TASK.export_obstacle(model, output) == reason
    assert TASK.export_obstacle(model, 'features') is None
    with torch.no_grad():
        said = TASK.run_counted(model, torch.zeros(1, 3, 64, 64))
    assert said.startswith('backbone and decode head')


def test_a_config_without_sizes_has_those_of_the_recipes(tmp_path):
    cfg = read_config(str(write_head('fcn', tmp_path)), needs_data=False)
    assert (TASK.input_shape(cfg), TASK.counted_shape(cfg)) == ((32, 32), (32, 128))
    cfg.model.test_cfg, cfg.model.data_preprocessor = dict(mode='whole'), dict(size_divisor=32)
    assert (TASK.input_shape(cfg), TASK.counted_shape(cfg)) == ((512, 512), (512, 2048))
