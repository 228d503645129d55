"""Drawings of small things: inside their frame, and told apart."""

from __future__ import annotations

import numpy as np
import pytest

from convnext_dense.sample_data.aerial.land import REGIONS
from convnext_dense.sample_data.aerial.things import THINGS
from convnext_dense.sample_data.pen import Pen


@pytest.mark.parametrize('thing', THINGS, ids=lambda thing: thing.name)
def test_a_thing_fills_its_frame_in_length(thing):
    pen = Pen.fitted(50)
    thing.draw(pen, np.random.default_rng(0))
    rows, cols = np.nonzero(pen.mask)
    assert min(rows.min(), cols.min()) > 0 and max(rows.max(), cols.max()) < len(pen.mask) - 1  # nothing is cut off
    assert np.ptp(cols) == pytest.approx(100, abs=14)
    assert 0.1 < pen.mask.mean() < 0.75
    assert set(thing.where) <= set(REGIONS) and 8 <= thing.size[0] < thing.size[1] <= 40


def test_names_are_unique():
    assert len({*REGIONS, *(thing.name for thing in THINGS)}) == 17
