import math
import re
from pathlib import Path

import pytest

from convnext_dense.errors import UserError
from convnext_dense.tasks.tuned import SETTINGS, Tuned
from convnext_dense.tuning.ranges import Range, choose_ranges, describe_ranges, parse_names, parse_ranges

ROOT = Path(__file__).parents[2]


def own(**values: float) -> dict[str, Tuned]:
    return {name: Tuned(value, lambda v: {'key': v}) for name, value in values.items()}


def test_ranges_are_parsed():
    assert parse_ranges('lr=1e-5:1e-2,drop_path=0:0.4') == {'lr': (1e-5, 1e-2), 'drop_path': (0, 0.4)}
    assert parse_ranges('randaugment=3:9') == {'randaugment': (3, 9)}
    assert parse_ranges('lr=1e-3') == {'lr': (1e-3, 1e-3)}, 'one value is fixed'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('lr=1e-2:1e-5', 'lr=1e-2:1e-5 is the wrong way round: lr=1e-05:0.01'),
        ('lr=0:1', 'lr=0:1 is out of the possible: lr is above 0 to 100'),
        ('drop_path=0:1.5', 'drop_path=0:1.5 is out of the possible: drop_path is from 0 to 0.99'),
        ('layer_decay=0.5:2', 'layer_decay=0.5:2 is out of the possible: layer_decay is from 0.01 to 1'),
        ('mixup=-1:1', 'mixup=-1:1 is out of the possible: mixup is from 0 to 1'),
        ('droppath=0:1', "no setting 'droppath' to search: did you mean drop_path?"),
        ('x=0:1', f"no setting 'x' to search: there are {', '.join(SETTINGS)}"),
        ('lr', "'lr' is not NAME=LOW:HIGH: expected a range such as lr=1e-5:1e-2,drop_path=0:0.4"),
        ('lr=a:b', "'lr=a:b' is not NAME=LOW:HIGH: expected a range such as lr=1e-5:1e-2,drop_path=0:0.4"),
        ('lr=1e-3:inf', 'lr=1e-3:inf: take finite numbers'),
        ('randaugment=1.5:3', 'randaugment=1.5:3: randaugment is a whole number'),
        ('', "'' names no setting: expected ranges such as lr=1e-5:1e-2,drop_path=0:0.4"),
    ],
)
def test_bad_ranges_are_refused(text, message):
    with pytest.raises(UserError, match=f'^{re.escape(message)}$'):
        parse_ranges(text)


def test_names_are_parsed():
    assert parse_names('lr, drop_path,lr') == ['lr', 'drop_path']
    with pytest.raises(UserError, match='no setting is named'):
        parse_names(',')


def test_ranges_are_around_the_own_values():
    found = choose_ranges(own(lr=4e-3, layer_decay=0.7, drop_path=0.1, weight_decay=0.05), {}, None, 'it')
    assert found == {
        'lr': (4e-4, 4e-2),
        'layer_decay': (0.5, 0.9),
        'drop_path': (0.0, 0.3),
        'weight_decay': (0.005, 0.5),
    }
    found = choose_ranges(own(layer_decay=0.95, drop_path=0.8, randaugment=9), {}, None, 'it')
    assert found == {'layer_decay': (0.75, 1.0), 'drop_path': (0.6, 0.9), 'randaugment': (3, 15)}


def test_given_ranges_replace_and_names_limit_them():
    found = choose_ranges(own(lr=4e-3, drop_path=0.1), {'lr': Range(1e-5, 1e-2)}, None, 'it')
    assert found == {'lr': (1e-5, 1e-2), 'drop_path': (0.0, 0.3)}
    assert list(choose_ranges(own(lr=4e-3, drop_path=0.1), {}, ['drop_path'], 'it')) == ['drop_path']


def test_settings_that_are_not_there_or_contradict_are_refused():
    with pytest.raises(UserError, match=r'^it has no mixup to search: it has lr, drop_path$'):
        choose_ranges(own(lr=1, drop_path=0), {}, ['mixup'], 'it')
    with pytest.raises(UserError, match=r'^--search gives a range for lr, which --only drop_path leaves out$'):
        choose_ranges(own(lr=1, drop_path=0), {'lr': Range(1, 2)}, ['drop_path'], 'it')
    with pytest.raises(UserError, match=r'^there is no range around weight_decay 0: give one with --search'):
        choose_ranges(own(weight_decay=0), {}, ['weight_decay'], 'it')


def test_settings_off_by_default_take_part_when_named():
    off = {'layer_decay': Tuned(1.0, lambda v: {}, by_default=False), **own(lr=1.0)}
    assert list(choose_ranges(off, {}, None, 'it')) == ['lr']
    assert list(choose_ranges(off, {'layer_decay': Range(0.5, 1)}, None, 'it')) == ['lr', 'layer_decay']
    with pytest.raises(UserError, match='no setting to search by default: name some of layer_decay with --only'):
        choose_ranges({'layer_decay': off['layer_decay']}, {}, None, 'it')


def test_ranges_around_any_own_value_are_possible():
    for name, setting in SETTINGS.items():
        for share in (0.0, 0.2, 0.5, 0.9, 1.0):
            value = setting.least + share * (min(setting.most, 20) - setting.least)
            value = 1.0 if 'jitter' in name else value  # their own value is always 1
            if setting.log and value == 0:
                continue
            low, high = setting.around(value)
            assert math.isfinite(low) and setting.least <= low <= value <= high, name
            assert high <= setting.most or setting.log, name


def test_documentation_has_the_table():
    page = (ROOT / 'docs/training.md').read_text()
    for name, meaning, span in describe_ranges():
        assert f'| `{name}` | {meaning} | {span} |' in page, name
