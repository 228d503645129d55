"""The logistic regression of the linear probe, against Newton's method, and the choice of its strength."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convnext_dense.probe import linear
from convnext_dense.probe.linear import Problem, Tried, best_of, try_strengths


def clusters(images: int = 90, channels: int = 5, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes, channels of very different means and scales."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    centers = rng.normal(size=(classes, channels))
    features = centers[labels] + rng.normal(size=(images, channels))
    return (features * 10.0 ** rng.integers(-2, 3, channels) + 7).astype(np.float32), labels


def newton(features: np.ndarray, labels: np.ndarray, classes: int, strength: float, weights: np.ndarray):
    """The minimum by Newton's method, over weight and bias together, as a layer for features as they are."""
    x = torch.from_numpy(features.astype(np.float64))
    mean, std = x.mean(0), x.std(0, correction=0)
    x, y, w = (x - mean) / std, torch.from_numpy(labels), torch.from_numpy(weights)

    def loss(flat: torch.Tensor) -> torch.Tensor:
        weight, bias = flat[: classes * x.shape[1]].view(classes, -1), flat[classes * x.shape[1] :]
        each = F.cross_entropy(x @ weight.T + bias, y, reduction='none') * w
        return each.mean() + strength / 2 * weight.square().sum()

    flat = torch.zeros(classes * (x.shape[1] + 1), dtype=torch.float64)
    for _ in range(50):
        gradient = torch.autograd.functional.jacobian(loss, flat)
        hessian = torch.autograd.functional.hessian(loss, flat)
        flat = flat - torch.linalg.pinv(hessian, hermitian=True) @ gradient  # a common bias changes nothing
    weight, bias = flat[: classes * x.shape[1]].view(classes, -1) / std, flat[classes * x.shape[1] :]
    return weight, bias - weight @ mean


@pytest.mark.parametrize('balanced', [False, True])
@pytest.mark.parametrize('strength', [1.0, 1e-2, 1e-4])
def test_the_minimum_is_newtons(strength, balanced):
    features, labels = clusters()
    labels = np.where((labels == 2) & (np.arange(len(labels)) % 4 > 0), 0, labels)  # few of the last class
    counts = np.bincount(labels)
    weights = len(labels) / 3 / counts[labels] if balanced else np.ones(len(labels))
    problem = Problem(features, labels, 3, balanced=balanced)
    solution = problem.fit(strength)
    assert solution.converged
    weight, bias = problem.layer(solution)
    expected_weight, expected_bias = newton(features, labels, 3, strength, weights)
    x = torch.from_numpy(features.astype(np.float64))
    torch.testing.assert_close(x @ weight.T + bias, x @ expected_weight.T + expected_bias, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weight, expected_weight, rtol=1e-5, atol=1e-7)


def test_features_that_are_read_in_parts_give_the_same(monkeypatch):
    features, labels = clusters()
    whole = Problem(features, labels, 3)
    expected = whole.layer(whole.fit(1e-2))
    monkeypatch.setattr(linear, 'CHUNK', 7)
    monkeypatch.setattr(linear, 'KEPT_BYTES', 0)
    parts = Problem(features, labels, 3)
    assert parts._kept is None
    torch.testing.assert_close(parts.layer(parts.fit(1e-2)), expected, rtol=1e-6, atol=1e-8)


def test_two_fits_are_the_same_to_the_last_digit():
    features, labels = clusters()
    first, second = (Problem(features, labels, 3).fit(1e-3) for _ in range(2))
    assert torch.equal(first.weight, second.weight) and torch.equal(first.bias, second.bias)


def test_a_constant_channel_and_a_class_without_images():
    features, labels = clusters()
    features[:, 1] = 0.1
    problem = Problem(features, labels, 5, balanced=True)
    weight, bias = problem.layer(problem.fit(1e-2))
    assert weight.isfinite().all() and bias.isfinite().all()
    assert weight[:, 1].abs().max() < 1e-9
    predictions = torch.from_numpy(features.astype(np.float64)) @ weight.T + bias
    assert set(predictions.argmax(1).tolist()) <= {0, 1, 2}


def test_strengths_are_tried_on_the_images_that_are_held_out_alone():
    features, labels = clusters(images=120)
    held_out = np.arange(120) % 4 == 0
    tried = list(try_strengths(features, labels, 3, held_out, [1e-3, 1.0]))
    assert [one.strength for one in tried] == [1.0, 1e-3]
    for one in tried:
        weight, bias = newton(features[~held_out], labels[~held_out], 3, one.strength, np.ones(int((~held_out).sum())))
        logits = torch.from_numpy(features[held_out].astype(np.float64)) @ weight.T + bias
        truth = torch.from_numpy(labels[held_out])
        assert one.top1 == pytest.approx(100 * (logits.argmax(1) == truth).double().mean().item())
        assert one.loss == pytest.approx(F.cross_entropy(logits, truth).item(), rel=1e-3)


def test_a_balanced_choice_counts_classes_rather_than_images():
    features, labels = clusters(images=200)
    labels = np.where(np.arange(200) % 20 == 0, 2, np.minimum(labels, 1))
    held_out = np.arange(200) % 4 == 0
    (one,) = try_strengths(features, labels, 3, held_out, [1e-2], balanced=True)
    problem = Problem(features[~held_out], labels[~held_out], 3, balanced=True)
    weight, bias = problem.layer(problem.fit(1e-2))
    right = (torch.from_numpy(features[held_out].astype(np.float64)) @ weight.T + bias).argmax(1).numpy() == labels[
        held_out
    ]
    assert one.top1 == pytest.approx(100 * np.mean([right[labels[held_out] == label].mean() for label in range(3)]))


def test_of_equal_accuracies_the_lower_loss_wins_then_the_larger_strength():
    assert best_of([Tried(1, 90, 0.5), Tried(2, 91, 0.9), Tried(3, 91, 0.8)]).strength == 3
    assert best_of([Tried(1, 90, 0.5), Tried(2, 90, 0.5)]).strength == 2
