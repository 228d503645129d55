"""A config that would predict otherwise than the run that a checkpoint is of."""

from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.checkpoints import manifest
from convnext_dense.config.compare import differences, warning_of_differences
from convnext_dense.config.read import read_config
from tests.helpers.run_tool import ATTO

SIZE = 'test_dataloader.dataset.transform.input_size'
CASCADE, UPERNET = 'configs/det/cascade_convnext_a_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'


def read(config: str, data: str | None = None, **options: object) -> Config:
    return read_config(
        config, {key.replace('__', '.'): value for key, value in options.items()}, data, needs_data=False
    )


def write_run(folder: Path, cfg: Config) -> Path:
    """A work dir as a run leaves it."""
    folder.mkdir()
    cfg.dump(folder / 'config.py')
    (folder / 'epoch_1.pth').touch()
    (folder / manifest.FILE_NAME).write_text('{}')
    return folder


def found(config: str, one: dict, other: dict, **arguments: bool) -> dict[str, tuple]:
    """Differences between two configs, by key, that have other values in one place each."""
    pair = (read_config(config, options, needs_data=False).to_dict() for options in (one, other))
    return {key: (given, saved) for key, given, saved in differences(*pair, **arguments)}


@pytest.mark.parametrize('config', [ATTO, CASCADE, UPERNET])
def test_a_run_agrees_with_its_config_whatever_else_of_it_was_changed(config, tmp_path):
    saved = read(config, 'sample', optim_wrapper__optimizer__lr=1.0, train_dataloader__batch_size=3)
    saved.model.backbone.drop_path_rate, saved.test_dataloader.num_workers = 0.7, 0
    for key in ('annotations', 'images', 'root', 'indices'):
        saved.test_dataloader.dataset[key] = 'elsewhere'
    run = write_run(tmp_path / 'run', saved)
    for checkpoint in (run, run / 'epoch_1.pth'):
        assert warning_of_differences(read(config, 'sample'), config, checkpoint) is None
        assert warning_of_differences(read(config), config, checkpoint) is not None  # without the sample's settings


def test_one_line_has_keys_and_both_values_and_the_fix(tmp_path):
    run = write_run(tmp_path / 'run', read(ATTO, 'sample'))
    assert warning_of_differences(read(ATTO), ATTO, run) == (
        f'{ATTO} does not predict as the run in {run} does: {SIZE} is 224, in the run 48; '
        "leave out CONFIG to take the run's own config"
    )
    said = warning_of_differences(read(CASCADE), CASCADE, write_run(tmp_path / 'other', read(CASCADE, 'sample')))
    assert 'test_dataloader.dataset.pipeline.1.scale is (1333, 800), in the run (320, 192); model.test_cfg.' in said
    assert '; and 2 more; leave out' in said


def test_tiles_of_prediction_are_compared():
    tiles = {'size': (96, 96), 'overlap': 0.3}
    assert found(UPERNET, {'tiles': tiles}, {'tiles': {**tiles, 'overlap': 0.2}}) == {'tiles.overlap': (0.3, 0.2)}
    assert found(UPERNET, {'tiles': tiles}, {'tiles': {**tiles, 'empty_share': 0.5, 'least_visible': 0.5}}) == {}
    for none in ({}, {'tiles': None}):
        assert found(UPERNET, none, {'tiles': tiles})['tiles.size'] == ('not set', (96, 96))
        assert found(UPERNET, none, {}) == {}
    run = {'tiles': tiles, 'tta_pipeline.0.page': 1}
    assert found(UPERNET, run, {**run, 'tiles': {'size': (64, 64)}}, tta=True)['tiles.size'] == ((96, 96), (64, 64))


def test_what_the_command_line_sets_is_meant(tmp_path):
    run = write_run(tmp_path / 'run', read(ATTO, 'sample'))
    for key in (SIZE, 'test_dataloader.dataset.transform'):
        assert warning_of_differences(read(ATTO), ATTO, run, [key]) is None
    assert warning_of_differences(read(ATTO), ATTO, run, ['test_dataloader.dataset.trans']) is not None


