"""Fitting a schedule to a run: warm-up in steps, milestones in epochs."""

import math
from collections.abc import Callable

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS

from convnext_dense.config.read import read_config
from convnext_dense.engine import schedule as schedules
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import train


class Log(list):
    def warning(self, line: str) -> None:
        self.append(line)


def fitting(schedule: list[dict], steps_per_epoch: int, epochs: int) -> tuple[list[dict], Log]:
    log = Log()
    return schedules.fit_schedule(schedule, steps_per_epoch, steps_per_epoch * epochs, log), log


COCO = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=501),
    dict(type='MultiStepLR', begin=0, end=36, milestones=[27, 33], by_epoch=True, convert_to_iter_based=True),
]


def test_milestones_become_whole_steps():
    (warm_up, steps), log = fitting(COCO, steps_per_epoch=7329, epochs=36)
    assert warm_up == COCO[0]
    assert steps['milestones'] == [27 * 7329, 33 * 7329]
    assert (steps['end'], steps['by_epoch']) == (36 * 7329, False)
    assert not log
    shortened = [COCO[0], {**COCO[1], 'end': 1.0, 'milestones': [27 / 36, 33 / 36]}]
    assert fitting(shortened, 154, 1)[0][1]['milestones'] == [116, 141]


def test_a_warm_up_in_steps_is_cut_to_a_tenth_of_a_short_run_with_what_follows_it():
    poly = dict(type='PolyLR', by_epoch=False, begin=501, end=1000)
    (warm_up, after), log = fitting([COCO[0], poly], steps_per_epoch=100, epochs=10)
    assert (warm_up['end'], after['begin'], after['end']) == (101, 101, 1000)
    assert log == ['a warm-up of 500 steps is too long for this run: it gets 100']
    assert COCO[0]['end'] == 501  # the config keeps its own


def test_parts_shorter_than_two_steps_are_left_out():
    kept, log = fitting([COCO[0], COCO[1]], steps_per_epoch=19, epochs=1)
    assert [part['type'] for part in kept] == ['MultiStepLR']
    assert 'LinearLR would be shorter than two steps' in log[-1]


def test_a_warm_up_of_less_than_two_steps_is_left_out(image_folder, tmp_path, capsys):
    assert train(image_folder, tmp_path, '--epochs', '3', options=('model.mixup=None',)) == 0
    assert 'LinearLR would be shorter than two steps and is left out' in capsys.readouterr().out
    lr = [value for _, value in read_scalars(tmp_path)['train/lr']]
    # 3 x 20 / 300 epochs of 6 steps would be one step of warm-up; the cosine begins after it
    assert lr[:2] == pytest.approx([1e-3, 1e-3])
    assert lr[9] == pytest.approx(1e-3 * (2.5e-4 + (1 - 2.5e-4) * (1 + math.cos(math.pi * 8 / 17)) / 2), rel=1e-6)


def lrs(config: str, steps: range | list[int], per_epoch: int, options: dict | None = None) -> dict[int, float]:
    """The factor on the lr in each of these steps, from mmengine's schedulers as the runner builds them."""
    cfg = read_config(config, options, needs_data=False)
    total = cfg.train_cfg.get('max_iters') or cfg.train_cfg.max_epochs * per_epoch
    fitted = schedules.fit_schedule(cfg.to_dict()['param_scheduler'], per_epoch, total, Log())
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    built = [PARAM_SCHEDULERS.build(dict(part, optimizer=optimizer)) for part in fitted]
    found = {}
    for step in range(max(steps) + 1):
        found[step] = optimizer.param_groups[0]['lr']
        for part in built:
            part.step()
    return {step: found[step] for step in steps}


def mmcv(step: int, warm_up: int, ratio: float, regular: Callable[[int], float]) -> float:
    """mmcv 1.x's `LrUpdaterHook`: a warm-up lowers the regular lr by a share that falls to 0 at step `warm_up`."""
    return regular(step) * (1 - (1 - step / warm_up) * (1 - ratio) if step < warm_up else 1)


def test_segmentation_has_the_official_lr_in_every_step():
    """mmseg 0.x: policy='poly', power=1.0, min_lr=0.0, warmup='linear', warmup_iters=1500, warmup_ratio=1e-6."""
    steps = [*range(2000), *range(79990, 80010), *range(159900, 160000)]
    found = lrs('configs/seg/upernet_convnext_t_ade20k.py', steps, 1263)
    for step in steps:
        expected = mmcv(step, 1500, 1e-6, lambda t: (1 - t / 160000) ** 1.0)
        assert found[step] == pytest.approx(expected, rel=1e-9), step
    assert found[1499] == pytest.approx(0.98996, rel=1e-4) and found[1500] == pytest.approx(0.990625)


def test_detection_has_the_official_lr_in_every_step():
    """mmdet 2.x: policy='step', step=[27, 33], warmup='linear', warmup_iters=500, warmup_ratio=0.001."""
    epoch = 50  # steps; the warm-up does not depend on it, as long as it is less than a tenth of the run
    steps = range(36 * epoch)
    found = lrs('configs/det/cascade_convnext_t_coco.py', steps, epoch, {'param_scheduler.0.end': 151})
    for step in steps:
        expected = mmcv(step, 150, 1e-3, lambda t: 0.1 ** ((t >= 27 * epoch) + (t >= 33 * epoch)))
        assert found[step] == pytest.approx(expected, rel=1e-9), step
    whole = lrs('configs/det/cascade_convnext_t_coco.py', range(600), 7329)
    assert all(whole[t] == pytest.approx(mmcv(t, 500, 1e-3, lambda t: 1.0), rel=1e-9) for t in range(600))


@pytest.mark.parametrize('length', [400, 4000, 40000])
def test_a_shorter_run_has_the_official_lr_of_its_length(length):
    found = lrs('configs/seg/upernet_convnext_t_ade20k.py', range(length), 50, {'train_cfg.max_iters': length})
    warm_up = round(1500 * length / 160000)
    for step in range(length):
        expected = mmcv(step, warm_up, 1e-6, lambda t: 1 - t / length)
        assert found[step] == pytest.approx(expected, rel=1e-9), step
