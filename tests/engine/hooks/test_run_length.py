"""The line about a run that is short for its settings, from its numbers."""

from pathlib import Path

import pytest

from convnext_dense.config.length import set_length
from convnext_dense.config.read import read_config
from convnext_dense.engine.hooks.run_length import describe_few_steps, describe_schedule, describe_small_batch
from tests.helpers import toy

RECIPE = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=20, end=300, convert_to_iter_based=True),
]
COCO = [
    dict(type='LinearLR', by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=36, milestones=[27, 33], by_epoch=True),
]
STEPS = [
    dict(type='LinearLR', by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', by_epoch=False, begin=1500, end=160000),
]


@pytest.mark.parametrize(
    ('numbers', 'expected'),
    [
        (
            (8, 1, 180, 128, False),
            '8 optimizer steps of 128 of 180 images: OPTIONS makes 88 in as many epochs, --epochs 300 makes 300',
        ),
        ((88, 11, 180, 16, False), '88 optimizer steps of 16 of 180 images: --epochs 28 makes 308'),
        ((1, 1, 9, 9, False), '1 optimizer step of 9 of 9 images: --epochs 300 makes 300'),
        ((40, 10, 160, 16, True), '40 optimizer steps of 16 of 160 images: --iters 300 or more'),
    ],
)
def test_few_steps(numbers, expected):
    assert describe_few_steps(*numbers, smaller_batch='OPTIONS') == expected


def test_tiles_are_named_so():
    said = describe_few_steps(40, 10, 160, 16, True, smaller_batch='', kind='tiles')
    assert said == '40 optimizer steps of 16 of 160 tiles: --iters 300 or more'


def test_a_smaller_batch_has_an_lr_that_suits_it():
    adamw, sgd = (dict(optimizer=dict(type=kind, lr=lr)) for kind, lr in (('AdamW', 4e-3), ('SGD', 0.1)))
    batch = '--cfg-options train_cfg.total_batch_size=16 train_dataloader.batch_size=16'
    assert describe_small_batch(180, 4096, adamw) == f'{batch} optim_wrapper.optimizer.lr=0.00025'
    assert describe_small_batch(180, 256, sgd) == f'{batch} optim_wrapper.optimizer.lr=0.00625'
    expected = '--cfg-options train_cfg.total_batch_size=9 train_dataloader.batch_size=2'
    assert describe_small_batch(9, 16, {}, processes=4) == expected


@pytest.mark.parametrize(
    ('schedule', 'length', 'by_step', 'expected'),
    [
        (RECIPE, 300, False, []),
        (
            RECIPE,
            10,
            False,
            [
                'the warm-up takes 20 of 10 epochs: --cfg-options param_scheduler.0.end=1 param_scheduler.1.begin=1',
                'CosineAnnealingLR would end at 300 epochs, the run at 10: --cfg-options param_scheduler.1.end=10',
            ],
        ),
        (COCO, 36, False, []),
        (
            COCO,
            24,
            False,
            [
                'MultiStepLR would end at 36 epochs, the run at 24: --cfg-options param_scheduler.1.end=24',
                'the lr would drop at 27 epochs, the run ends at 24: '
                '--cfg-options param_scheduler.1.milestones=[18,22]',
            ],
        ),
        (STEPS, 160000, True, []),
        ([dict(STEPS[1], end=160001)], 160000, True, []),  # as mmengine counts
        (
            STEPS,
            2000,
            True,
            [
                'the warm-up takes 1500 of 2000 steps: '
                '--cfg-options param_scheduler.0.end=200 param_scheduler.1.begin=200',
                'PolyLR would end at 160000 steps, the run at 2000: --cfg-options param_scheduler.1.end=2000',
            ],
        ),
        (
            [dict(type='PolyLR', by_epoch=False, begin=0, end=2002)],
            2000,
            True,
            ['PolyLR would end at 2002 steps, the run at 2000: --cfg-options param_scheduler.0.end=2000'],
        ),
        (
            [dict(type='CosineAnnealingLR', begin=0, end=11)],
            10,
            False,
            ['CosineAnnealingLR would end at 11 epochs, the run at 10: --cfg-options param_scheduler.0.end=10'],
        ),
        ([dict(type='ConstantLR', factor=1.0)], 10, False, []),
    ],
)
def test_schedules_that_outlast_the_run(schedule, length, by_step, expected):
    assert list(describe_schedule(schedule, length, by_step)) == expected


@pytest.mark.parametrize('iters', [None, 20000, 3001])
def test_nothing_is_said_of_the_schedule_of_a_recipe_in_steps(iters):
    cfg = read_config('configs/seg/upernet_convnext_t_ade20k.py', needs_data=False)
    set_length(cfg, iters=iters)
    said = list(describe_schedule(cfg.param_scheduler, cfg.train_cfg.max_iters, by_step=True))
    assert [line for line in said if 'would end' in line] == []


def test_the_line_of_a_run_is_there_once(tmp_path):
    toy.runner(tmp_path, {}, epochs=2).train()
    log = next(Path(tmp_path).rglob('*.log')).read_text()
    said = [line for line in log.splitlines() if 'short for its settings' in line]
    assert len(said) == 1
    assert (
        'WARNING - this run is short for its settings: 16 optimizer steps of 2 of 16 images: --epochs 38 makes 304'
        in said[0]
    )
