import numpy as np
import pytest

from convnext_dense.diagnosis.panoptic_quality import image_quality, panoptic_measure
from convnext_dense.evaluation.panoptic import PanopticQuality, Tally

NAMES = ('cat', 'dog', 'sky', 'sea')
TALLIES = [
    {0: Tally(1.6, 2, 0, 1), 2: Tally(0.9, 1, 0, 0)},
    {0: Tally(0, 0, 1, 2), 2: Tally(0, 0, 1, 1)},
    {1: Tally(0, 0, 2, 0), 2: Tally(0.7, 1, 0, 0)},
]


def quality(tallies):
    metric = PanopticQuality()
    metric.dataset_meta = {'classes': NAMES, 'stuff_classes': NAMES[2:]}
    metrics = metric.compute_metrics([((number, ''), tally) for number, tally in enumerate(tallies)])
    return metrics | {(name, kind): value for name, one in metric.per_class.items() for kind, value in one.items()}


@pytest.mark.parametrize('times', [(1, 1, 1), (2, 0, 1), (0, 0, 3), (0, 3, 0)])
def test_quality_is_that_of_the_metric_with_images_as_often_as_they_count(times):
    expected = quality([tally for tally, n in zip(TALLIES, times, strict=True) for _ in range(n)])
    measure = panoptic_measure(TALLIES, NAMES, things=2)
    values = measure.compute(np.array([(1, 1, 1), times]))[1]
    named = {
        quantity.metric if quantity.class_name is None else (quantity.class_name, quantity.metric): value
        for quantity, value in zip(measure.quantities, values, strict=True)
    }
    del expected['images']
    assert {name: value for name, value in named.items() if not np.isnan(value)} == pytest.approx(expected)


def test_quality_of_images():
    values = [image_quality(tallies) for tallies in TALLIES]
    assert values == pytest.approx([100 * (1.6 / 2.5 + 0.9) / 2, 0, 100 * (0 + 0.7) / 2])
    assert values == pytest.approx([quality([tallies])['PQ'] for tallies in TALLIES])
    assert np.isnan([image_quality({}), image_quality({0: Tally(0, 0, 0, 0)})]).all()
