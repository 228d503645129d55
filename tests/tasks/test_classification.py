"""Classification: an image folder's classes, and the numbers that go in and out of a classifier."""

import shutil

import numpy as np
import pytest

from convnext_dense.config.preprocessing import NOTHING, Chosen, follow_weights
from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.tasks.classification import ClassificationTask
from convnext_dense.weights.preprocessing import Preprocessing
from tests.conftest import write_image_folder

TASK = ClassificationTask()


def test_a_config_is_pointed_at_an_image_folder_and_read(tmp_path):
    root = write_image_folder(tmp_path / 'images')
    cfg = read_config('configs/classification/convnext_a.py', needs_data=False)
    TASK.point_at(cfg, str(root))
    assert {loader.dataset.root for loader in (cfg.train_dataloader, cfg.val_dataloader)} == {str(root)}
    assert TASK.count_classes(cfg) == 3
    data = TASK.read_data(cfg)
    assert (data.classes, [split.name for split in data.splits]) == (['blue', 'green', 'red'], ['train', 'val'])
    record = data.splits[1].images[-1]
    good, bad = (TASK.draw_record(data, record, 'a title', fault) for fault in ('', 'a fault'))
    assert bad.shape[0] == good.shape[0] + 25  # a line more
    assert (bad == (207, 34, 46)).all(axis=-1).any() and not (good == (207, 34, 46)).all(axis=-1).any()


def test_input_and_normalization_are_the_configs():
    options = {'test_dataloader.dataset.transform.input_size': 96}
    cfg = read_config('configs/classification/convnext_a.py', options, needs_data=False)
    assert TASK.input_shape(cfg) == TASK.counted_shape(cfg) == (96, 96)
    transform = TASK.build_transform(cfg.test_dataloader.dataset)
    mean, std, bgr, bands = TASK.normalization(None, transform)
    assert not bgr and bands is None
    assert mean.tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert std.tolist() == pytest.approx([58.395, 57.12, 57.375])
    prepared = TASK.prepare(transform, np.full((50, 70, 3), (124, 116, 104), np.uint8), 'a.jpg')
    assert prepared.path == 'a.jpg' and prepared.tensor.shape == (3, 96, 96)
    assert abs(prepared.tensor).max() < 0.02


@pytest.mark.parametrize(('kept', 'learnable'), [(['red'], False), (['blue', 'red'], True)])
def test_images_of_one_class_teach_nothing(tmp_path, kept, learnable):
    root = write_image_folder(tmp_path / 'images', train=4, val=1)
    for folder in root.glob('*/*'):
        if folder.name not in kept:
            shutil.rmtree(folder)
    cfg = read_config('configs/classification/convnext_a.py', data=str(root), reads='train')
    problems = [finding.message for finding in TASK.read_data(cfg).findings if finding.level == 'problem']
    if learnable:
        TASK.check_trainable(cfg)
        assert problems == []
        return
    said = f"the images in {root} are of one class only, 'red', so that there is nothing to learn: add a folder"
    with pytest.raises(UserError, match=said) as error:
        TASK.check_trainable(cfg)
    assert problems == [str(error.value)]
    cfg.train_dataloader = None
    TASK.check_trainable(cfg)  # a test of one class has its use


def test_a_probe_takes_training_images_as_validation_prepares_them():
    cfg = read_config('configs/classification/convnext_a.py', needs_data=False)
    cfg.train_dataloader.dataset.subset = dict(share=0.2, part='train')
    cfg.val_dataloader.dataset.transform.crop_ratio = 0.9
    (train,), (val,) = TASK.probed_datasets(cfg)
    assert (train.split, train.source, train.subset) == ('val', 'train', dict(share=0.2, part='train'))
    assert train.transform == val.transform == dict(input_size=224, crop_ratio=0.9)
    assert val is cfg.val_dataloader.dataset
    assert cfg.train_dataloader.dataset.split == 'train'


def test_a_probe_refuses_images_that_are_prepared_in_two_ways_and_data_of_others():
    cfg = read_config('configs/classification/convnext_a.py', needs_data=False)
    one = cfg.val_dataloader.dataset
    other = one.__class__({**one, 'transform': dict(input_size=64)})
    cfg.val_dataloader.dataset = one.__class__(type='ConcatDataset', datasets=[one, other])
    with pytest.raises(UserError, match='2 data sets of val_dataloader have different values of transform'):
        TASK.probed_datasets(cfg)
    cfg.val_dataloader.dataset = one.__class__(type='ImageNet', data_root='x')
    with pytest.raises(UserError, match='the config has a ImageNet: take --data PATH'):
        TASK.probed_datasets(cfg)


def test_the_normalization_is_that_of_the_transforms_which_training_and_tests_share():
    cfg = read_config('configs/classification/convnext_t_22k_to_1k_384.py', needs_data=False)
    found = TASK.preprocessing(cfg)
    assert found.is_imagenets and (found.input_size, found.crop_ratio, found.crop_mode) == ((384, 384), 1.0, 'squash')
    wanted = Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), (64, 64), 0.9, 'bilinear', 'center')
    TASK.set_preprocessing(
        cfg, wanted, ('mean', 'std', 'input_size', 'crop_ratio', 'crop_mode', 'interpolation', 'border')
    )
    assert TASK.preprocessing(cfg) == wanted
    train, test = (cfg[f'{split}_dataloader'].dataset.transform for split in ('train', 'test'))
    assert (train.mean, train.std, train.interpolation, train.input_size) == (wanted.mean, wanted.std, 'bilinear', 384)
    assert 'crop_ratio' not in train and 'border' not in test
    TASK.build_transform(cfg.test_dataloader.dataset)
    cfg.test_dataloader.dataset.transform.std = (0.4, 0.5, 0.7)
    with pytest.raises(UserError, match=r'normalizes some images with .*0\.6 and others with .*0\.7: set mean'):
        TASK.preprocessing(cfg)


@pytest.mark.parametrize('key', ['mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr'])
def test_a_second_normalization_in_the_model_is_refused(key):
    value = True if 'to' in key else [123.675, 116.28, 103.53]
    for of_model in (True, False):
        cfg = read_config('configs/classification/convnext_t.py', needs_data=False)
        (cfg.model if of_model else cfg).data_preprocessor = dict(type='ImgDataPreprocessor', **{key: value})
        with pytest.raises(UserError, match=rf'^model\.data_preprocessor has {key}, and the transforms .* --std$'):
            TASK.preprocessing(cfg)
        with pytest.raises(UserError, match=rf'^model\.data_preprocessor has {key}'):
            follow_weights(cfg, NOTHING, Chosen((0.5,) * 3, (0.5,) * 3))
    for loader in ('train', 'val', 'test'):
        cfg[f'{loader}_dataloader'].dataset = dict(type='mmpretrain.CustomDataset', pipeline=[])
    assert TASK.preprocessing(cfg) is None  # which may leave it to the model
    plain = read_config('configs/classification/convnext_t.py', needs_data=False)
    plain.model.data_preprocessor = dict(type='ImgDataPreprocessor', pad_size_divisor=32)
    assert TASK.preprocessing(plain).is_imagenets
