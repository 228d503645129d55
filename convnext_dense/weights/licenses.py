"""Licenses of published weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def find_license(path: Path, source: str, meta: Mapping[str, Any]) -> str | None:
    """Find the license of some weights.

    Args:
        path: the weights file; its folder may have files that tell it.
        source: format of the weights, as in :class:`~.conversion.ConvertedWeights`.
        meta: the checkpoint's metadata.

    Returns:
        Its name, such as ``'cc-by-nc-4.0'``; None if nothing tells it.
    """
    return None
