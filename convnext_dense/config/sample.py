"""Settings for ``--data sample``: a file that the config names in ``sample_settings``.

For the large samples, a file of the task comes after it, and one for bands where the images have more than RGB.

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
from ..sample_data.names import LARGE_BANDS, LARGE_SAMPLES, SAMPLE, SAMPLES
from ..tasks.base import Task
from ..tasks.config_parts import LOADERS
from .file import parse_file
from .find import find_base, packaged_path

LENGTHS = {'max_epochs', 'max_iters'}
"""Keys of the length of a run."""
OF_BANDS = '_base_/sample/large_6band.py'
"""Packaged settings for images with all bands."""


def list_sample_settings(cfg: Config, folder: Path, task: Task, data: str | None) -> list[Path]:
    """List the files of settings for a drawn data set, in the order in which they apply.

    Args:
        cfg: the config.
        folder: the folder of its file.
        task: its task.
        data: one of :data:`~convnext_dense.sample_data.names.SAMPLES`; there are no files for others.

    Raises:
        UserError: if the file that the config names does not exist, or the data set is not for the task.
    """
    own = find_sample_settings(cfg, folder) if data in SAMPLES else None
    if own is None or data not in LARGE_SAMPLES:
        return [] if own is None else [own]
    after = [large_settings(task, data), *([OF_BANDS] if data == LARGE_BANDS else [])]
    return [own, *map(packaged_path, after)]


def large_settings(task: Task, data: str) -> str:
    """Return the packaged settings of a task for the large samples.

    Raises:
        UserError: if its scenes are not for the task.
    """
    if task.large_settings is None:
        raise UserError(f'--data {data} has scenes with many things, not for {task.name}: take --data {SAMPLE}')
    return task.large_settings


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


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the nested settings of both, the second ones where both have a value."""
    both = {key: value for key, value in first.items() if key not in second}
    for key, value in second.items():
        nested = isinstance(value, dict) and isinstance(first.get(key), dict)
        both[key] = merged(first[key], value) if nested else value
    return both
