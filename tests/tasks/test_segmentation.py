"""Segmentation: masks of a config, the shapes that a segmentor is tested and counted at, drawn label maps."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from PIL import Image

from convnext_dense.config.read import read_config
from convnext_dense.data.check import NOTE, PROBLEM
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.registry import DATASETS
from convnext_dense.results.colors import palette
from convnext_dense.tasks import DataOptions, TrainedClasses
from convnext_dense.tasks.segmentation import SegmentationTask
from tests.helpers.mask_folder import CLASSES, COLORS, draw_labels, relabel, write_mask_folder
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


def settings(cfg) -> set[object]:
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    return {loader.dataset.reduce_zero_label for loader in loaders}


def problems(cfg) -> list[str]:
    return [finding.message for finding in TASK.read_data(cfg).findings if finding.level == PROBLEM]


def test_the_data_decide_what_label_0_means_in_every_data_set(tmp_path):
    root = write_mask_folder(tmp_path / 'data')
    cfg = read_config(CONFIG, data=str(root))
    assert settings(cfg) == {True} and cfg.model.decode_head.num_classes == 5
    relabel(root, lambda labels: np.minimum(labels, 4))
    cfg = read_config(CONFIG, data=str(root))
    assert settings(cfg) == {False} and cfg.model.decode_head.num_classes == 5
    assert settings(read_config(CONFIG, needs_data=False)) == {'auto'}


def test_the_flag_says_it_for_every_data_set_and_one_setting_for_the_others(tmp_path):
    root = write_mask_folder(tmp_path / 'data')
    (root / 'classes.txt').unlink()
    with pytest.raises(UserError, match='not decidable'):
        read_config(CONFIG, data=str(root))
    for meaning, count in (('ignore', 5), ('class', 6)):
        cfg = read_config(CONFIG, data=str(root), label_zero=meaning)
        assert settings(cfg) == {meaning == 'ignore'} and cfg.model.auxiliary_head.num_classes == count
    one = {'val_dataloader.dataset.reduce_zero_label': False}
    assert settings(read_config(CONFIG, one, str(root))) == {False}
    with pytest.raises(UserError, match='True for some data sets of the config and False for others'):
        read_config(CONFIG, {**one, 'train_dataloader.dataset.reduce_zero_label': True}, str(root))
    assert settings(read_config(CONFIG, one, str(root), label_zero='ignore')) == {True}


@pytest.mark.parametrize('trained', [True, False])
def test_a_checkpoint_says_what_label_0_means_before_the_data_do(tmp_path, trained):
    root = write_mask_folder(tmp_path / 'data')
    if trained:  # without the last class, the data alone would take 0 for the first one
        relabel(root, lambda labels: np.minimum(labels, 4))
    else:  # without names, 0 is decided by the share of its pixels, or not at all
        (root / 'classes.txt').unlink()
    names = CLASSES if trained else [f'class_{k}' for k in range(6)]

    def read(known, **options):
        classes = TrainedClasses(names, reduce_zero_label=known)
        return read_config(CONFIG, data=str(root), reads='test', classes=classes, **options)

    assert read(trained).test_dataloader.dataset.reduce_zero_label is trained
    if trained:
        assert read(None).test_dataloader.dataset.reduce_zero_label is False
    else:
        with pytest.raises(UserError, match='not decidable'):
            read(None)
    own, other, was = ('ignore', 'class', 'ignored') if trained else ('class', 'ignore', 'a class')
    assert read(trained, label_zero=own).test_dataloader.dataset.reduce_zero_label is trained
    refused = f'label 0 of the masks was {was} in the training of the checkpoint: leave out --label-zero'
    with pytest.raises(UserError, match=refused):
        read(trained, label_zero=other)
    with pytest.raises(UserError, match=refused):
        read(trained, options={'test_dataloader.dataset.reduce_zero_label': not trained})


def test_the_flag_reaches_data_sets_in_wrappers():
    cfg = read_config(CONFIG, needs_data=False)
    inner = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner, inner])
    )
    TASK.set_label_zero(cfg, 'class')
    assert [one.reduce_zero_label for one in cfg.train_dataloader.dataset.dataset.datasets] == [False, False]
    assert cfg.test_dataloader.dataset.reduce_zero_label is False


@pytest.mark.parametrize('config', ['configs/classification/convnext_a.py', 'configs/det/cascade_convnext_a_coco.py'])
def test_other_tasks_have_no_label_0(config):
    with pytest.raises(UserError, match=r'^--label-zero is for the masks of segmentation: leave it out for '):
        read_config(config, needs_data=False, label_zero='ignore')


def test_one_class_is_refused_before_training_and_found_by_the_check(tmp_path):
    root = write_mask_folder(tmp_path / 'data')
    relabel(root, lambda labels: labels > 2)
    (root / 'classes.txt').write_text('crack')
    cfg = read_config(CONFIG, data=str(root))
    with pytest.raises(UserError, match=r"one class only, 'crack' \(label 1\)") as error:
        TASK.check_trainable(cfg)
    assert str(error.value) in problems(cfg)
    cfg.model.decode_head = dict(type='mmseg.Mask2FormerHead', num_classes=1, loss_mask={})  # it learns masks of one
    TASK.check_trainable(cfg)
    (root / 'classes.txt').write_text('ground\ncrack')
    cfg = read_config(CONFIG, data=str(root))
    TASK.check_trainable(cfg)
    assert not any('nothing to learn' in message for message in problems(cfg))


def test_a_problem_is_found_once(tmp_path):
    root = write_mask_folder(tmp_path / 'data', training=4, validation=0)
    relabel(root, lambda labels: np.where(labels > 2, 255, 0), ['training'])
    cfg = read_config(CONFIG, needs_data=False)
    TASK.point_at(cfg, str(root))
    cfg.val_dataloader = cfg.test_dataloader = cfg.train_dataloader
    assert [message.split(' that')[0] for message in problems(cfg)] == ['4 masks', '4 masks']
    (root / 'classes.txt').write_text('a\na')
    assert len([message for message in problems(cfg) if 'comes twice' in message]) == 1


@pytest.mark.parametrize(
    ('in_checkpoint', 'in_config', 'first'),
    [(True, 'auto', 1), (False, 'auto', 0), (None, True, 1), (None, False, 0), (True, True, 1), (False, False, 0)],
)
def test_the_first_label_is_that_of_the_masks_of_the_checkpoint(in_checkpoint, in_config, first, caplog):
    cfg = read_config(CONFIG, {'test_dataloader.dataset.reduce_zero_label': in_config}, needs_data=False)
    meta = {} if in_checkpoint is None else {'reduce_zero_label': in_checkpoint}
    assert TASK.first_label(cfg, meta, Path('a.pth')) == first
    assert not caplog.records


def test_a_checkpoint_that_does_not_say_it_or_says_another_thing(caplog):
    cfg = read_config(CONFIG, needs_data=False)
    assert TASK.first_label(cfg, {}, Path('a.pth')) == 1
    assert 'a.pth does not say what label 0 of its masks means' in caplog.text
    TASK.set_label_zero(cfg, 'class')
    with pytest.raises(UserError, match=r'was ignored in the training of .*a\.pth: leave out --label-zero'):
        TASK.first_label(cfg, {'reduce_zero_label': True}, Path('a.pth'))


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


def test_one_channel_is_for_two_classes():
    counts = {
        rows: TASK.count_head_classes({'decode_head.conv_seg.weight': torch.zeros(rows, 4)}) for rows in (1, 2, 3)
    }
    assert counts == {1: 2, 2: 2, 3: 3}


def test_whole_inference_ends_with_its_context():
    model = SimpleNamespace(test_cfg=ConfigDict(mode='slide', crop_size=(8, 8)))
    with TASK.whole_inference(model):
        assert model.test_cfg == dict(mode='whole', crop_size=(8, 8))
    assert model.test_cfg == dict(mode='slide', crop_size=(8, 8))


def write_two_kinds(root: Path) -> Path:
    """A folder in no split, with masks of colors that no file names."""
    for number in range(4):
        labels = draw_labels(number)
        for folder in ('images', 'masks'):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(COLORS[labels]).save(root / folder / f'{number}.png')
    return root


def test_the_config_keeps_how_masks_are_read(tmp_path):
    root = write_two_kinds(tmp_path / 'data')
    cfg = read_config(CONFIG, data=str(root), reads='train')
    dataset = cfg.train_dataloader.dataset
    assert (dataset.mask_labels, dataset.format, dataset.reduce_zero_label) == ('color', 'masks', False)
    assert cfg.val_dataloader is None and cfg.model.decode_head.num_classes == 6  # it has no split for validation
    colors = sorted('color_' + bytes(color).hex() for color in COLORS.tolist())
    assert TASK.read_data(cfg).classes == colors
    drawn = TASK.draw_ground_truth(TASK.read_data(cfg), TASK.read_data(cfg).splits[0].images[0])
    assert drawn.shape[2] == 3

    TASK.point_at(cfg, str(root))  # the same one
    assert cfg.train_dataloader.dataset.mask_labels == 'color'
    other = write_mask_folder(tmp_path / 'other')
    TASK.point_at(cfg, str(other), options=DataOptions(mask_folder='annotations'))
    assert 'mask_labels' not in cfg.train_dataloader.dataset
    assert cfg.train_dataloader.dataset.mask_folder == 'annotations'
    TASK.point_at(cfg, str(other), options=DataOptions('masks', 'index'))
    assert (cfg.train_dataloader.dataset.mask_labels, cfg.train_dataloader.dataset.format) == ('index', 'masks')


def test_data_in_no_split_are_tested_as_a_whole(tmp_path):
    root = write_two_kinds(tmp_path / 'data')
    names = [f'color_{bytes(color).hex()}' for color in sorted(COLORS.tolist())]
    cfg = read_config(CONFIG, data=str(root), reads='test', classes=TrainedClasses(names, reduce_zero_label=False))
    assert cfg.test_dataloader.dataset.split == 'whole'
    data = DATASETS.build({**cfg.test_dataloader.dataset, 'pipeline': []})
    assert len(data) == 4 and data.metainfo['classes'] == tuple(names)
    assert data.remarks[0][1].startswith(
        f'{root}: images are in images, masks in masks, in no split; they show 6 colors'
    )


def test_what_is_read_is_a_note_of_the_check(tmp_path):
    cfg = read_config(CONFIG, data=str(write_two_kinds(tmp_path / 'data')), reads='train')
    notes = [finding.message for finding in TASK.read_data(cfg).findings if finding.level == NOTE]
    assert [note for note in notes if 'they show 6 colors that no file names' in note]
