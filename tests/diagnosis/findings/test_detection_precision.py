import json
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.diagnosis.findings.detection_analysis import analyze
from convnext_dense.diagnosis.findings.detection_precision import (
    FEW_IMAGES,
    FEW_IMAGES_HELD,
    box_precision,
    precision_of,
    precision_section,
    resamples_for,
)
from tests.diagnosis.test_average_precision import CLASSES, coco_ap
from tests.helpers.detected_images import detected_image, random_images


@pytest.mark.parametrize('masks', [False, True])
def test_ap_of_boxes_and_masks_is_that_of_the_metric(masks):
    images = random_images(15, 3, seed=2, masks=masks)
    of_kinds = [precision_of(analyze(images, CLASSES, masks), 30)]
    if masks:
        of_kinds.append(box_precision(images, CLASSES, 30))
    table = precision_section(of_kinds, len(images)).blocks[0]
    names = [column.name for column in table.columns]
    for one in of_kinds:
        expected = coco_ap(images, one.prefix == 'mask')[0]
        endings = ('', '50', '75', 's', 'm')
        place = names.index(f'{one.prefix} AP')
        values = [row[place] for row in table.rows]
        assert values[:5] == pytest.approx([expected[f'{one.prefix}_AP{ending}'] for ending in endings])
        assert values[5] is None  # there are no large objects
        for row in table.rows:
            assert row[place] is None or row[place + 1] <= row[place] <= row[place + 2]
    sizes = of_kinds[0].sizes
    assert sum(group.share for group in sizes.values()) == pytest.approx(100)
    assert table.rows[0][1] == sum(group.objects for group in sizes.values())


def test_the_lead_tells_of_sizes_that_differ():
    small, large = (0, 0, 10, 10), (10, 0, 110, 110)
    images = [
        detected_image([(small, 0), (large, 0)], [(large, 0, 0.9), ((30, 0, 40, 10), 0, 0.8)], path=f'{i}')
        for i in range(4)
    ]
    section = precision_section([precision_of(analyze(images, ['cat']), 10)], 4)
    assert section.lead == (
        'Small objects are the hardest: box AP 0%, that of large ones 100%; 50% of the objects are small.'
    )
    found = [detected_image([(small, 0), (large, 0)], [(large, 0, 0.9), (small, 0, 0.8)])]
    section = precision_section([precision_of(analyze(found, ['cat']), 10)], 1)
    assert section.lead == 'box AP is 100%, and about the same for objects of any size and shape.'


def test_fewer_resamples_of_many_predictions():
    assert [resamples_for(n, 1000) for n in (0, 10**6, 2 * 10**6, 10**9)] == [1000, 1000, 500, 100]
    assert resamples_for(10**9, 50) == 50
    images = random_images(5, 2, seed=0)
    precision = precision_of(analyze(images, ['a', 'b']), 20)
    assert (precision.resamples, precision.group_resamples) == (20, 20)
    assert {one.resamples for one in precision.intervals.values() if np.isfinite(one.value)} <= set(range(1, 21))


def test_what_is_said_of_intervals_was_measured():
    """The share in the note of the page is that of benchmarks/diagnosis.json and that of docs/diagnosis.md."""
    measured = json.loads(Path('benchmarks/diagnosis.json').read_text())['coverage']
    few = next(one for one in measured if one['images'] == FEW_IMAGES)
    assert round(100 * few['of_ap']) == FEW_IMAGES_HELD
    text = ' '.join(Path('docs/diagnosis.md').read_text().split())
    assert f'with {FEW_IMAGES} images each, they held the AP of 10,000 images in {FEW_IMAGES_HELD}%' in text
