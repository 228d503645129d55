"""Let a config inherit from the packaged configs by a path that is the same everywhere. For mmengine 0.10.

mmengine reads ``_base_ = 'package::path'`` too, but only from the folder ``.mim`` of packages in a table of its own,
and it adds ``_scope_`` to every dict of the base: its parts are then looked up in that package first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config

_ORIGINAL = Config._get_cfg_path


def find_bases_with(find: Callable[[str, str], Path | None]) -> None:
    """Make mmengine find the bases of configs with a function.

    Args:
        find: function of what a ``_base_`` names and the config that names it. It returns the file, or None for what
            mmengine shall find.
    """

    def path_and_scope(base: str, config: str) -> tuple[str, str | None]:
        file = find(base, config)
        return _ORIGINAL(base, config) if file is None else (str(file), None)

    Config._get_cfg_path = staticmethod(path_and_scope)
