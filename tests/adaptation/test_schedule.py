"""Tests of the schedule of an adapted config, by the lr of each step."""

import copy
import logging

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.optimizer import AdaptedOptimizer
from convnext_dense.adaptation.packaged import find_recipe
from convnext_dense.adaptation.schedule import adapt_schedule, hooks_of_length
from convnext_dense.adaptation.sources import find_source
from convnext_dense.engine.schedule import fit_schedule
from convnext_dense.tasks import TASKS

KEPT = AdaptedOptimizer({}, 16, 1.0, is_replaced=False)


def adapted(name, optimizer=KEPT, repeats=1, task='detection'):
    notes, source = Notes(), find_source(name)
    recipe = find_recipe(TASKS[task].adaptation.recipe, find_arch('tiny'))
    return adapt_schedule(source.cfg, source.package, recipe, optimizer, repeats, notes), notes, source


def lrs(parts, epochs, steps):
    """The lr of each step of a run, with the schedulers stepped as mmengine's hook does."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    built = []
    for part in copy.deepcopy(parts):
        if part.pop('convert_to_iter_based', False):
            cls = PARAM_SCHEDULERS.get(part.pop('type'))
            built.append(cls.build_iter_from_epoch(optimizer=optimizer, epoch_length=steps, **part))
        else:
            built.append(PARAM_SCHEDULERS.build(part, default_args=dict(optimizer=optimizer)))
    values = []
    for _ in range(epochs):
        for _ in range(steps):
            values.append(optimizer.param_groups[0]['lr'])
            for scheduler in built:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in built:
            if scheduler.by_epoch:
                scheduler.step()
    return values


def test_milestones_in_epochs_give_the_lr_of_the_source_at_each_step():
    schedule, _, source = adapted('mmdet:retinanet/retinanet_r50_fpn_1x_coco.py')
    assert schedule['train_cfg'] == {
        'type': 'convnext_dense.TrainLoop',
        'max_epochs': 12,
        'total_batch_size': 16,
        'val_interval': 1,
    }
    fitted = fit_schedule(schedule['param_scheduler'], 450, 5400, logging.getLogger())
    want = lrs(source.cfg.param_scheduler, 12, 450)
    assert lrs(fitted, 12, 450) == pytest.approx(want)
    assert min(want[600:]) == pytest.approx(0.01)


def test_milestones_without_begin_and_end_get_them():
    schedule, *_ = adapted('mmdet:conditional_detr/conditional-detr_r50_8xb2-50e_coco.py')
    (part,) = schedule['param_scheduler']
    assert part.items() >= {'begin': 0, 'end': 50, 'milestones': [40], 'convert_to_iter_based': True}.items()


def test_repeats_become_epochs():
    schedule, notes, source = adapted('mmdet:atss/atss_r50_fpn_8xb8-amp-lsj-200e_coco.py', repeats=4)
    own = source.cfg.train_cfg.max_epochs
    assert schedule['train_cfg']['max_epochs'] == 4 * own
    assert schedule['train_cfg']['val_interval'] == 4 * source.cfg.train_cfg.val_interval
    warm_up, drops = schedule['param_scheduler']
    assert warm_up['end'] == source.cfg.param_scheduler[0]['end']  # in steps
    assert drops['milestones'] == [4 * one for one in source.cfg.param_scheduler[1].milestones]
    assert notes.changed == ['RepeatDataset of 4 is left out: there are 4 times as many epochs']


def test_steps_keep_their_length_intervals_and_units():
    schedule, *_ = adapted('mmdet:mask2former/mask2former_r50_8xb2-lsj-50e_coco.py')
    train = schedule['train_cfg']
    assert (train['max_iters'], train['val_interval']) == (368750, 5000)
    assert train['dynamic_intervals'] == [(365001, 368750)]
    assert 'convert_to_iter_based' not in schedule['param_scheduler'][0]
    assert hooks_of_length(train, 'raw/mask_AP') == {
        'log_processor': {'by_epoch': False},
        'default_hooks': {
            'logger': {'log_metric_by_epoch': False},
            'checkpoint': {'interval': 5000, 'best': 'raw/mask_AP'},
        },
    }


def test_replaced_optimizer_gets_a_warm_up_and_the_share_of_eta_min():
    replaced = AdaptedOptimizer({}, 16, 0.01, is_replaced=True)
    schedule, notes, _ = adapted('mmseg:fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py', replaced, task='segmentation')
    warm_up, curve = schedule['param_scheduler']
    assert (warm_up['type'], warm_up['end']) == ('LinearLR', 1501)
    assert curve == {'type': 'PolyLR', 'eta_min': 1e-6, 'power': 0.9, 'begin': 0, 'end': 80000, 'by_epoch': False}
    assert (
        'a warm-up of 1500 steps, as in configs/seg/upernet_convnext_t_ade20k.py: the source has none' in notes.changed
    )
    assert 'eta_min of the schedule keeps its share of the lr' in notes.changed
    kept, notes, _ = adapted('mmseg:fcn/fcn_r50-d8_4xb4-80k_ade20k-512x512.py', task='segmentation')
    assert kept['param_scheduler'] == [dict(curve, eta_min=1e-4)]
    assert notes.changed == []


def test_parts_of_mmdet_have_its_scope():
    schedule, *_ = adapted('mmdet:yolox/yolox_s_8xb8-300e_coco.py')
    kinds = [part['type'] for part in schedule['param_scheduler']]
    assert kinds == ['mmdet.QuadraticWarmupLR', 'CosineAnnealingLR', 'ConstantLR']
