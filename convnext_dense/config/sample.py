"""The settings of ``--data sample``: a file that the config names as its ``sample_settings``.

Such a file is a config with the keys that change, such as ``configs/_base_/sample/classification.py``. It is merged
into the config as a derived config is into its base, with one difference: what the config has switched off with None,
such as Mixup or the EMA hook, stays off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from .find import packaged


def find_sample_settings(cfg: Config, folder: Path) -> Path | None:
    """The file that ``cfg.sample_settings`` names, or None if it names none.

    A relative path is searched from the config's folder, then among the packaged configs.

    Raises:
        UserError: if there is no such file.
    """
    name = cfg.get('sample_settings')
    if name is None:
        return None
    for candidate in (folder / name, packaged(name)):
        if candidate.is_file():
            return candidate
    raise UserError(
        f'no file at {name}, which the config names as its sample_settings: '
        'give a path from the folder of the config, or such as _base_/sample/classification.py'
    )


def read_sample_settings(cfg: Config, file: Path) -> dict[str, Any]:
    """The settings in the file, without those of parts that the config has switched off."""
    return _in_use(Config.fromfile(file, import_custom_modules=False).to_dict(), cfg)


def _in_use(settings: dict[str, Any], cfg: dict[str, Any] | Config) -> dict[str, Any]:
    found = {}
    for key, value in settings.items():
        if key in cfg and cfg[key] is None:
            continue
        nested = isinstance(value, dict) and isinstance(cfg.get(key), dict)
        found[key] = _in_use(value, cfg[key]) if nested else value
    return found
