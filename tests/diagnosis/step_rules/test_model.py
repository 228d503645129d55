"""Each rule with a case in which it just applies, and one in which it just does not."""

import numpy as np
import pytest

from convnext_dense.data.class_choice import parse_merge
from convnext_dense.diagnosis.findings.base import ConfusionFacts, Facts, GroupFacts
from convnext_dense.diagnosis.run_facts import RunFacts
from convnext_dense.diagnosis.statistics import DataStatistics
from convnext_dense.diagnosis.step_rules import model
from convnext_dense.diagnosis.step_rules.base import Known


def facts(**others) -> Facts:
    settings = dict(metric='box AP', value=50.0, low=45.0, high=54.9, images=100, unit='objects', classes=[])
    return Facts(**{**settings, **others})


def sized(**sizes: tuple[float, float | None]) -> Facts:
    return facts(sizes={name: GroupFacts(100, share, metric) for name, (share, metric) in sizes.items()})


def images(side: int) -> DataStatistics:
    return DataStatistics('tested', ['x'], 'objects', 1, 0, np.array([[side, 2 * side]]), np.ones(1), np.ones(1))


def one(rule, known: Known):
    (advice,) = rule(known)
    return advice


def test_small_objects():
    assert list(model.small_objects(Known(sized(small=(25.0, 40.1), medium=(75.0, 50.0))))) == []
    assert list(model.small_objects(Known(sized(small=(24.9, 10.0), medium=(75.0, 50.0))))) == []
    assert list(model.small_objects(Known(sized(small=(30.0, None), medium=(75.0, 50.0))))) == []
    assert list(model.small_objects(Known(sized(small=(30.0, 10.0))))) == list(model.small_objects(Known())) == []
    advice = one(model.small_objects, Known(sized(small=(25.0, 40.0), medium=(75.0, 50.0))))
    assert advice.gain == 2.5
    assert (
        advice.reason
        == '25% of the objects are small (under 32 x 32 pixels), with an AP of 40.0; medium ones have 50.0'
    )


@pytest.mark.parametrize(
    ('run', 'side', 'flag'),
    [
        (RunFacts(image_side=256), 385, '`--tile 256`'),
        (RunFacts(image_side=256), 384, '`--image-size 512 512`'),
        (RunFacts(image_side=800), 400, '`--image-size 1600 1600`'),
        (RunFacts(image_side=256, tile=256), 4000, '`--tile 128 --image-size 256 256`'),
        (RunFacts(), 4000, '`--tile`'),
    ],
)
def test_small_objects_are_enlarged_by_what_fits_the_images(run, side, flag):
    known = Known(sized(small=(50.0, 20.0), medium=(50.0, 50.0)), tested=images(side), run=run)
    assert flag in one(model.small_objects, known).advice


def test_large_objects():
    assert list(model.large_objects(Known(sized(large=(10.0, 40.1), medium=(75.0, 50.0))))) == []
    assert list(model.large_objects(Known(sized(large=(9.9, 10.0), medium=(75.0, 50.0))))) == []
    whole = Known(sized(large=(10.0, 40.0), medium=(75.0, 50.0)))
    assert one(model.large_objects, whole).gain == 1 and '--tile' not in one(model.large_objects, whole).advice
    tiled = Known(whole.facts, run=RunFacts(tile=256))
    assert '`--tile 512`' in one(model.large_objects, tiled).advice


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        ('class', 'wrong class'),
        ('location', 'lie badly'),
        ('both', 'lie badly and have the wrong class'),
        ('duplicate', 'second boxes'),
        ('background', 'where nothing is annotated'),
        ('missed', 'not found'),
    ],
)
def test_each_kind_of_costly_errors_has_its_advice(kind, words):
    costs = dict.fromkeys(('class', 'location', 'both', 'duplicate', 'background', 'missed'), 1.0)
    found = one(model.costliest_errors, Known(facts(error_costs={**costs, kind: 3.0}, error_counts={kind: 1200})))
    assert words in found.reason and found.reason.startswith('1,200 ') and found.gain == 3
    assert list(model.costliest_errors(Known(facts(error_costs={**costs, kind: 2.9})))) == []


def test_no_costs_no_advice():
    assert list(model.costliest_errors(Known(facts()))) == list(model.costliest_errors(Known())) == []


