"""``--recipe small`` on configs: what it sets, what it leaves alone, and what a resumed run keeps."""

import logging
import math

import pytest
from mmengine.config import Config

from convnext_dense.config.length import set_length
from convnext_dense.config.read import read_config
from convnext_dense.config.recipe import (
    Given,
    apply_small_recipe,
    count_training_samples,
    keep_length,
    keep_settings,
    recipe_to_keep,
)
from convnext_dense.engine.schedule import fit_schedule
from convnext_dense.errors import UserError

ATTO = 'configs/classification/convnext_a.py'
UPERNET = 'configs/seg/upernet_convnext_a_ade20k.py'
LR, TOTAL, BATCH = 'optim_wrapper.optimizer.lr', 'train_cfg.total_batch_size', 'train_dataloader.batch_size'


def config(path=ATTO, options=None, images=200, without=()):
    cfg = read_config(path, options, needs_data=False, without=without)
    cfg.counted = images
    return cfg


@pytest.fixture(autouse=True)
def numbers_of_images(monkeypatch):
    """The number of training images is that of the config's ``counted``."""
    counted = count_training_samples

    def count(dataset, cfg):
        return (cfg.pop('counted'), 'image') if 'counted' in cfg else counted(dataset, cfg)

    monkeypatch.setattr('convnext_dense.config.recipe.count_training_samples', count)


def test_a_classifier_on_few_images():
    cfg = config()
    (line,) = apply_small_recipe(cfg, Given())
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.total_batch_size) == (16, 16)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(2 * 4e-3 * math.sqrt(16 / 4096))
    assert cfg.train_cfg.max_epochs == 300  # of 12 steps
    assert [part.end for part in cfg.param_scheduler] == [30, 300] and cfg.param_scheduler[1].begin == 30
    assert cfg.default_hooks.ema.momentum == pytest.approx(10 / 3600, rel=0.01)
    assert cfg.model.mixup.prob == 0
    transform = cfg.train_dataloader.dataset.transform
    assert transform.scale == (0.35, 1.0) and transform.auto_augment == 'rand-m5-mstd0.5-inc1'
    assert line == (
        'recipe small for 200 images: batch 16 (the config: 4096), lr 0.0005 (0.004), 300 epochs (the config: 300), '
        'warm-up 360 of 3,600 steps, EMA over 360 steps, no Mixup and CutMix, crops from 35% of an image, '
        'RandAugment of magnitude 5'
    )


def test_a_config_that_counts_steps():
    cfg = config(UPERNET, images=60)
    (line,) = apply_small_recipe(cfg, Given())
    assert cfg.train_cfg.total_batch_size == 8 and cfg.train_dataloader.batch_size == 2  # what fits into memory
    assert cfg.train_cfg.max_iters == 1000  # 100 passes are 700
    assert cfg.param_scheduler[0].end == 101  # where mmengine counts the step with the full lr
    assert cfg.param_scheduler[1].end == 1001
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == 100
    assert cfg.train_dataloader.dataset.pipeline[2].ratio_range == (0.71, 1.41)
    assert '1,000 steps (the config: 160,000)' in line


def test_several_processes_share_the_batch():
    cfg = config(images=1000)
    apply_small_recipe(cfg, Given(), processes=4)
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.total_batch_size) == (8, 32)


@pytest.mark.parametrize(
    ('options', 'want'),
    [
        ({LR: 0.5}, {LR: 0.5, TOTAL: 16}),
        ({TOTAL: 64, BATCH: 64}, {TOTAL: 64, BATCH: 64, LR: 0.004}),  # the config's is now for 64, and high enough
        ({BATCH: 64}, {TOTAL: 64, BATCH: 64, LR: 0.001}),  # 2 * 4e-3 * sqrt(64 / 4096)
        ({BATCH: 4}, {TOTAL: 16, BATCH: 4, LR: 0.0005}),  # accumulated
        ({'model.mixup': dict(prob=0.7)}, {'model.mixup.prob': 0.7}),
        ({'train_cfg.max_epochs': 7}, {'train_cfg.max_epochs': 7}),
        ({'default_hooks.ema.momentum': 0.3}, {'default_hooks.ema.momentum': 0.3}),
        ({'optim_wrapper.optimizer': dict(lr=0.25)}, {LR: 0.25}),
    ],
    ids=str,
)
def test_what_the_command_line_sets_stays_and_the_rest_follows(options, want):
    cfg = config(options=options, images=200)
    (line,) = apply_small_recipe(cfg, Given(tuple(options)))
    flat = {key: _at(cfg, key) for key in want}
    assert flat == want
    assert 'train_cfg.max_epochs' in options or '; as given: ' in line


def _at(cfg, key):
    for name in key.split('.'):
        cfg = cfg[name]
    return cfg


def test_the_length_by_a_flag_is_what_the_rest_is_for():
    cfg = config()
    (line,) = apply_small_recipe(cfg, Given(length='--epochs'))
    assert '300 epochs (--epochs)' in line


def test_techniques_that_are_left_out_stay_out():
    cfg = config(without=['ema', 'mixup', 'cutmix', 'randaugment', 'adamw'], images=200)
    (line,) = apply_small_recipe(cfg, Given())
    assert 'EMA' not in line and 'Mixup' not in line and 'RandAugment' not in line
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1.6 * 16 / 4096, rel=0.02)  # SGD: in proportion


