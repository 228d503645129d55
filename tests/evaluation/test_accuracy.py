"""Top-k accuracy against a count by hand."""

import math

import pytest
import torch

from convnext_dense.evaluation import Accuracy


def evaluate(rows: list[tuple[list[float], int]], topk=(1, 5)) -> dict:
    metric = Accuracy(topk)
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        metric.process(None, [{'scores': torch.tensor(scores), 'label': label} for scores, label in part])
    return metric.evaluate(len(rows))


def test_counts_by_hand():
    rows = [([0.1, 0.7, 0.2], 1), ([0.5, 0.2, 0.3], 2), ([0.6, 0.3, 0.1], 2), ([0.2, 0.5, 0.3], 1)]
    metrics = evaluate(rows, topk=(1, 2, 5))
    assert metrics == pytest.approx({'top1': 50.0, 'top2': 75.0, 'mean_class_top1': 50.0, 'images': 4})


def test_classes_of_unequal_size():
    rows = [([0.9, 0.1], 0)] * 9 + [([0.9, 0.1], 1)]
    assert evaluate(rows) == pytest.approx({'top1': 90.0, 'mean_class_top1': 50.0, 'images': 10})


def test_random_scores_equal_topk_of_torch():
    scores, labels = torch.rand(200, 12), torch.randint(12, (200,))
    metrics = evaluate(list(zip(scores.tolist(), labels.tolist(), strict=True)))
    for k in (1, 5):
        hits = (scores.topk(k).indices == labels[:, None]).any(1).double().mean().item() * 100
        assert metrics[f'top{k}'] == pytest.approx(hits)


def test_a_collapsed_or_broken_model_is_not_right():
    assert evaluate([([0.5, 0.5], 0)] * 2)['top1'] == 0
    assert evaluate([([math.nan, math.nan], 0)] * 2)['top1'] == 0


def test_results_do_not_leak_into_the_next_evaluation():
    metric = Accuracy()
    for _ in range(2):
        metric.process(None, [{'scores': torch.tensor([1.0, 0.0]), 'label': 0}])
        assert metric.evaluate(1)['images'] == 1


def test_nothing_to_evaluate():
    assert evaluate([]) == {'images': 0}
