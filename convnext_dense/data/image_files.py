"""Find image files."""

from __future__ import annotations

import os
from pathlib import Path

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.ppm', '.tif', '.tiff')
"""Suffixes of image files in lowercase."""


def images_under(folder: Path) -> list[str]:
    """List the image files in a folder and its subfolders, sorted; links to folders are followed."""
    files = []
    for parent, _, names in os.walk(folder, followlinks=True):
        files += [os.path.join(parent, name) for name in names if name.lower().endswith(EXTENSIONS)]
    return sorted(files)