def test_another_librarys_way_to_state_the_batch():
    """Accumulated batches, and the batch that the lr is for, as in configs of mmdet."""
    cfg = config('configs/det/faster_rcnn_convnext_a_coco.py', {TOTAL: None})
    cfg.optim_wrapper.accumulative_counts = 4
    cfg.auto_scale_lr = dict(enable=True, base_batch_size=32)
    apply_small_recipe(cfg, Given())
    assert (cfg.train_dataloader.batch_size, cfg.train_cfg.total_batch_size) == (2, 8)  # 2 x 4, never more
    assert cfg.optim_wrapper.accumulative_counts == 1 and cfg.auto_scale_lr.enable is False
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(4 * 1e-4 * math.sqrt(8 / 32))
    assert cfg.train_cfg.max_epochs == 40  # of 25 steps


@pytest.mark.parametrize(('epochs', 'said'), [(9, 'no warm-up in 9 steps'), (20, 'warm-up 2 of 20 steps')])
@pytest.mark.parametrize('path', [ATTO, 'configs/seg/upernet_convnext_a_ade20k.py'])
def test_a_warm_up_is_said_where_the_run_has_one(path, epochs, said, caplog):
    cfg = config(path, images=8)
    steps = 'max_iters' in cfg.train_cfg
    set_length(cfg, iters=epochs) if steps else set_length(cfg, epochs=epochs)
    (line,) = apply_small_recipe(cfg, Given(length='as given'))
    assert f', {said}, ' in line
    fitted = fit_schedule(cfg.param_scheduler, 1, epochs, logging.getLogger('test'))
    assert any(part['type'] == 'LinearLR' for part in fitted) == ('no warm-up' not in said)


def test_a_schedule_without_warm_up_gets_none():
    cfg = config('configs/det/dino_convnext_a_coco.py')
    before = len(cfg.param_scheduler)
    (line,) = apply_small_recipe(cfg, Given())
    assert len(cfg.param_scheduler) == before and 'warm-up' not in line
    assert cfg.param_scheduler[0].milestones == [pytest.approx(11 / 12 * cfg.train_cfg.max_epochs)]


@pytest.mark.parametrize(
    ('path', 'lr'),
    [
        (UPERNET, 1e-3),  # 10 times 1e-4 at 16
        ('configs/det/faster_rcnn_convnext_a_coco.py', 4e-4),
        ('configs/det/cascade_convnext_a_coco.py', 8e-4),
        ('configs/det/rtmdet_convnext_t_coco.py', 1e-3),  # not 4 times 1e-3 * sqrt(16 / 128)
        ('configs/det/dino_convnext_a_coco.py', 1e-4),  # with queries
        ('configs/seg/mask2former_convnext_a_ade20k.py', 1e-4),
        ('configs/panoptic/mask2former_convnext_a_coco.py', 1e-4),
    ],
)
def test_the_lr_of_other_models(path, lr):
    cfg = config(path)
    apply_small_recipe(cfg, Given())
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(lr, rel=0.02)


def test_hooks_that_switch_the_pipeline_have_the_milder_one_too():
    cfg = config('configs/det/rtmdet_convnext_t_coco.py')
    (line,) = apply_small_recipe(cfg, Given())
    resize = cfg.custom_hooks[0].switch_pipeline[0]
    assert resize.ratio_range == (0.32, 1.41) and line.count('scale jitter') == 1


def test_a_config_without_an_lr_is_refused():
    cfg = config()
    del cfg.optim_wrapper['optimizer']
    with pytest.raises(UserError, match='states no lr, which it would set'):
        apply_small_recipe(cfg, Given())


def test_many_images_are_said():
    *_, said = apply_small_recipe(config(images=118_287), Given())
    assert 'for up to 20,000 images' in said


def test_a_run_keeps_its_settings_whatever_the_images_are():
    first = config()
    apply_small_recipe(first, Given())
    saved = Config.fromstring(first.pretty_text, '.py').to_dict()  # as a file
    kept = recipe_to_keep('small', saved, config())
    second = config(images=5000)
    keep_length(second, kept)
    line = keep_settings(second, kept, Given())
    second.pop('counted')
    assert second.to_dict() == first.to_dict()
    assert line == 'recipe small for 200 images, as the run was started with it'
    assert recipe_to_keep(None, saved, config()) == kept  # without the flag too
    keep_settings(second, kept, Given((LR,)))


def test_a_length_that_the_recipe_set_is_kept():
    first = config(UPERNET, images=60)
    apply_small_recipe(first, Given())
    second = config(UPERNET, images=5000)
    kept = recipe_to_keep('small', first.to_dict(), second)
    keep_length(second, kept)
    keep_settings(second, kept, Given())
    second.pop('counted')
    assert second.to_dict() == first.to_dict()


def test_the_recipe_of_a_run_is_not_changed():
    small = config()
    apply_small_recipe(small, Given())
    with pytest.raises(UserError, match=r'--recipe paper: the run that is resumed has the recipe small'):
        recipe_to_keep('paper', small.to_dict(), config())
    with pytest.raises(UserError, match=r'--recipe small: the run that is resumed has the recipe paper'):
        recipe_to_keep('small', config().to_dict(), config())
    assert recipe_to_keep('paper', config().to_dict(), config()) is None
    with pytest.raises(UserError, match='of a run that had it, for 200 images'):
        recipe_to_keep('small', {}, small)


def test_images_are_counted_inside_wrappers(image_folder):
    cfg = read_config(ATTO, data=str(image_folder))
    own = cfg.train_dataloader.dataset
    count = sum(1 for path in image_folder.glob('train/*/*') if path.is_file())
    assert count_training_samples(own, cfg) == (count, 'image')
    twice = Config(dict(d=dict(type='RepeatDataset', times=2, dataset=own.to_dict()))).d
    assert count_training_samples(twice, cfg) == (2 * count, 'image')
