"""Classifications: the order of their scores, and their JSON."""

import json

import numpy as np
import pytest
import torch

from convnext_dense.results import Classification
from tests.results.conftest import NAMES


def test_the_highest_scores_of_a_classification():
    scores = np.array([0.05, 0.4, 0.02, 0.3, 0.2, 0.03], np.float32)
    result = Classification('a.jpg', scores, NAMES)
    assert result.top(2) == [('boat', pytest.approx(0.4)), ('fish', pytest.approx(0.3))]
    assert [name for name, _ in result.top(9)] == ['boat', 'fish', 'kite', 'bird', 'ring', 'car']
    content = json.loads(json.dumps(result.as_json()))
    assert content['path'] == 'a.jpg'
    assert [entry['label'] for entry in content['top']] == [1, 3, 4, 0, 5]
    assert [entry['name'] for entry in content['top']] == ['boat', 'fish', 'kite', 'bird', 'ring']
    assert [entry['score'] for entry in content['top']] == pytest.approx([0.4, 0.3, 0.2, 0.05, 0.03])


def test_what_the_classifier_predicts_becomes_a_classification():
    scores = torch.tensor([0.25, 0.75])
    result = Classification.from_prediction({'scores': scores, 'path': 'a.jpg', 'label': 0}, ['cat', 'dog'])
    assert (result.path, result.top(1)) == ('a.jpg', [('dog', 0.75)])
    assert result.scores.dtype == np.float32
    assert Classification.from_prediction({'scores': scores}, ['cat', 'dog']).path is None