@pytest.mark.parametrize(
    ('config', 'key', 'value'),
    [
        (ATTO, SIZE, 32),
        (ATTO, 'test_dataloader.dataset.transform.mean', (0.5, 0.5, 0.5)),
        (ATTO, 'test_dataloader.dataset.transform.crop_ratio', 1.0),
        (CASCADE, 'model.data_preprocessor.mean', [0, 0, 0]),
        (CASCADE, 'model.roi_head.bbox_head.1.bbox_coder.target_stds', [1.0, 1.0, 1.0, 1.0]),
        (CASCADE, 'model.rpn_head.loss_cls.use_sigmoid', False),
        (CASCADE, 'model.test_cfg.rcnn.score_thr', 0.5),
        (CASCADE, 'test_dataloader.dataset.pipeline.1.scale', (400, 300)),
        (UPERNET, 'model.decode_head.norm_cfg.eps', 0.1),
        (UPERNET, 'model.decode_head.kernel_size', 5),  # not the backbone's
        (UPERNET, 'model.test_cfg.mode', 'whole'),
        (UPERNET, 'test_dataloader.dataset.reduce_zero_label', False),
    ],
)
def test_settings_that_predictions_depend_on(config, key, value):
    one = found(config, {key: value}, {})
    assert list(one) == [key] and one[key][0] == value
    assert found(config, {}, {key: value}) == {key: one[key][::-1]}


def test_what_is_left_to_the_data_differs_from_nothing(tmp_path):
    """In a run it is decided, in a config that is read without data it is not."""
    key = 'test_dataloader__dataset__reduce_zero_label'
    for decided in (True, False):
        run = write_run(tmp_path / str(decided), read(UPERNET, **{key: decided}))
        assert warning_of_differences(read(UPERNET), UPERNET, run) is None
        said = warning_of_differences(read(UPERNET, **{key: not decided}), UPERNET, run)
        assert f'reduce_zero_label is {not decided}, in the run {decided}' in said


@pytest.mark.parametrize(
    ('config', 'options'),
    [
        (ATTO, {'model.mixup': None, 'model.label_smoothing': 0.3, 'model.head_init_scale': 0.1}),
        (ATTO, {'train_dataloader.dataset.transform.input_size': 32, 'test_dataloader.batch_size': 1}),
        (ATTO, {'model.backbone.arch': 'tiny', 'model.num_classes': 5}),  # strict loading says that
        (ATTO, {f'model.backbone.{key}': 'x' for key in ('stem', 'norm', 'norm_eps', 'activation', 'kernel_size')}),
        (CASCADE, {'model.train_cfg.rpn.pos_weight': 2, 'model.rpn_head.loss_cls.loss_weight': 2.0}),
        (CASCADE, {'model.roi_head.mask_head.type': 'convnext_dense.FCNMaskHead'}),
        (CASCADE, {'model.backbone.frozen_stages': 2, 'model.backbone.with_cp': True}),
        (UPERNET, {'model.decode_head.norm_cfg.type': 'BN', 'model.auxiliary_head': None}),
        (UPERNET, {'model.type': 'mmseg.EncoderDecoder', 'tta_model.mode': 'slide'}),
    ],
)
def test_settings_that_predictions_do_not_depend_on(config, options):
    assert found(config, options, {}) == found(config, {}, options) == {}


def test_test_time_augmentation_has_settings_of_its_own():
    options = {'tta_model.mode': 'slide', 'test_dataloader.dataset.pipeline.1.scale': (64, 64)}
    assert list(found(UPERNET, options, {}, tta=True)) == ['tta_model.mode']
    assert list(found(UPERNET, options, {})) == ['test_dataloader.dataset.pipeline.1.scale']


def test_configs_of_other_networks_are_not_compared():
    assert differences(read(ATTO).to_dict(), read(CASCADE).to_dict()) == []
    roadmap = read('configs/roadmap/r50_12_gelu.py').to_dict()
    assert differences(read(ATTO).to_dict(), roadmap) == []


def test_only_a_run_has_a_config_to_compare_with(tmp_path, monkeypatch):
    run = write_run(tmp_path / 'run', read(ATTO, 'sample'))
    cfg = read(ATTO)
    assert warning_of_differences(cfg, ATTO, run) is not None
    monkeypatch.chdir(run)  # where no name of weights is a file
    assert warning_of_differences(cfg, ATTO, 'convnext_tiny_1k_224') is None
    own = run / 'another.py'  # a file beside the checkpoint was chosen
    cfg.dump(own)
    assert warning_of_differences(cfg, own, 'epoch_1.pth') is None
    own.unlink()
    (run / 'config.py').unlink()
    assert warning_of_differences(cfg, ATTO, run) is None


def test_the_config_of_the_run_is_not_executed(tmp_path):
    run = write_run(tmp_path / 'run', read(ATTO, 'sample'))
    (run / 'config.py').write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n" + (run / 'config.py').read_text())
    assert warning_of_differences(read(ATTO), ATTO, run) is None
    assert not (tmp_path / 'canary').exists()
