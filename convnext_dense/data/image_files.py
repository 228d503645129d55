"""Which files are images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.ppm', '.tif', '.tiff')


def images_under(folder: Path) -> list[str]:
    """All images under a folder, at any depth, sorted."""
    found = []
    for parent, _, names in os.walk(folder, followlinks=True):
        found += [os.path.join(parent, name) for name in names if name.lower().endswith(EXTENSIONS)]
    return sorted(found)


def shortened(names: Sequence[str], limit: int = 5) -> str:
    return ', '.join(names[:limit]) + (', ...' if len(names) > limit else '')
