import argparse
import re

import numpy as np
import pytest

from convnext_dense.cli import main
from convnext_dense.diagnosis.findings.base import ConfusionFacts, Facts, GroupFacts
from convnext_dense.diagnosis.next_steps import RULES, next_steps
from convnext_dense.diagnosis.run_facts import RunFacts
from convnext_dense.diagnosis.statistics import DataStatistics
from convnext_dense.diagnosis.step_rules.base import Known

KINDS = ('class', 'location', 'both', 'duplicate', 'background', 'missed')


def data(name: str, examples: list[int], side: int, **others) -> DataStatistics:
    numbers = np.array(examples)
    classes, sizes = [f'c{n}' for n in range(len(examples))], np.array([[side, side]])
    return DataStatistics(name, classes, 'pixels', 50, 0, sizes, numbers, numbers, **others)


def known(kind: str = 'missed', sure: float = 9.0, tile: int | None = None, flags: dict | None = None, **run) -> Known:
    """Nearly all that can be found."""
    facts = Facts(
        *('box AP', 50.0, 30.0, 70.0, 40, 'objects', []),
        confusions=[ConfusionFacts('cat', 'lynx', 50, 30.0, 40.0)],
        error_costs=dict.fromkeys(KINDS, 3.0) | {kind: 9.0},
        sizes={'small': GroupFacts(9, 50, 10), 'medium': GroupFacts(9, 30, 60), 'large': GroupFacts(9, 20, 30)},
        overconfidence=sure,
        suspects=20,
        labels=100,
        best_score=0.4,
        boundary=10.0,
        pixel_accuracy=90.0,
    )
    training, tested = (
        data('training', [0, 1, 900, 30, 4], 100, unlabeled=50.0),
        data('tested', [5, 0, 10, 90, 9], 900),
    )
    losses = [(step, 10.0 - step / 10) for step in range(1, 81)]
    settings = dict(losses=losses, steps_per_unit=10.0, image_side=128, learned_accuracy=10.0, pretrained=False)
    return Known(facts, training, tested, RunFacts(flags=flags or {}, tile=tile, **{**settings, **run}), 3, 40)


def curve(*values: float) -> list[tuple[int, float]]:
    return list(enumerate(values, 1))


CASES = [
    *(known(kind) for kind in KINDS),
    known(tile=256, sure=-20.0),
    known(raw=curve(1, 2, 3, 4, 5, 6, 7, 60)),
    known(ema=[(100 * place, value) for place, value in curve(1, 2, 3, 4, 5, 6, 7, 60)], unit='step'),
    known(raw=curve(1, 60, 3, 4, 5, 6, 7, 6), ema=curve(1, 1), pretrained=True),
    known(raw=curve(1, 60), length=9),
]


def test_every_rule_applies_in_some_case():
    texts = {step.rule for case in CASES for step in next_steps(case, 99)}
    assert texts == {rule.text for rule in RULES} and len(texts) == len(RULES)


@pytest.fixture(scope='module')
def verbs() -> dict[str, argparse.ArgumentParser]:
    return {verb: main.build_parser(verb) for verb in main.VERBS}


def test_every_flag_and_verb_in_an_advice_exists(verbs):
    quoted = {text for case in CASES for step in next_steps(case, 99) for text in re.findall('`([^`]+)`', step.advice)}
    flags = {flag for parser in verbs.values() for flag in parser._option_string_actions}
    named = {flag for text in quoted for flag in re.findall(r'(?<!\S)--[a-z-]+', text)}
    assert len(named) > 12
    assert named <= flags
    for text in quoted:
        if text.startswith('convnext-dense '):
            assert text.split()[1] in verbs


def test_every_reason_has_numbers_and_every_rule_is_told_in_general():
    for case in CASES:
        for step in next_steps(case, 99):
            assert step.advice.endswith('.') and not step.reason.endswith('.')
            assert re.search(r'\d', step.reason) or step.reason == 'the run measured nothing while it trained'


def test_what_makes_numbers_doubtful_comes_first_then_the_largest_gain():
    for case in CASES:
        steps = next_steps(case, 99)
        first = {rule.text for rule in RULES if rule.comes_first}
        count = sum(step.rule in first for step in steps)
        assert {'duplicates', 'suspects'} <= {step.section for step in steps[:count]}
        for part in (steps[:count], steps[count:]):
            assert [step.gain for step in part] == sorted((step.gain for step in part), reverse=True)
        assert all(step.rule in first for step in steps[:count])
        assert next_steps(case) == steps[:8]


def test_advices_do_not_contradict_each_other():
    for case in CASES:
        text = ' '.join(step.advice for step in next_steps(case, 99))
        longer = 'Train longer: ' in text or 'Train longer before' in text
        assert not (longer and 'The run overfits' in text)
        assert not ('Train longer: ' in text and '--resume' in text)


def test_nothing_known_nothing_to_do():
    assert next_steps(Known()) == []
    good = Facts('top-1', 95.0, 94.0, 96.0, 5000, 'images', [], suspects=3, labels=5000, overconfidence=1.0)
    even = [data(name, [900, 800], 100) for name in ('training', 'tested')]
    run = RunFacts(raw=curve(90, 94, 95, 95, 95, 95, 95, 95), length=8, pretrained=True, flags={'--recipe': 'small'})
    assert next_steps(Known(good, *even, run, 0, 5000)) == []