def test_confused_classes():
    def known(share: float, times: int):
        pair = ConfusionFacts('cat', 'lynx', times, share, 40.0)
        return Known(facts(confusions=[pair, ConfusionFacts('a', 'b', 50, 30.0, 10.0)], value=75.0, unit='images'))

    assert one(model.confused_classes, known(20.0, 5)).gain == 10
    assert "taken for 'lynx'" in one(model.confused_classes, known(20.0, 5)).reason
    assert "taken for 'b'" in one(model.confused_classes, known(19.9, 5)).reason
    assert "taken for 'b'" in one(model.confused_classes, known(20.0, 4)).reason
    assert list(model.confused_classes(Known(facts()))) == list(model.confused_classes(Known())) == []


@pytest.mark.parametrize('names', [('cat', 'lynx'), ('big cat', 'lynx'), ('a, b', 'c"d'), ("o'clock", 'x->y')])
def test_the_flag_that_joins_two_classes_is_read_as_meant(names):
    import shlex

    flag, value = shlex.split(model._merge(*names))
    assert flag == '--merge'
    merge = parse_merge(value)
    assert (list(merge.classes), merge.into) == (list(names), names[0])


def test_too_sure():
    assert list(model.too_sure(Known(facts(overconfidence=4.9)))) == list(model.too_sure(Known(facts()))) == []
    assert '5.0 percent points' in one(model.too_sure, Known(facts(overconfidence=5.0))).reason


@pytest.mark.parametrize(
    ('weights', 'run', 'named', 'not_named'),
    [
        ('raw', RunFacts(averages=True, label_smoothing=0.0), ('--weights ema', 'label_smoothing=0.1'), ('mixup',)),
        ('ema', RunFacts(averages=True, label_smoothing=0.1), (), ('--weights', 'label_smoothing', 'mixup')),
        ('raw', RunFacts(averages=False, label_smoothing=0.2), (), ('--weights', 'label_smoothing')),
        ('ema', RunFacts(mixes_images=False), ('model.mixup',), ('--weights', 'label_smoothing')),
        ('ema', RunFacts(mixes_images=False, flags={'--recipe': 'small'}), (), ('mixup',)),
    ],
)
def test_too_sure_advises_nothing_that_is_so_already(weights, run, named, not_named):
    advice = one(model.too_sure, Known(facts(overconfidence=9.0), run=run, weights=weights)).advice
    assert 'train for fewer epochs' in advice and all(text in advice for text in named)
    assert not any(text in advice for text in not_named)


@pytest.mark.parametrize(('mixes', 'named'), [(True, True), (None, True), (False, False)])
def test_not_sure_advises_no_mixing_where_there_is_some(mixes, named):
    advice = one(model.not_sure, Known(facts(overconfidence=-20.0), run=RunFacts(mixes_images=mixes))).advice
    assert ('--without mixup cutmix' in advice) is named


@pytest.mark.parametrize(('last', 'first'), [(1.0, 'Train longer'), (2.0, 'Check that boxes')])
def test_a_run_that_still_learns_is_made_longer_before_boxes_are_checked(last, first):
    losses = [(step, 2.0 if step <= 75 else last) for step in range(1, 101)]
    known = Known(facts(error_costs={'location': 20.0}), run=RunFacts(losses=losses))
    assert one(model.costliest_errors, known).advice.startswith(first)


@pytest.mark.parametrize(('pretrained', 'named'), [(True, False), (False, True)])
def test_better_weights_are_advised_where_there_are_none(pretrained, named):
    known = Known(facts(error_costs={'both': 20.0}), run=RunFacts(pretrained=pretrained))
    assert ('--pretrained' in one(model.costliest_errors, known).advice) is named


def test_not_sure():
    assert list(model.not_sure(Known(facts(overconfidence=-14.9)))) == list(model.not_sure(Known(facts()))) == []
    assert '15.0 percent points below' in one(model.not_sure, Known(facts(overconfidence=-15.0))).reason


def test_wide_interval():
    assert list(model.wide_interval(Known(facts()))) == list(model.wide_interval(Known(facts(low=None)))) == []
    assert one(model.wide_interval, Known(facts(high=55.0))).reason == (
        'the box AP of 50.0 may as well be 45.0 or 55.0 on other images (95% interval, 100 tested)'
    )


def test_weak_boundaries():
    assert (
        list(model.weak_boundaries(Known(facts(boundary=35.1)))) == list(model.weak_boundaries(Known(facts()))) == []
    )
    advice = one(model.weak_boundaries, Known(facts(boundary=35.0), run=RunFacts(image_side=512)))
    assert '`--image-size 1024 1024`' in advice.advice
