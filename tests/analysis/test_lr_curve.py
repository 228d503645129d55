"""The figure of a learning rate range test."""

import io
import math
import re

from convnext_dense.analysis.lr_curve import Marks, draw
from convnext_dense.engine.lr_range import Step, ramp


def svg(curve, marks):
    file = io.BytesIO()
    draw(curve, file, 'svg', marks, 'atto, total batch 32')
    return file.getvalue().decode()


def test_the_figure_names_what_it_marks():
    curve = [Step(lr, 3 - i / 50) for i, lr in enumerate(ramp(1e-7, 1.0, 100))]
    text = svg([*curve, Step(2.0, math.nan)], Marks(1e-4, 2e-3, 1e-2))
    for part in ('atto, total batch 32', 'suggested: 0.0001', "the config's own: 0.002", 'least loss: 0.01'):
        assert part in text


def test_without_a_suggestion_there_is_none():
    curve = [Step(lr, 2.0) for lr in ramp(1e-7, 1.0, 30)]  # all equal
    assert 'suggested' not in svg(curve, Marks(None, 2e-3, None))


def test_losses_that_shoot_up_do_not_press_the_others_flat():
    curve = [Step(lr, 3 - i / 50 if i < 95 else 1e6) for i, lr in enumerate(ramp(1e-7, 1.0, 100))]
    labels = [float(label) for label in re.findall(r'>([\d.]+)</text>', svg(curve, Marks(None, None, None)))]
    assert labels and max(labels) < 10
