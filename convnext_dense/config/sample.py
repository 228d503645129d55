"""Settings for ``--data sample``: a file that the config names in ``sample_settings``.

The file is a config with the changed keys, such as ``configs/_base_/sample/classification.py``. It is merged into the
config like a derived config into its base, with one difference: parts that the config has disabled with None, such as
Mixup or the EMA hook, stay disabled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from .file import parse_file
from .find import find_base, packaged_path


def find_sample_settings(cfg: Config, folder: Path) -> Path | None:
    """Find the file that ``cfg.sample_settings`` names; returns None if the config names no file.

    A relative path is searched in the config's folder, then among the packaged configs; ``convnext_dense::PATH`` is
    one of these.

    Raises:
        UserError: if there is no such file.
    """
    name = cfg.get('sample_settings')
    if name is None:
        return None
    packaged = find_base(name, cfg.filename)
    if packaged is not None:
        return packaged
    for candidate in (folder / name, packaged_path(name)):
        if candidate.is_file():
            return candidate
    raise UserError(
        f'no file at {name}, which the config names as its sample_settings: '
        'give a path relative to the config, or a packaged one such as _base_/sample/classification.py'
    )


def read_sample_settings(cfg: Config, file: Path) -> dict[str, Any]:
    """Read the settings in the file, except those of parts that the config has disabled."""
    return _in_use(parse_file(file).to_dict(), cfg)


def _in_use(settings: dict[str, Any], cfg: dict[str, Any] | Config) -> dict[str, Any]:
    in_use = {}
    for key, value in settings.items():
        if key in cfg and cfg[key] is None:
            continue
        nested = isinstance(value, dict) and isinstance(cfg.get(key), dict)
        in_use[key] = _in_use(value, cfg[key]) if nested else value
    return in_use
