"""Pre-training as a task: where its data are, what it counts, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.analysis.complexity import count_config
from convnext_dense.config.read import read_config
from convnext_dense.data.splits import SplitRule
from convnext_dense.engine.building import build_model
from convnext_dense.errors import NoData, UserError
from convnext_dense.inference.predictor import Predictor
from convnext_dense.io.image_size import ImageSize
from convnext_dense.registry import DATASETS
from convnext_dense.tasks import TASKS, ClassInfo, DataOptions
from convnext_dense.tuning.plan import watched_metric

CONFIG = 'configs/pretrain/fcmae_convnextv2_a.py'
TASK = TASKS['pretraining']


def write_images(root: Path, *folders: str, each: int = 10, side: int = 70) -> Path:
    rng = np.random.default_rng(0)
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(each):
            image = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8))
            image.resize((side + 20, side), Image.Resampling.BICUBIC).save(root / folder / f'{i}.jpg')
    return root


def sizes(cfg) -> list[int]:
    return [len(DATASETS.build(cfg[f'{name}_dataloader'].dataset)) for name in ('train', 'val')]


def test_a_twentieth_of_a_folder_is_held_out_unless_it_is_small_or_says_otherwise(tmp_path):
    many = write_images(tmp_path / 'many', 'a', 'b')
    cfg = read_config(CONFIG, data=str(many), reads='train')
    assert sizes(cfg) == [19, 1]
    cfg = read_config(CONFIG, data=str(many), reads='train', data_options=DataOptions(split=SplitRule(0.4)))
    assert sizes(cfg) == [12, 8]
    few = write_images(tmp_path / 'few', 'a')
    cfg = read_config(CONFIG, data=str(few), reads='train')
    assert cfg.val_dataloader is None
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 10


def test_labeled_sets_keep_their_split(tmp_path):
    root = write_images(tmp_path, 'train/cat', 'train/dog', 'val/cat')
    cfg = read_config(CONFIG, data=str(root), reads='train')
    assert sizes(cfg) == [20, 10]
    assert 'subset' not in cfg.train_dataloader.dataset
    with pytest.raises(UserError, match=r'--val-split 0.4: .* has validation images already: leave it out'):
        read_config(CONFIG, data=str(root), reads='train', data_options=DataOptions(split=SplitRule(0.4)))


def test_a_test_takes_the_images_held_out_or_all_of_another_folder(tmp_path):
    cfg = read_config(CONFIG, data=str(write_images(tmp_path / 'a', 'a', 'b')), reads='test')
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 20
    cfg = read_config(CONFIG, data=str(write_images(tmp_path / 'b', 'train', 'val')), reads='test')
    assert len(DATASETS.build(cfg.test_dataloader.dataset)) == 10


def test_the_sample_is_the_scenes_without_their_masks():
    cfg = read_config(CONFIG, data='sample', reads='train')
    assert sizes(cfg) == [640, 100]


def test_bad_input_is_refused_in_one_line(tmp_path):
    root = write_images(tmp_path, 'a', each=2)
    with pytest.raises(UserError, match=r'images of 100 x 100 cannot be cut into patches of 32 x 32: .* 96 96$'):
        read_config(CONFIG, data=str(root), image_size=ImageSize(100, 100))
    options = {f'{name}_dataloader.dataset.transform.input_size': 100 for name in ('train', 'val', 'test')}
    with pytest.raises(UserError, match='images of 100 x 100 cannot be cut into patches of 32 x 32'):
        read_config(CONFIG, options, str(root), reads='train')
    with pytest.raises(UserError, match='--image-size 64 96: pretraining takes squares, such as --image-size 64 64'):
        read_config(CONFIG, data=str(root), image_size=ImageSize(64, 96))
    with pytest.raises(NoData, match=r'nothing does not exist: pre-training takes a folder of images'):
        read_config(CONFIG, data=str(tmp_path / 'nothing'), reads='train')
    for ratio in (0, 1, 1.5, -0.1):
        cfg = read_config(CONFIG, {'model.mask_ratio': ratio}, needs_data=False)
        with pytest.raises(UserError, match=f'mask_ratio {ratio} is out of range: take a number above 0 and below 1'):
            build_model(cfg)
    with pytest.raises(UserError, match='--data-format voc: pre-training takes all images of a folder'):
        read_config(CONFIG, data=str(root), reads='train', data_options=DataOptions(format='voc'))


def test_lower_is_better_for_the_best_checkpoint_and_for_tuning(tmp_path):
    cfg = read_config(CONFIG, data=str(write_images(tmp_path, 'train', 'val', each=2)), reads='train')
    assert cfg.default_hooks.checkpoint.best == 'raw/reconstruction_loss'
    assert watched_metric(cfg, {})[:2] == ('raw/reconstruction_loss', 'less')
    cfg.default_hooks.checkpoint.best = None
    assert watched_metric(cfg, {})[:2] == ('raw/reconstruction_loss', 'less')


def test_the_encoder_counts_visible_positions():
    """Pointwise layers run on the 19 visible of 49 patches, as long as the whole network needs for its own."""
    masked = count_config(read_config(CONFIG, needs_data=False))
    whole = count_config(read_config('configs/classification/convnextv2_a.py', needs_data=False))
    assert masked.rule.startswith('encoder on 19 of 49 patches (38.8% visible)')
    name = 'backbone.stages.2.0.pwconv1'
    assert masked.by_module[name].macs * 49 == whole.by_module[name].macs * 19
    assert masked.by_module['pred'].macs == 49 * 512 * 32 * 32 * 3


def test_a_demo_gives_the_image_as_the_network_saw_it(tmp_path):
    root = write_images(tmp_path, 'a', each=2)
    arch = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])
    cfg = read_config(CONFIG, {'model.decoder_dim': 8}, needs_data=False, image_size=ImageSize(64, 64))
    cfg.model.backbone.arch = arch
    torch.manual_seed(0)
    model = build_model(cfg).eval()
    predict = Predictor(model, cfg, ClassInfo([], np.zeros((0, 3), np.uint8)))
    first, second = predict.batch([str(root / 'a' / '0.jpg'), str(root / 'a' / '1.jpg')], batch_size=2)
    (alone,) = predict.batch([str(root / 'a' / '1.jpg')])
    assert np.array_equal(second.hidden, alone.hidden)  # by the name of the file
    assert second.loss == pytest.approx(alone.loss, rel=1e-4)
    with Image.open(root / 'a' / '0.jpg') as image:
        side = int(64 / 0.875)
        width = int(image.width * side / image.height)
        shown = image.resize((width, side), Image.Resampling.BICUBIC)
        left, top = round((width - 64) / 2), round((side - 64) / 2)
        expected = np.asarray(shown.crop((left, top, left + 64, top + 64)), int)
    assert np.abs(first.original - expected).max() <= 2
    assert first.hidden.sum() == 3  # int(4 * 0.4) = 1 stays


def test_what_is_of_labels_is_refused():
    cfg = read_config(CONFIG, needs_data=False)
    with pytest.raises(UserError, match='a model for pretraining has no diagnosis, which is of labels'):
        TASK.keep_for_diagnosis(cfg)
    with pytest.raises(UserError, match='a model for pretraining has no linear probe'):
        TASK.probed_datasets(cfg)
    with pytest.raises(UserError, match='a model for pretraining has no classes to choose'):
        TASK.read_own_classes(cfg.train_dataloader.dataset)
    assert TASK.exports == ()
