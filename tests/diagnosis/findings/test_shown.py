import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.content import Text
from convnext_dense.diagnosis.findings import shown
from convnext_dense.diagnosis.findings.base import ClassFacts, ConfusionFacts, Facts
from convnext_dense.diagnosis.intervals import Interval, Quantity

NAMES = ['cat', 'dog', 'cow']


def confusion_of(pairs: dict[tuple[int, int], int], classes: int = 3) -> Confusion:
    true, predicted = np.array(list(pairs)).T
    return Confusion.count(classes, true, predicted, np.array(list(pairs.values())))


PAIRS = {(0, 0): 6, (0, 1): 3, (1, 0): 1, (1, 1): 5, (0, 3): 1, (3, 1): 4}


def test_undefined_numbers_are_none():
    assert shown.defined(np.nan) is None and shown.defined(np.inf) is None and shown.defined(None) is None
    assert shown.defined(np.float32(0.5)) == 0.5 and shown.defined(0.123456, 3) == 0.123
    assert shown.share(1, 4) == 25 and shown.share(0, 0) is None


@pytest.mark.parametrize(
    ('value', 'text'),
    [(41.4, '41%'), (9.96, '10%'), (3.46, '3.5%'), (0, '0%'), (0.01, 'less than 0.1%'), (-3.46, '-3.5%')]
    + [(None, 'unknown'), (np.nan, 'unknown'), (100.0, '100%')],
)
def test_percent(value, text):
    assert shown.percent(value) == text


def test_joined_words():
    assert [shown.joined(list(letters)) for letters in ('', 'a', 'ab', 'abc')] == ['', 'a', 'a and b', 'a, b and c']
    assert shown.named_some(list('abcde')) == 'a, b, c, d and e'
    assert shown.named_some(list('abcdefg')) == 'a, b, c, d and 3 others'


def test_a_headline_has_bounds_if_images_vary():
    interval = Interval(Quantity('calibration_error', lower_is_better=True), 3.0, 2.0, 5.0, 10)
    one = shown.headline(interval)
    assert (one.name, one.value, one.low, one.high, one.lower_is_better) == ('calibration error', 3, 2, 5, True)
    same = shown.headline(Interval(Quantity('box_APs'), 100.0, 100.0, 100.0, 10))
    assert (same.name, same.low, same.high) == ('box AP, small objects', None, None)
    assert shown.METRIC_NAMES['mask_APtall'] == 'mask AP, tall objects'
    undefined = shown.headline(Interval(Quantity('PQ_stuff'), np.nan, np.nan, np.nan, 0))
    assert (undefined.name, undefined.value, undefined.low) == ('PQ of stuff', None, None)


def test_a_matrix_of_few_classes_has_all():
    matrix = shown.confusion_matrix(confusion_of(PAIRS), NAMES, 'objects', 'background')
    assert matrix.rows == matrix.columns == [*NAMES, 'background']
    assert matrix.counts == [[6, 3, 0, 1], [1, 5, 0, 0], [0, 0, 0, 0], [0, 4, 0, 0]] and not matrix.note
    without = shown.confusion_matrix(confusion_of(PAIRS), NAMES, 'objects')
    assert without.rows == NAMES and without.counts == [[6, 3, 0], [1, 5, 0], [0, 0, 0]]


def test_a_matrix_of_thousands_of_classes_has_the_largest_confusions():
    right = {(k, k): 1000 + k for k in range(3000)}
    confusion = confusion_of({**right, (2900, 17): 50, (5, 2900): 30, (3000, 8): 900}, 3000)
    names = [f'c{k}' for k in range(3000)]
    matrix = shown.confusion_matrix(confusion, names, 'objects', 'background')
    assert len(matrix.rows) == 41 and {'c5', 'c17', 'c2900', 'c2999', 'background'} < set(matrix.rows)
    at = matrix.rows.index
    assert matrix.counts[at('c2900')][at('c17')] == 50 and matrix.counts[at('c2900')][at('c2900')] == 3900
    assert matrix.note == 'Only the 40 of 3,000 classes with the largest confusions; tables have all.'


def test_the_table_of_confusions():
    table = shown.confusion_table(confusion_of(PAIRS), NAMES, 'objects', 'background')
    assert table.rows == [
        ['background', 'dog', 4, None, pytest.approx(100 * 4 / 9)],
        ['cat', 'dog', 3, 30.0, pytest.approx(100 * 3 / 9)],
        ['dog', 'cat', 1, pytest.approx(100 / 6), pytest.approx(100 / 9)],
        ['cat', 'background', 1, 10.0, pytest.approx(100 / 9)],
    ]
    many = confusion_of({(k, (k + 1) % 60): 1 for k in range(60)}, 60)
    assert shown.confusion_table(many, [str(k) for k in range(60)], 'images').note == 'The 50 largest of 60.'


def test_confusions_of_classes_leave_out_the_background():
    facts = shown.confusion_facts(confusion_of(PAIRS), NAMES)
    assert facts[0] == ConfusionFacts('cat', 'dog', 3, 30.0, 75.0) and len(facts) == 2
    assert shown.confusion_lead(facts[0], 'objects', 'errors') == (
        '75% of the errors are cat taken for dog (3 objects, 30% of all cat).'
    )
    assert shown.confusion_facts(confusion_of({(0, 0): 2, (0, 3): 4}), NAMES) == []


def facts_of(*metrics: float | None) -> Facts:
    classes = [ClassFacts(NAMES[k], 0 if m is None else 7, 1, m) for k, m in enumerate(metrics)]
    return Facts('mIoU', 50.0, None, None, 1, 'images', classes)


def test_the_weakest_class():
    assert shown.weakest_class(facts_of(80.0, None, 40.0), 'IoU') == (
        'The weakest class is cow (IoU 40%, 7 images); the best is cat (80%).'
    )
    assert shown.weakest_class(facts_of(80.0, None), 'IoU') == 'One class was tested: cat (IoU 80%, 7 images).'
    assert shown.weakest_class(facts_of(100.0, 100.0), 'IoU') == 'All 2 tested classes have the same IoU, 100%.'
    assert shown.weakest_class(facts_of(None), 'IoU') == ''
    assert shown.absent_classes([], 'image') == []
    assert shown.absent_classes(['dog', 'cow'], 'tested image') == [
        Text('Without a tested image, nothing can be said about dog and cow.')
    ]


def test_an_interval_of_equal_examples_is_left_out():
    """Where all examples of a class fare alike, resamples tell nothing: 100 to 100 would look certain."""
    intervals = {
        ('F1', name): Interval(Quantity('F1', name), 100.0, low, 100.0, 10)
        for name, low in (('a', 100.0), ('b', 90.0))
    }
    assert shown.interval_cells(intervals, 'F1', 'a') == [100, None, None]
    assert shown.interval_cells(intervals, 'F1', 'b') == [100, 90, 100]
