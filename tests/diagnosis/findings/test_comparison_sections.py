import numpy as np
import pytest

from convnext_dense.diagnosis.classification import Predictions
from convnext_dense.diagnosis.findings.comparison_sections import (
    Changes,
    change_text,
    changed_section,
    class_section,
    flips_section,
    headline_section,
    verdict,
)
from convnext_dense.diagnosis.intervals import Changed, Difference, Quantity
from convnext_dense.diagnosis.records import ClassifiedImage


def difference(metric: str, low: float, high: float, name: str | None = None, lower: bool = False) -> Difference:
    middle = (low + high) / 2
    return Difference(Quantity(metric, name, lower), 60.0, 60.0 + middle, middle, low, high, 0.9, 1000)


@pytest.mark.parametrize(
    ('bounds', 'lower', 'expected'),
    [
        ((1, 3), False, 'clearly better'),
        ((-3, -1), False, 'clearly worse'),
        ((1, 3), True, 'clearly worse'),
        ((-3, -1), True, 'clearly better'),
        ((-1, 3), False, 'not clear'),
        ((0, 3), False, 'not clear'),
    ],
)
def test_verdicts(bounds, lower, expected):
    assert verdict(difference('x', *bounds, lower=lower)) == expected


def test_headlines():
    shown = [
        difference('top1', 1, 3),
        difference('calibration_error', -1, 2, lower=True),
        difference('F1', 1, 2, 'cat'),
    ]
    nan = float('nan')
    undefined = Difference(Quantity('top5'), nan, nan, nan, nan, nan, nan, 0)
    section = headline_section([*shown, undefined], 40, [1000, 500, 1000], ['A note.'])
    table, note = section.blocks
    assert section.lead == 'top-1 went from 60.0% to 62.0%, by +2.0 (+1.0 to +3.0), clearly better.'
    assert table.rows == [
        ['top-1', 60, 62, 2, 1, 3, 'clearly better', 90],
        ['calibration error', 60, 60.5, 0.5, -1, 2, 'not clear', 90],
    ]
    assert 'the same 1,000 or 500 draws of 40 images' in table.note and note.text == 'A note.'


def test_classes():
    differences = [difference('F1', 1, 3, 'cat'), difference('F1', -4, 1, 'dog'), difference('top1', 0, 1)]
    section = class_section(differences, 'F1', ['dog', 'cat', 'cow'], np.array([5, 6, 0]))
    (table,) = section.blocks
    assert [row[:2] for row in table.rows] == [['dog', 5], ['cat', 6]]
    assert section.lead == (
        f'The F1 of 1 of 2 classes changed clearly; cat gained most, from {change_text(differences[0])}; dog lost '
        f'most, from {change_text(differences[1])}.'
    )
    assert table.note == 'Of 2 classes about 0.1 would look clear by chance alone.'
    none = class_section([difference('top1', 0, 1)], 'F1', ['cat'], np.array([5]))
    assert none.lead == 'There are too many classes for intervals of each (1), or none has examples.'


def test_images():
    changes = Changes('IoU', np.array([10.0, 50, np.nan, 30]), np.array([20.0, 20, 5, 30]))
    section = changed_section([Changed('b', 50, 20)], changes)
    assert section.lead == 'By IoU, 1 image became better and 1 worse.'
    assert section.blocks[0].rows == [['b', 50, 20, -30]]
    assert section.blocks[0].note == 'The 1 of 2 changed images that changed most.'


def test_flips():
    def run(*scores: float) -> Predictions:
        images = [ClassifiedImage(f'{i}', np.array([s, 1 - s], np.float32), 0) for i, s in enumerate(scores)]
        return Predictions.of(images, 2)

    section = flips_section(run(0.25, 0.4, 0.75, 0.9), run(0.75, 0.9, 0.25, 0.8), ['cat', 'dog'])
    fixed, broken = section.blocks
    assert section.lead == '2 images became right and 1 wrong.'
    assert [row[0] for row in fixed.rows] == ['0', '1'] and fixed.title == 'Fixed images'
    assert broken.rows == [['2', 'cat', 'cat', 0.75, 'dog', 0.75]]
