"""The learning rate range test on functions whose stable learning rates are known, and the reading of curves."""

import math

import numpy as np
import pytest

from convnext_dense.engine.lr_range import Step, has_diverged, ramp, smooth, smoothed_forward, suggest


def descend(curvature, lrs, noise=0.0, seed=0):
    """Gradient descent on f(w) = curvature * w^2 / 2 + 1, stable below 2 / curvature, fastest at half of it."""
    random, w, steps = np.random.default_rng(seed), 3.0 / math.sqrt(curvature), []
    for lr in lrs:
        steps.append(Step(lr, curvature * w * w / 2 + 1 + noise * random.standard_normal()))
        if len(steps) > 10 and has_diverged([step.loss for step in steps]):
            break
        w -= lr * curvature * w
    return steps


def test_the_ramp_grows_by_one_factor():
    lrs = ramp(1e-7, 1.0, 100)
    assert (lrs[0], lrs[-1]) == (1e-7, pytest.approx(1.0))
    assert np.allclose(np.diff(np.log10(lrs)), 7 / 99)


@pytest.mark.parametrize('curvature', [0.1, 10.0, 1e3, 1e5])
@pytest.mark.parametrize('noise', [0.0, 0.1])
def test_the_suggestion_is_stable_on_a_quadratic(curvature, noise):
    steps = descend(curvature, ramp(1e-9, 1e3, 240), noise)
    found = suggest(steps)
    limit = 2 / curvature
    assert limit / 200 < found.steepest < limit
    assert found.cautious < limit
    assert limit / 20 < found.at_minimum < 3 * limit  # w is 0 before it diverges
    assert limit < steps[-1].lr < 20 * limit  # and the ramp ends soon after
    assert not found.still_falling


def test_the_suggestion_scales_with_the_function():
    """A function that is ten times as steep takes a tenth of the learning rate."""
    one, other = (suggest(descend(curvature, ramp(1e-6, 1e3, 190))) for curvature in (1.0, 10.0))
    assert one.steepest / other.steepest == pytest.approx(10, rel=0.15)


def test_a_dip_long_before_the_descent_is_noise():
    """Losses fall by a lucky batch at 1e-6, most steeply of all, and by learning at 1e-2."""
    lrs = ramp(1e-7, 1.0, 200)
    losses = [3 - (lr > 1e-6) * 0.5 - min(1.0, lr / 1e-2) if lr < 3e-2 else 20.0 for lr in lrs]
    assert 1e-4 < suggest([Step(*pair) for pair in zip(lrs, losses, strict=True)]).steepest < 3e-2


def test_losses_without_a_descent_suggest_nothing():
    random, lrs = np.random.default_rng(0), ramp(1e-7, 1.0, 100)
    assert suggest([Step(lr, 2.5 + 0.1 * random.standard_normal()) for lr in lrs]) is None
    assert suggest([Step(lr, 2.5 + i) for i, lr in enumerate(lrs)]) is None
    assert suggest([Step(lr, 1.0) for lr in lrs]) is None
    assert suggest([Step(lr, 1.0) for lr in lrs[:5]]) is None


def test_a_ramp_that_ends_while_the_loss_falls():
    assert suggest([Step(lr, 3 - i / 50) for i, lr in enumerate(ramp(1e-7, 1e-3, 100))]).still_falling


def test_the_moving_average_has_no_bias():
    assert np.allclose(smoothed_forward([4.0] * 20), 4.0)
    averages = smoothed_forward([1.0, 2.0])
    assert averages[1] == pytest.approx((0.9 * 1 + 2) / 1.9)  # (0.9 * 0.1 * 1 + 0.1 * 2) / (1 - 0.81)


def test_smoothing_is_late_nowhere_and_no_peak_reaches_back():
    straight = np.linspace(5, 1, 100)
    assert np.allclose(smooth(straight.tolist())[10:90], straight[10:90], atol=1e-3)
    flat = [2.0] * 50 + [1.0] * 45 + [1e9] * 5
    assert smooth(flat)[:85].max() <= 2.0 + 1e-6


def test_divergence_is_four_times_the_best():
    assert not has_diverged([1.0] * 20 + [3.0] * 50)
    assert has_diverged([1.0] * 20 + [6.0] * 50)
    assert has_diverged([-1.0] * 20 + [6.0] * 50)  # a loss may be negative
