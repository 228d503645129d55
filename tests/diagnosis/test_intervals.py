"""Intervals against exact distributions, and how often they hold the true number, by simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.intervals import (
    Changed,
    Measure,
    Quantity,
    bootstrap,
    draws,
    most_changed,
    paired_bootstrap,
)
from convnext_dense.diagnosis.records import SegmentedImage
from convnext_dense.diagnosis.segmentation import measure as segmentation_measure


def mean_of(values, lower_is_better: bool = False) -> Measure:
    """The mean of a number of each image, in percent."""
    values = np.asarray(values, np.float64)
    quantity = Quantity('mean', lower_is_better=lower_is_better)
    return Measure([quantity], len(values), lambda counts: (100 * counts @ values / counts.sum(axis=1))[:, None])


def test_the_interval_of_an_accuracy_is_that_of_the_binomial_distribution():
    interval = bootstrap(mean_of([1] * 80 + [0] * 20), resamples=20_000)[0]
    assert interval.value == 80 and interval.resamples == 20_000 and interval.informative
    assert interval.low == pytest.approx(binom.ppf(0.025, 100, 0.8), abs=1)
    assert interval.high == pytest.approx(binom.ppf(0.975, 100, 0.8), abs=1)
    narrow = bootstrap(mean_of([1] * 80 + [0] * 20), resamples=20_000, level=0.5)[0]
    assert narrow.low == pytest.approx(binom.ppf(0.25, 100, 0.8), abs=1)
    assert narrow.high == pytest.approx(binom.ppf(0.75, 100, 0.8), abs=1)


def test_each_draw_has_as_many_images_as_there_are(monkeypatch):
    whole = np.concatenate(list(draws(7, 100, 3)))
    assert whole.shape == (100, 7) and (whole.sum(1) == 7).all() and len(np.unique(whole, axis=0)) > 50
    assert not (whole == np.concatenate(list(draws(7, 100, 4)))).all()
    monkeypatch.setattr('convnext_dense.diagnosis.intervals.COUNTS_AT_ONCE', 7 * 8)
    parts = list(draws(7, 100, 3))
    assert [len(part) for part in parts] == [8] * 12 + [4] and (np.concatenate(parts) == whole).all()


@pytest.mark.parametrize('values', [[1.0], [1.0] * 30])
def test_equal_images_tell_nothing(values):
    interval = bootstrap(mean_of(values), resamples=50)[0]
    assert (interval.low, interval.high, interval.informative) == (100, 100, False)


def test_no_images():
    interval = bootstrap(mean_of([]), resamples=50)[0]
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    assert interval.resamples == 0 and not interval.informative
    difference = paired_bootstrap(mean_of([]), mean_of([]), resamples=50)[0]
    assert np.isnan([difference.difference, difference.low, difference.in_favor]).all() and not difference.clear


def test_resamples_without_the_number_are_left_out():
    # The class is in one image of three: a draw lacks it with the probability (2 / 3)^3 = 8 / 27.
    def compute(counts: np.ndarray) -> np.ndarray:
        return np.where(counts[:, :1] > 0, 5.0, np.nan)

    interval = bootstrap(Measure([Quantity('IoU', 'horse')], 3, compute), resamples=2000)[0]
    assert interval.quantity == ('IoU', 'horse', False)
    assert interval.resamples / 2000 == pytest.approx(19 / 27, abs=0.04)
    assert (interval.value, interval.low, interval.high) == (5, 5, 5)


def test_intervals_of_an_accuracy_hold_the_true_one_as_often_as_stated():
    generator = np.random.default_rng(1)
    held = []
    for run in range(300):
        interval = bootstrap(mean_of(generator.random(100) < 0.8), resamples=300, seed=run)[0]
        held.append(interval.low <= 80 <= interval.high)
    assert 0.90 <= np.mean(held) <= 0.98  # 0.95, with three standard errors of 300 runs


def test_intervals_of_miou_hold_the_true_one_as_often_as_stated():
    """Images of 100 pixels, of which one of two classes has a share; the truth is from 200,000 images."""
    generator = np.random.default_rng(2)

    def scenes(images: int) -> np.ndarray:
        """Pixels (N, 2, 2) by true and predicted class; images differ in how difficult they are."""
        true = np.stack([share := generator.binomial(100, generator.beta(2, 2, images)), 100 - share], axis=1)
        right = generator.binomial(true, generator.beta(6, 2, (images, 1)))
        wrong = true - right
        return np.stack([np.stack([right[:, 0], wrong[:, 0]], 1), np.stack([wrong[:, 1], right[:, 1]], 1)], 1)

    pixels = scenes(200_000).sum(axis=0)
    true_miou = 50 * sum(pixels[k, k] / (pixels[k].sum() + pixels[:, k].sum() - pixels[k, k]) for k in (0, 1))
    held = []
    labels = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    for run in range(200):
        images = [SegmentedImage('', Confusion.count(2, *labels, scene.ravel())) for scene in scenes(50)]
        interval = bootstrap(segmentation_measure(images, ['sky', 'tree']), resamples=300, seed=run)[0]
        assert interval.quantity.metric == 'mIoU'
        held.append(interval.low <= true_miou <= interval.high)
    assert 0.88 <= np.mean(held) <= 0.99


def test_paired_intervals_hold_the_true_difference_and_are_narrower():
    """Two runs fail on the same hard images; the second one gets 5% more of all images right."""
    generator = np.random.default_rng(3)
    held, widths = [], []
    for run in range(300):
        difficulty = generator.random(200)
        before, after = mean_of(difficulty < 0.7), mean_of((difficulty < 0.7) | (generator.random(200) < 0.05 / 0.3))
        difference = paired_bootstrap(before, after, resamples=200, seed=run)[0]
        assert difference.difference == pytest.approx(difference.after - difference.before)
        held.append(difference.low <= 5 <= difference.high)
        widths.append(difference.high - difference.low)
    assert 0.90 <= np.mean(held) <= 0.98
    # The standard error is sqrt(0.05 * 0.95 / 200) = 1.54%; with images of their own for each run it would be 4.46%.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 1.54, rel=0.1)


def test_the_share_of_resamples_in_favor():
    # A draw of three images holds the one that is better with the probability 1 - 8 / 27; the others are ties.
    before, after = [0, 1, 1], [1, 1, 1]
    difference = paired_bootstrap(mean_of(before), mean_of(after), resamples=5000)[0]
    assert difference.in_favor == pytest.approx(1 - 8 / 27 / 2, abs=0.02) and not difference.clear
    backwards = paired_bootstrap(mean_of(after), mean_of(before), resamples=5000)[0]
    assert backwards.in_favor == pytest.approx(1 - difference.in_favor)
    lower = paired_bootstrap(mean_of(before, True), mean_of(after, True), resamples=5000)[0]
    assert lower.in_favor == backwards.in_favor and lower.difference == difference.difference
    same = paired_bootstrap(mean_of(before), mean_of(before), resamples=50)[0]
    assert (same.difference, same.low, same.high, same.in_favor, same.clear) == (0, 0, 0, 0.5, False)
    better = paired_bootstrap(mean_of([0] * 50), mean_of([0, 1] * 25), resamples=50)[0]
    assert better.clear and better.in_favor == 1


def test_measures_of_other_numbers_are_refused():
    for other in (mean_of([1, 2, 3]), Measure([Quantity('other')], 2, lambda counts: counts)):
        with pytest.raises(ValueError, match='the two measures are of different numbers or images'):
            paired_bootstrap(mean_of([1, 2]), other)


def test_images_that_changed_most():
    before, after = np.array([0.5, 0.5, np.nan, 0.2, 0.9]), np.array([0.6, 0.5, 0.5, 0.9, 0.4])
    changed = [Changed('d', 0.2, 0.9), Changed('e', 0.9, 0.4), Changed('a', 0.5, 0.6)]
    assert most_changed('abcde', before, after, 10) == changed
    assert most_changed('abcde', before, after, 2) == changed[:2]


def test_intervals_are_shifted_by_the_bias_of_resamples():
    """Of the largest of ten numbers, which resamples can only lower: 10 with probability 1 - 0.9^10, and so on."""
    numbers = np.arange(1.0, 11)
    largest = Measure([Quantity('largest')], 10, lambda counts: np.where(counts > 0, numbers, 0).max(axis=1)[:, None])
    cumulated = (numbers / 10) ** 10  # the probability that none above is drawn
    mean = float(np.diff(cumulated, prepend=0) @ numbers)
    interval = bootstrap(largest, resamples=20_000)[0]
    plain = [numbers[np.searchsorted(cumulated, share)] for share in (0.025, 0.975)]
    assert plain == [7, 10] and interval.value == 10
    assert [interval.low, interval.high] == pytest.approx([7 + 10 - mean, 10 + 10 - mean], abs=0.03)
    bounded = Measure(largest.quantities, 10, largest.compute, bounds=(0, 10))
    assert bootstrap(bounded, resamples=2000)[0].high == 10


def test_numbers_of_classes_can_be_left_out():
    quantities = [Quantity('IoU', 'cat'), Quantity('mIoU'), Quantity('IoU', 'dog'), Quantity('aAcc')]
    measure = Measure(quantities, 2, lambda counts: np.array([[1.0, 2, 3, 4]]) * counts[:, :1])
    part = measure.without_classes()
    assert part.quantities == [quantities[1], quantities[3]] and part.values().tolist() == [2, 4]
