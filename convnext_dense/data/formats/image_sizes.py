"""Read the sizes of images for formats whose files do not tell them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...io.image_size import ImageSize
from ..image_scan import ImageHeader, read_headers

STAND_IN = ImageSize(1, 1)
"""Size for reading the objects of an image that can't be opened, all of which are left out."""


def find_headers(names: Sequence[str], root: Path) -> list[ImageHeader | None]:
    """Read the headers of images; None for one that can't be opened, whose size is to be left out.

    Args:
        names: their paths relative to the root.
        root: the folder.
    """
    headers = read_headers([os.path.join(root, name) for name in names])
    return [header if isinstance(header, ImageHeader) else None for header in headers]


def relative(paths: Sequence[str], root: Path) -> list[str]:
    """Return paths relative to a folder, fast where they begin with it."""
    start = os.path.join(root, '')
    return [path[len(start) :] if path.startswith(start) else os.path.relpath(path, root) for path in paths]
