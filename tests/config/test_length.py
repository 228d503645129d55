"""The length of a run, and the schedule that follows it."""

import json

import pytest

from convnext_dense.checkpoints import manifest
from convnext_dense.config.length import keep_ended_length, planned_length, schedule_following, set_length
from convnext_dense.errors import UserError


def test_the_schedule_keeps_its_shares(cfg):
    set_length(cfg, 30)
    warmup, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == 30
    assert (warmup.begin, warmup.end, cosine.begin, cosine.end) == (0, 2, 2, 30)
    with pytest.raises(UserError, match='at least 1'):
        set_length(cfg, 0)


def test_a_resumed_run_keeps_the_places_of_its_schedule(cfg):
    warmup, cosine = cfg.param_scheduler
    assert (warmup.end, cosine.begin, cosine.end) == (20, 20, 300)
    set_length(cfg, 40, planned=30)
    assert cfg.train_cfg.max_epochs == 40
    assert cfg.schedule_length == 30
    assert (warmup.begin, warmup.end, cosine.begin, cosine.end) == (0, 2, 2, 40)


def test_a_part_that_ends_a_step_after_the_run_still_does(cfg):
    cfg.train_cfg = dict(max_iters=100)
    cfg.param_scheduler = [
        dict(type='LinearLR', by_epoch=False, begin=0, end=10),
        dict(type='MultiStepLR', by_epoch=False, begin=10, end=101, milestones=[50]),
    ]
    set_length(cfg, iters=160, planned=100)
    warmup, steps = cfg.param_scheduler
    assert (warmup.end, steps.end, steps.milestones) == (10, 161, [50])


def test_a_schedule_may_be_a_single_part_or_absent(cfg):
    cfg.param_scheduler = dict(type='CosineAnnealingLR', T_max=300, end=300)
    set_length(cfg, 30)
    assert (cfg.param_scheduler.T_max, cfg.param_scheduler.end) == (30, 30)
    cfg.param_scheduler = None
    set_length(cfg, 60, planned=30)
    assert cfg.train_cfg.max_epochs == 60


def test_the_planned_length_is_read_from_the_config_that_a_run_saved(tmp_path):
    assert planned_length(tmp_path) is None
    assert planned_length('convnext_tiny_1k_224') is None
    (tmp_path / 'checkpoints.json').write_text('{}')
    config = tmp_path / 'x.py'
    for text, length in (
        ('train_cfg = dict(max_epochs=30)', 30),
        ('train_cfg = dict(max_iters=300)\nschedule_length = 200', 200),
        ('train_cfg = None', None),
        ('import os', None),
    ):
        config.write_text(text)
        assert planned_length(tmp_path) == length


def test_a_run_that_ended_early_keeps_its_length(cfg, tmp_path):
    (tmp_path / 'x.py').write_text('train_cfg = dict(max_epochs=40)\nschedule_length = 30')
    (tmp_path / 'epoch_2.pth').touch()
    for entries in ({}, {'epoch_2.pth': {}}, {'epoch_1.pth': {'stopped_early': True}}):
        (tmp_path / manifest.FILE_NAME).write_text(json.dumps(entries))
        assert not keep_ended_length(cfg, tmp_path) and cfg.train_cfg.max_epochs == 300
    (tmp_path / manifest.FILE_NAME).write_text(json.dumps({'epoch_2.pth': {'stopped_early': True}}))
    assert keep_ended_length(cfg, tmp_path)
    warmup, cosine = cfg.param_scheduler
    assert (cfg.train_cfg.max_epochs, cfg.schedule_length) == (40, 30)
    assert (warmup.end, cosine.begin, cosine.end) == (2, 2, 40)
    in_steps = cfg.copy()
    in_steps.train_cfg = dict(max_iters=7)
    assert not keep_ended_length(in_steps, tmp_path) and in_steps.train_cfg.max_iters == 7


def test_another_pipeline_follows_the_length(cfg):
    """Its epoch keeps its share of the run, unless it is set too."""
    cfg.custom_hooks = [
        dict(type='mmdet.PipelineSwitchHook', switch_epoch=270, switch_pipeline=[]),
        dict(type='Other'),
    ]
    set_length(cfg, 30)
    assert cfg.custom_hooks[0].switch_epoch == 27
    with schedule_following(cfg):
        cfg.train_cfg.max_epochs = 20
        cfg.custom_hooks[0].switch_epoch = 5
    assert cfg.custom_hooks[0].switch_epoch == 5
