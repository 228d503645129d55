"""Part of the images of a folder without labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..subset import Selected, select

HELD_OUT = 0.05
"""Share of the images that is held out for validation where a folder has none for it and nothing else is said."""
LEAST_TO_HOLD_OUT = 20
"""Images from which some are held out without being asked."""


def select_files(root: str, files: Sequence[str], subset: Mapping[str, Any]) -> tuple[list[str], Selected]:
    """Select the images of a part of a folder; see :func:`~convnext_dense.data.subset.select`.

    Args:
        root: the folder.
        files: the paths of its images.
        subset: rule and part.

    Returns:
        The paths of the part, and what was selected.
    """
    start = len(os.path.join(root, ''))
    names = [path[start:].replace(os.sep, '/') for path in files]
    selected = select(subset, str(root), names, [()] * len(names))
    return [files[index] for index in selected.indices], selected
