"""Read the sizes of images for formats whose files do not tell them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..image_scan import ImageHeader, read_headers
from ..text import count_of, shortened


def require_headers(names: Sequence[str], root: Path, annotations: Path) -> list[ImageHeader]:
    """Read the headers of images.

    Args:
        names: their paths relative to the root.
        root: the folder.
        annotations: the file or folder of the annotations, for messages.

    Raises:
        UserError: if an image can't be opened.
    """
    headers = read_headers([os.path.join(root, name) for name in names])
    bad = [f'{name}: {header}' for name, header in zip(names, headers, strict=True) if isinstance(header, str)]
    if bad:
        raise UserError(
            f'{annotations}: {count_of(bad, "image")} that cannot be opened, so that the size is unknown '
            f'({shortened(bad, 3)}): get or remove them'
        )
    return [header for header in headers if isinstance(header, ImageHeader)]


def relative(paths: Sequence[str], root: Path) -> list[str]:
    """Return paths relative to a folder, fast where they begin with it."""
    start = os.path.join(root, '')
    return [path[len(start) :] if path.startswith(start) else os.path.relpath(path, root) for path in paths]
