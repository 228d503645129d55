"""Calibration against a loop over predictions, and hand-made cases."""

import numpy as np
import pytest

from convnext_dense.diagnosis.calibration import bin_of, reliability


def test_a_known_case():
    # Of ten bins, the second has (0.1, 0.2]: means 0.15 and 0 right; the last one 0.95 and 2 of 4 right.
    diagram = reliability(np.array([0.1001, 0.2, 0.92, 0.94, 0.96, 0.98]), np.array([0, 0, 1, 1, 0, 0], bool), bins=10)
    assert diagram.edges == pytest.approx(np.arange(11) / 10)
    assert diagram.counts.tolist() == [0, 2, 0, 0, 0, 0, 0, 0, 0, 4]
    assert diagram.confidence[[1, 9]] == pytest.approx([0.15005, 0.95]) and np.isnan(diagram.confidence[0])
    assert diagram.accuracy[[1, 9]] == pytest.approx([0, 0.5]) and np.isnan(diagram.accuracy[5])
    assert diagram.error == pytest.approx((2 * 0.15005 + 4 * 0.45) / 6)
    assert diagram.maximum_error == pytest.approx(0.45)
    assert diagram.overconfidence == pytest.approx(np.mean([0.1001, 0.2, 0.92, 0.94, 0.96, 0.98]) - 2 / 6)


@pytest.mark.parametrize('bins', [1, 7, 15])
def test_the_error_by_the_definition(bins):
    generator = np.random.default_rng(bins)
    confidence = generator.random(500).astype(np.float32)
    right = generator.random(500) < 0.6 - 0.2 * confidence  # too few in some bins, too many in others
    error = 0.0
    for b in range(bins):
        chosen = [i for i in range(500) if b / bins < confidence[i] <= (b + 1) / bins]
        if chosen:
            gap = abs(
                sum(right[i] for i in chosen) / len(chosen) - sum(float(confidence[i]) for i in chosen) / len(chosen)
            )
            error += len(chosen) / 500 * gap
    diagram = reliability(confidence, right, bins)
    assert diagram.error == pytest.approx(error)
    assert diagram.overconfidence == pytest.approx(confidence.mean() - right.mean(), abs=1e-6)
    if bins == 1:
        assert diagram.error == pytest.approx(abs(diagram.overconfidence)) == pytest.approx(diagram.maximum_error)


def test_a_calibrated_model_has_a_small_error():
    generator = np.random.default_rng(0)
    confidence = generator.random(200_000)
    diagram = reliability(confidence, generator.random(200_000) < confidence)
    assert diagram.error < 0.005 and abs(diagram.overconfidence) < 0.005 and len(diagram.counts) == 15


def test_edges_belong_to_the_lower_bin():
    assert bin_of(np.array([0, 0.25, 0.5, 0.75, 1]), 4).tolist() == [0, 0, 1, 2, 3]


def test_no_predictions():
    diagram = reliability(np.zeros(0), np.zeros(0, bool))
    assert np.isnan([diagram.error, diagram.maximum_error, diagram.overconfidence]).all()


@pytest.mark.parametrize(('confidence', 'message'), [(1.5, '1.5'), (-0.1, '-0.1'), (np.nan, 'nan')])
def test_what_is_no_probability_is_refused(confidence, message):
    with pytest.raises(ValueError, match=rf'confidence {message} is no probability, which is in \[0, 1\]'):
        reliability(np.array([0.5, confidence]), np.array([True, False]))
