"""Rounds, ratios and refusals, with a clock that the contenders turn."""

import math
import statistics

import pytest
import torch

from convnext_dense.benchmark import timing
from convnext_dense.benchmark.setting import Setting
from convnext_dense.benchmark.timing import (
    LEAST_ROUNDS,
    Absent,
    Contender,
    Series,
    measure,
    ratio,
    relative_difference,
)


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch):
    monkeypatch.setattr(timing.gc, 'collect', lambda: 0)


CPU = torch.device('cpu')
TRUTH = [torch.tensor([4.0, -2.0])]


class Clock:
    """Time passes as the contenders say."""

    def __init__(self):
        self.now = 0.0
        self.order = []

    def __call__(self):
        return self.now

    def contender(self, name, seconds, found=TRUTH, dtype='fp32'):
        """The first call, which is the check, takes an hour, the others ``seconds`` in turn, over and over."""
        calls = []

        def run():
            self.now += seconds[(len(calls) - 1) % len(seconds)] if calls else 3600
            self.order.append(name)
            calls.append(1)
            return found

        return Contender(name, dtype, '', run)


def series_of(clock, *contenders, seconds=0.0, tolerance=1e-5):
    allowed = {'fp32': tolerance, 'bf16': 0.1}
    setting = Setting(CPU, seconds=seconds)
    return measure(Series('forward', 'test', 8), contenders, TRUTH, allowed, setting, clock=clock)


def test_rates_and_ratios_come_from_medians():
    clock = Clock()
    ours, theirs = [1, 2, 9, 2, 3, 2, 1], [7, 4, 4, 5, 90, 6, 8]
    series = series_of(clock, clock.contender('ours', ours), clock.contender('peer', theirs))
    mine, peer = series.rows
    assert mine.seconds == ours
    assert peer.seconds == theirs
    assert ratio(mine, peer) == 6 / 2
    median, slow, fast = series.rate(peer)
    quartiles = statistics.quantiles(theirs, method='inclusive')
    assert (median, slow, fast) == (8 / 6, 8 / quartiles[2], 8 / quartiles[0])
    assert slow < median < fast
    assert series.ours() == [mine]


def test_every_round_has_each_contender_once_in_another_order():
    clock = Clock()
    series_of(clock, *(clock.contender(name, [1]) for name in 'abc'))
    rounds = ''.join(clock.order[3:])
    assert rounds == 'abcbcacababcbcacababc'


@pytest.mark.parametrize(('seconds', 'rounds'), [(0, LEAST_ROUNDS), (19, 10), (1e9, 12)])
def test_rounds_go_on_for_the_time_that_is_given(seconds, rounds, monkeypatch):
    monkeypatch.setattr(timing, 'MOST_ROUNDS', 12)
    clock = Clock()
    series = series_of(clock, clock.contender('ours', [1]), clock.contender('peer', [1]), seconds=seconds)
    assert [len(row.seconds) for row in series.rows] == [rounds, rounds]


@pytest.mark.parametrize('wrong', [4.001, math.nan])
def test_what_differs_is_not_timed_and_the_rest_goes_on(wrong):
    clock = Clock()
    wrong = [torch.tensor([wrong, -2.0])]
    series = series_of(
        clock,
        clock.contender('ours', [1]),
        clock.contender('peer', [1], wrong),
        Absent('other', "No module named 'other'"),
        clock.contender('last', [1]),
    )
    ours, peer, other, last = series.rows
    assert len(ours.seconds) == len(last.seconds) == LEAST_ROUNDS
    assert not peer.seconds
    assert 'its result is off by' in peer.problem
    assert other.problem == "not installed (No module named 'other')"
    assert series.failures() == [peer]


def test_what_fails_has_a_row():
    def fail():
        raise RuntimeError('no kernel for BFloat16\nand more')

    clock = Clock()
    for name in ('ours', 'peer'):
        series = series_of(clock, Contender(name, 'bf16', '', fail), clock.contender('other', [1]))
        assert series.rows[0].problem == 'fails: RuntimeError: no kernel for BFloat16'
        assert series.failures() == [series.rows[0]]
        assert len(series.rows[1].seconds) == LEAST_ROUNDS


def test_the_difference_is_a_share_of_each_tensors_largest_value():
    found = [torch.tensor([4.0, -2.2]), torch.tensor([1e-3, 0.0])]
    reference = [*TRUTH, torch.tensor([1e-3, -1e-5])]
    assert relative_difference(found, reference) == pytest.approx(0.2 / 4)
    assert relative_difference(found[1:], reference[1:]) == pytest.approx(1e-5 / 1e-3)
