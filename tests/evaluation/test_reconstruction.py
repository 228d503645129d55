"""The mean loss over images."""

import pytest

from convnext_dense.evaluation import ReconstructionLoss
from convnext_dense.evaluation.metric_names import rule_of


def test_it_is_the_mean_over_images_whatever_their_order():
    metric = ReconstructionLoss()
    metric.process(None, [{'loss': 0.5, 'path': 'b'}, {'loss': 1.0, 'path': 'a'}])
    metric.process(None, [{'loss': 0.3, 'path': 'c'}])
    assert metric.evaluate(3) == {'reconstruction_loss': pytest.approx(0.6), 'images': 3}
    losses = [0.1, 1e8, 0.2, 0.3, -1e8]
    values = set()
    for order in ((0, 1, 2, 3, 4), (4, 2, 0, 1, 3), (3, 4, 1, 0, 2)):
        metric.process(None, [{'loss': losses[i], 'path': str(i)} for i in order])
        values.add(metric.evaluate(5)['reconstruction_loss'])
    assert len(values) == 1
    assert metric.evaluate(0) == {'images': 0}


def test_lower_is_better_by_its_name():
    assert rule_of('raw/reconstruction_loss') == 'less'
