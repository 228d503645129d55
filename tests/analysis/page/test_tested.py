"""Results of a test: rows by metric, tables by class, and why they differ from the last validation."""

import pytest

from convnext_dense.analysis.page.tested import (
    class_tables,
    difference_note,
    logged_headlines,
    main_headlines,
    metric_rows,
)
from convnext_dense.tasks import TASKS

AP = TASKS['detection'].metrics


def test_a_row_for_each_metric_with_a_value_for_each_kind_of_weights():
    rows = metric_rows({'raw/top1': 70.0, 'raw/images': 9, 'ema/top1': None, 'ema/mae': 0.5})
    assert rows['kinds'] == ['raw', 'ema']
    assert [(row['name'], row['values'], row['better'], row['count']) for row in rows['rows']] == [
        ('top-1', [70.0, None], 'greater', False),
        ('images', [9, None], None, True),
        ('mae', [None, 0.5], 'less', False),
    ]


def test_results_by_class_with_the_averaged_weights_first():
    tables = class_tables({'raw': {'cat': {'IoU': 1.0}, 'dog': {'Acc': 2.0}}, 'ema': {'cat': {'IoU': float('nan')}}})
    assert [one['kind'] for one in tables] == ['ema', 'raw']
    assert tables[0]['rows'] == [['cat', None]]
    assert tables[1]['rows'] == [['cat', 1.0, None], ['dog', None, 2.0]]
    assert [one['name'] for one in tables[1]['columns']] == ['class', 'IoU', 'Acc']


def test_main_numbers():
    metrics = {'raw/box_AP': 1.0, 'raw/box_AP50': 3.0, 'ema/box_AP': 2.0, 'ema/mask_AP': 4.0, 'ema/images': 9}
    assert [(one['name'], one['value']) for one in main_headlines(metrics, AP)] == [
        ('box AP', 2.0),
        ('mask AP', 4.0),
    ]
    assert main_headlines({}, AP) == []
    logged = {'val/raw/box_AP': [(1, 5.0), (2, 6.0)]}
    assert [(one['name'], one['value']) for one in logged_headlines(logged, AP)] == [('box AP, last validation', 6.0)]


@pytest.mark.parametrize(
    ('few', 'tested', 'expected'),
    [
        (
            20,
            35.0,
            'had box AP 31.5 on 20 images; the test has 35.0 on 100 images: the validation in training looks at few',
        ),
        (100, 35.0, 'on 100 images; the test has 35.0 on 100 images: the test took another checkpoint'),
        (400, 35.0, 'they are of other images'),
        (20, 31.52, None),
    ],
)
def test_why_the_last_value_in_training_is_not_that_of_the_test(few, tested, expected):
    logged = {'val/raw/box_AP': [(1, 20.0), (12, 31.5)], 'val/raw/images': [(12, few)]}
    note = difference_note(logged, {'raw/box_AP': tested, 'raw/images': 100}, AP)
    assert note == '' if expected is None else expected in note and 'at epoch 12' in note


def test_nothing_is_said_of_runs_without_a_validation():
    assert difference_note({}, {'raw/box_AP': 1.0}, AP) == difference_note({}, {}, None) == ''
