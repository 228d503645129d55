"""What is found about a panoptic model, against the metric and by hand."""

import dataclasses
import json

import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.findings.panoptic import find, quality_gains
from convnext_dense.diagnosis.records import PanopticImage
from convnext_dense.evaluation.panoptic import PanopticQuality, Tally

NAMES = ['cat', 'dog', 'sky', 'sea']
TALLIES = [
    {0: Tally(1.6, 2, 0, 1), 2: Tally(0.9, 1, 0, 0)},
    {0: Tally(0, 0, 1, 2), 2: Tally(0, 0, 1, 1)},
    {1: Tally(0, 0, 2, 0), 2: Tally(0.7, 1, 0, 0)},
]


def records(tallies=TALLIES) -> list[PanopticImage]:
    rng = np.random.default_rng(0)
    pixels = [Confusion.count(4, rng.integers(0, 3, 500), rng.integers(0, 3, 500)) for _ in tallies]
    return [PanopticImage(f'{i}.png', p, tallies=t) for i, (p, t) in enumerate(zip(pixels, tallies, strict=True))]


def section(findings, name):
    return next(one for one in findings.sections if one.id == name)


def test_numbers_are_those_of_the_metric():
    findings = find(records(), [], NAMES, things=2, resamples=50)
    metric = PanopticQuality()
    metric.dataset_meta = {'classes': NAMES, 'stuff_classes': NAMES[2:]}
    expected = metric.compute_metrics([((number, ''), tally) for number, tally in enumerate(TALLIES)])
    values = {one.name: one.value for one in findings.headlines}
    for name in ('PQ', 'SQ', 'RQ'):
        assert values[name] == pytest.approx(expected[name])
        assert values[f'{name} of things'] == pytest.approx(expected[f'{name}_things'])
        assert values[f'{name} of stuff'] == pytest.approx(expected[f'{name}_stuff'])
    assert 20 < values['pixel accuracy'] < 45 and 10 < values['mIoU'] < 35
    table = section(findings, 'classes').blocks[0]
    names = [column.name for column in table.columns]
    rows = {row[0]: dict(zip(names, row, strict=True)) for row in table.rows}
    counts = {
        name: [rows[name][key] for key in ('Kind', 'Images', 'Segments', 'Found', 'Missed', 'False')] for name in NAMES
    }
    assert counts == {
        'cat': ['thing', 2, 5, 2, 3, 1],
        'dog': ['thing', 0, 0, 0, 0, 2],
        'sky': ['stuff', 3, 3, 2, 1, 1],
        'sea': ['stuff', 0, 0, 0, 0, 0],
    }
    for name, kinds in metric.per_class.items():
        assert {kind: rows[name][kind] for kind in kinds} == pytest.approx(kinds)
    assert rows['sea']['PQ'] is None
    json.dumps([dataclasses.asdict(s) for s in findings.sections + findings.headlines], allow_nan=False)


def test_what_costs_quality_by_hand():
    """One class: three found with a sum of IoUs of 2.4, one false, two missed: PQ = 2.4 / 4.5."""
    gains = quality_gains(np.array([[2.4, 3, 1, 2], [0, 0, 0, 0]]))
    base = 2.4 / 4.5
    assert gains == pytest.approx(
        {
            'missed segments': 100 * (2.4 / 3.5 - base),
            'false segments': 100 * (2.4 / 4 - base),
            'inexact masks': 100 * (3 / 4.5 - base),
        }
    )
    assert set(quality_gains(np.zeros((2, 4))).values()) == {None}
    findings = find(records(), [], NAMES, things=2, resamples=20)
    chart, table = section(findings, 'errors').blocks
    assert dict(zip(chart.categories, chart.series[0].y, strict=True)) == {row[0]: row[2] for row in table.rows}
    assert {row[0]: row[1] for row in table.rows} == {
        'missed segments': 4, 'false segments': 4, 'inexact masks': None
    }  # fmt: skip
    largest = max(table.rows, key=lambda row: row[2])
    assert section(findings, 'errors').lead == (
        f'The largest loss is from {largest[0]}: without them PQ would be {largest[2]:.1f} points higher.'
    )


def test_images():
    findings = find(records(), [], NAMES, things=2, resamples=20)
    assert findings.values == pytest.approx({'0.png': 77, '1.png': 0, '2.png': 35})
    assert section(findings, 'images').blocks[0].images == [1, 2, 0]
    assert findings.image_findings['0.png'][:1] == ['missed segment']
    assert findings.image_findings['2.png'][:1] == ['false segment']


def test_no_truth_and_things_alone():
    false = find(records([{0: Tally(0, 0, 3, 0)}, {}]), [], NAMES, things=2, resamples=20)
    assert false.headlines == [] and false.sections[0].lead.startswith('The images have no annotated segments')
    assert false.values['1.png'] is None
    things = find(records(), [], NAMES, things=4, resamples=20)
    assert not [one.name for one in things.headlines if 'stuff' in one.name]
