"""Small files of any kind in any layout."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 20)
"""Width and height of the images."""


def write_files(root: Path, files: Mapping[str, str | bytes | tuple[int, int] | None]) -> Path:
    """Write files by their paths: text, bytes, or an image of a size (width, height), by default of ``SIZE``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            width, height = content or SIZE
            Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
    return root
