"""Fitting a schedule to a run: warm-up in steps, milestones in epochs."""

import math

import pytest

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
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
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
    poly = dict(type='PolyLR', by_epoch=False, begin=500, end=1000)
    (warm_up, after), log = fitting([COCO[0], poly], steps_per_epoch=100, epochs=10)
    assert (warm_up['end'], after['begin'], after['end']) == (100, 100, 1000)
    assert log == ['a warm-up of 500 steps is too long for this run: it gets 100']
    assert COCO[0]['end'] == 500  # the config keeps its own


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
