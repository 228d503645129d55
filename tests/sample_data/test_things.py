"""The drawings of the classes."""

import numpy as np
import pytest

from convnext_dense.sample_data.pen import Pen
from convnext_dense.sample_data.things import THINGS, Thing


@pytest.mark.parametrize('thing', THINGS, ids=lambda thing: thing.name)
def test_a_drawing_fills_its_frame_and_leaves_the_rest(thing: Thing) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        pen = Pen.fitted(40)
        thing.draw(pen, thing.color(rng), rng)
        rows, cols = np.flatnonzero(pen.mask.any(1)), np.flatnonzero(pen.mask.any(0))
        assert max(np.ptp(rows), np.ptp(cols)) > 1.7 * 40, 'it fills its frame'
        height, width = pen.mask.shape
        assert rows[0] > 0
        assert cols[0] > 0
        assert rows[-1] < height - 1
        assert cols[-1] < width - 1
        assert set(np.unique(pen.mask)) == {0, 1}
