"""Settings for ``--data sample``: a file that the config names in ``sample_settings``.

The file is a config with the changed keys, such as ``configs/_base_/sample/classification.py``. It is merged into the
config like a derived config into its base, with three differences, so that one file fits many configs:

- Parts that the config has disabled with None, such as Mixup or the EMA hook, stay disabled.
- Of two lengths, ``max_epochs`` and ``max_iters``, the one that the config has is set.
- Of settings of a data set with others around it, such as ``ClassBalancedDataset``, the pipeline is for the outermost
  that has one, and the rest for the innermost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from ..tasks.config_parts import LOADERS
from .file import parse_file
from .find import find_base, packaged_path

LENGTHS = {'max_epochs', 'max_iters'}
"""Keys of the length of a run."""


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
    """Read the settings in the file that fit the config."""
    settings = parse_file(file).to_dict()
    length = settings.get('train_cfg') or {}
    if length.keys() >= LENGTHS:
        for key in LENGTHS - (cfg.get('train_cfg') or {}).keys():
            del length[key]
    for loader in LOADERS:
        if 'dataset' in (settings.get(loader) or {}) and cfg.get(loader) is not None:
            settings[loader]['dataset'] = _inside(settings[loader]['dataset'], cfg[loader].dataset)
    return _in_use(settings, cfg)


def _inside(settings: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    """Return settings of a data set for one with others around it: the outermost pipeline is replaced."""
    if 'dataset' not in dataset:
        return settings
    own = {'pipeline'} & settings.keys() if 'pipeline' in dataset else set()
    inner = _inside({key: value for key, value in settings.items() if key not in own}, dataset['dataset'])
    return {**{key: settings[key] for key in own}, **({'dataset': inner} if inner else {})}


def _in_use(settings: dict[str, Any], cfg: dict[str, Any] | Config) -> dict[str, Any]:
    in_use = {}
    for key, value in settings.items():
        if key in cfg and cfg[key] is None:
            continue
        nested = isinstance(value, dict) and isinstance(cfg.get(key), dict)
        in_use[key] = _in_use(value, cfg[key]) if nested else value
    return in_use
