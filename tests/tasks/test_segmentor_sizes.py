"""Sizes of images in segmentors' configs: one for the crops sets all others."""

import pytest
from mmengine.config import Config

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import task_of


def read(image_size: ImageSize | None = None) -> Config:
    return read_config('configs/seg/upernet_convnext_t_ade20k.py', needs_data=False, image_size=image_size)


def test_one_size_sets_crops_and_windows_and_changes_the_others_in_proportion():
    cfg = read(ImageSize(240, 320))
    train, test = cfg.train_dataloader.dataset.pipeline, cfg.test_dataloader.dataset.pipeline
    assert (train[2].scale, train[3].crop_size, test[1].scale) == ((960, 240), (240, 320), (960, 240))
    assert cfg.val_dataloader.dataset.pipeline[1].scale == (960, 240)
    assert [step.scale[1] for step in cfg.tta_pipeline[1].transforms[0]] == [120, 180, 240, 300, 360, 420]
    window = cfg.model.test_cfg
    assert cfg.model.data_preprocessor.size == window.crop_size == (240, 320)
    assert window.stride == (160, 213)
    task = task_of(cfg)
    assert (task.input_shape(cfg), task.counted_shape(cfg)) == ((240, 320), (240, 960))
    assert task.training_side(cfg) == 240 * 1.25
    assert task.describe_sizes(cfg) == (
        'crops of 240 x 320 in training, padded to 240 x 320, windows of 240 x 320 in testing'
    )
    assert read(ImageSize(512, 512)).to_dict() == read().to_dict()


def test_the_window_and_the_share_of_its_stride_are_set_with_the_crops():
    cfg = read()
    task_of(cfg).set_image_size(cfg, ImageSize(96, 160))
    window = cfg.model.test_cfg
    assert cfg.train_dataloader.dataset.pipeline[3].crop_size == window.crop_size == (96, 160)
    assert window.stride == (64, 107)  # 341 of 512, as in the recipe


def test_a_training_pipeline_without_crops_has_no_size_to_set():
    cfg = read()
    del cfg.train_dataloader.dataset.pipeline[3]
    with pytest.raises(UserError, match='--image-size 96 96: the training pipeline of this config has no crop to set'):
        task_of(cfg).set_image_size(cfg, ImageSize(96, 96))
