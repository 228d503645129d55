"""The box around a mask."""

from __future__ import annotations

import numpy as np


def box_around(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the smallest box around the pixels of a mask (H, W): left, top, right and bottom edge, in pixels.

    The right and the bottom edge are those of the last pixels; all are 0 if no pixel is set.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
