"""Cache folder for files that can be created or downloaded again."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = 'CONVNEXT_DENSE_CACHE'


def cache_folder() -> Path:
    """Return ``$CONVNEXT_DENSE_CACHE``, else ``convnext_dense`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    home = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'convnext_dense'
    return Path(os.environ.get(CACHE_VARIABLE) or home).expanduser()
