"""Finding image files."""

from __future__ import annotations

import os
from pathlib import Path

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.ppm', '.tif', '.tiff')
"""Suffixes of the files that are taken for images, in small letters."""


def images_under(folder: Path) -> list[str]:
    """List the image files in a folder and in the folders below it, sorted; links to folders are followed."""
    found = []
    for parent, _, names in os.walk(folder, followlinks=True):
        found += [os.path.join(parent, name) for name in names if name.lower().endswith(EXTENSIONS)]
    return sorted(found)
