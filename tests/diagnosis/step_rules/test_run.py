"""Each rule with a case in which it just applies, and one in which it just does not."""

from dataclasses import replace

import pytest

from convnext_dense.diagnosis.findings.base import Facts
from convnext_dense.diagnosis.run_facts import RunFacts
from convnext_dense.diagnosis.step_rules import run as rules
from convnext_dense.diagnosis.step_rules.base import Known

FALLING = [(step, 10.0 - step / 10) for step in range(1, 81)]


def curve(*values: float) -> list[tuple[int, float]]:
    return list(enumerate(values, 1))


def known(**settings) -> Known:
    return Known(run=RunFacts(**settings))


def one(rule, of: Known):
    (advice,) = rule(of)
    return advice


def test_unfinished():
    assert (
        one(rules.unfinished, known(raw=curve(1, 2, 3), length=4)).reason == 'the last validation is of epoch 3 of 4'
    )
    assert list(rules.unfinished(known(raw=curve(1, 2, 3), length=3))) == []
    assert list(rules.unfinished(known(raw=curve(1, 2, 3)))) == list(rules.unfinished(known(length=3))) == []
    assert list(rules.unfinished(known(raw=curve(1, 2, 3), length=4, flags={'--patience': '2'}))) == []


def test_still_improving():
    rising = curve(10, 20, 30, 40, 50, 60, 61, 61.5)
    advice = one(rules.still_improving, known(raw=rising, length=8))
    assert advice.advice == 'Train longer: `--epochs 16`.' and advice.gain == 1.5
    steps = [(place * 100, value) for place, value in rising]
    assert '`--iters 1600`' in one(rules.still_improving, known(ema=steps, unit='step')).advice
    assert one(rules.still_improving, known(raw=curve(10, 20, 30, 40, 50, 60, 60.1, 60.5))).gain == pytest.approx(0.5)
    assert list(rules.still_improving(known(raw=curve(10, 20, 30, 40, 50, 60, 60.1, 60.4)))) == []
    assert list(rules.still_improving(known(raw=curve(10, 20, 30, 40, 50, 60, 70, 69)))) == []
    assert list(rules.still_improving(known(raw=curve(10, 20, 30)))) == []
    assert list(rules.still_improving(known(raw=rising, length=9))) == []  # which is unfinished


def losses_of(third: float, last: float, end: int = 100) -> list[tuple[int, float]]:
    return [(step, third if step <= 0.75 * end else last) for step in range(1, end + 1)]


def test_still_learning():
    advice = one(rules.still_learning, known(losses=losses_of(2.0, 1.9), length=2))
    assert advice.advice == 'Train longer before you trust what follows: `--epochs 8`.'
    assert advice.reason == (
        'the training loss was still falling at the end, from 2 in the third quarter of the run to 1.9 in the last'
    )
    assert advice.gain == pytest.approx(5)
    by_steps = known(losses=losses_of(2.0, 1.0), unit='step', length=100, raw=[(100, 5.0)])
    assert '`--iters 400`' in one(rules.still_learning, by_steps).advice
    assert list(rules.still_learning(known(losses=losses_of(2.0, 1.91)))) == []
    assert list(rules.still_learning(known(losses=losses_of(2.0, 1.0), raw=curve(1, 2, 3, 4)))) == []
    assert list(rules.still_learning(known(losses=losses_of(2.0, 1.0), raw=curve(1, 2), length=3))) == []
    assert list(rules.still_learning(known())) == []


def test_a_run_too_short_for_a_curve_is_made_longer():
    assert one(rules.still_learning, known(losses=[(50, 4.0)])).reason == 'the run has 50 optimizer steps'
    assert list(rules.still_learning(known(losses=[(300, 4.0)]))) == []


def test_overfitting():
    fell = curve(10, 20, 40, 60, 59, 58, 59, 59)
    advice = one(rules.overfitting, known(raw=fell, losses=FALLING, steps_per_unit=10.0))
    assert advice.gain == 1 and 'is of epoch 4 of 8' in advice.reason
    for flag in ('--patience 5', '--recipe small', '--freeze 2'):
        assert f'`{flag}`' in advice.advice
    has_all = {'--patience': '5', '--recipe': 'small', '--freeze': 'stem'}
    advice = one(rules.overfitting, known(raw=fell, losses=FALLING, steps_per_unit=10.0, flags=has_all))
    assert advice.advice == 'The run overfits: add training images or stronger augmentation.'
    rising = [(step, step / 10) for step, _ in FALLING]
    assert list(rules.overfitting(known(raw=fell, losses=rising, steps_per_unit=10.0))) == []
    assert list(rules.overfitting(known(raw=fell))) == []
    less = curve(10, 20, 40, 60, 59, 58, 59, 59.1)
    assert list(rules.overfitting(known(raw=less, losses=FALLING, steps_per_unit=10.0))) == []
    late = curve(10, 20, 40, 40, 50, 55, 60, 59)
    assert list(rules.overfitting(known(raw=late, losses=FALLING, steps_per_unit=10.0))) == []


def test_random_weights_are_not_frozen():
    fell = curve(10, 20, 40, 60, 59, 58, 59, 50)
    settings = dict(raw=fell, losses=FALLING, steps_per_unit=10.0)
    assert '--freeze' not in one(rules.overfitting, known(**settings, pretrained=False)).advice


def test_raw_is_better():
    assert one(rules.raw_is_better, known(raw=curve(50, 60), ema=curve(10, 59))).gain == 1
    assert list(rules.raw_is_better(known(raw=curve(50, 60), ema=curve(10, 59.1)))) == []
    assert list(rules.raw_is_better(known(raw=curve(50, 60)))) == list(rules.raw_is_better(known(ema=curve(5)))) == []
    small = known(raw=curve(60), ema=curve(10), flags={'--recipe': 'small'})
    assert '--recipe' not in one(rules.raw_is_better, small).advice


def test_raw_weights_that_were_tested_are_kept():
    of_run = known(raw=curve(50, 60), ema=curve(10, 50))
    assert one(rules.raw_is_better, replace(of_run, weights='raw')).advice.startswith('Keep to the raw weights')
    assert '`--weights raw`' in one(rules.raw_is_better, replace(of_run, weights='ema')).advice


def test_no_validation():
    assert '`--val-split 0.2`' in one(rules.no_validation, known(losses=FALLING)).advice
    assert list(rules.no_validation(known(losses=FALLING, raw=curve(5)))) == list(rules.no_validation(known())) == []


def test_easier_than_training():
    def of(tested: float | None, learned: float | None) -> Known:
        facts = Facts('mIoU', 50, 40, 60, 9, 'pixels', [], pixel_accuracy=tested)
        return Known(facts, run=RunFacts(learned_accuracy=learned))

    assert one(rules.easier_than_training, of(83.0, 80.0)).gain == pytest.approx(0.3)
    assert list(rules.easier_than_training(of(82.9, 80.0))) == list(rules.easier_than_training(of(None, 80.0))) == []
    assert list(rules.easier_than_training(of(82.9, None))) == list(rules.easier_than_training(Known())) == []
