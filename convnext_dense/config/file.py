"""Read a config file in either of mmengine's styles.

In the old style, ``_base_`` lists the files that a config is merged into, and classes are named. In the new one, the
bases are imported under ``with read_base():``, and classes are imported too. Both are the same after reading: classes
are names, ``custom_imports`` begins with the modules of the task, and all of it is imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..compat.mmengine_packaged_bases import find_bases_with
from ..errors import UserError, last_line
from ..tasks import Task, task_of
from .find import find_base
from .names import with_names
from .source import Source

REQUIRED_KEYS = (
    *('task', 'model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'test_cfg'),
    *('optim_wrapper', 'param_scheduler', 'randomness', 'visualizer'),
)


def read_file(file: Path) -> Config:
    """Read a config file, with its bases, and import the modules that it needs.

    Raises:
        UserError: if the file can't be read, mixes the styles, is no config of this project, or names a module that
            can't be imported.
    """
    cfg = parse_file(file)
    check_keys(cfg, file)
    task = task_of(cfg)
    import_modules(cfg, task, f'config {file}')  # which imports mmdet and mmseg without what they don't need
    try:
        content, modules = with_names(cfg)
    except Exception as error:  # of the user's module
        raise UserError(f'config {file}: {last_line(error)}') from error
    if content != cfg.to_dict() or modules:
        cfg = Config(content, cfg_text=cfg.text, filename=str(file), env_variables=cfg.env_variables)
        cfg.custom_imports.imports = [*cfg.custom_imports.imports, *modules]
    if cfg.get('default_scope') is None:  # as mmengine's new style has it
        cfg.default_scope = task.default_scope
    return cfg


def check_keys(cfg: Config, file: Path) -> None:
    """Check that a config is one of this project.

    Raises:
        UserError: if it lacks a key, or has one of an older version.
    """
    absent = [key for key in REQUIRED_KEYS if key not in cfg]
    library = _library_of(cfg) if absent else None
    if library:
        raise UserError(
            f"config {file} is one of {library}'s own: `convnext-dense adapt {file} --arch tiny` makes one of this "
            f'project of it; or run it as it is with `convnext-dense run-stock {library}/tools/train.py {file}`'
        )
    if absent:
        raise UserError(f'config {file} is not a config of this project: it has no {", no ".join(absent)}')
    if 'sample' in cfg:
        raise UserError(
            f'config {file} sets sample = dict(...), which has no effect: put the settings for the sample into a '
            "separate file and name it with sample_settings = 'FILE'"
        )


def _library_of(cfg: Config) -> str | None:
    """Name the library, mmdet or mmseg, that a config without a task is written for."""
    kind = cfg.model.get('type') if isinstance(cfg.get('model'), dict) else None
    for scope in (cfg.get('default_scope'), *str(kind).split('.')[:1]):
        if kind is not None and 'task' not in cfg and scope in ('mmdet', 'mmseg'):
            return scope
    return None


def import_modules(cfg: Config, task: Task, source: str) -> None:
    """Import the modules of a config's task and those that it lists itself, and list all in ``custom_imports``.

    A list in a config replaces that of its base. The task's modules are imported nevertheless: without them the names
    of our classes are unknown.

    Args:
        cfg: the config; its ``custom_imports`` is changed.
        task: its task.
        source: what sets the list, for errors.

    Raises:
        UserError: if the list has another form, or a module can't be imported.
    """
    entry = cfg.get('custom_imports') or {}
    listed = listed_modules(entry, source)
    modules = listed if set(task.modules) <= set(listed) else list(dict.fromkeys([*task.modules, *listed]))
    for module in modules:
        if module in task.modules:
            importlib.import_module(module)
        else:
            import_listed(module, entry, source)
    cfg.custom_imports = dict(entry, imports=modules)


def listed_modules(entry: Any, source: str) -> list[str]:
    """Return the modules that a config's ``custom_imports`` lists.

    Raises:
        UserError: if it has another form.
    """
    listed = entry.get('imports') if isinstance(entry, dict) else None
    listed = [listed] if isinstance(listed, str) else list(listed or [])
    if not isinstance(entry, dict) or not all(isinstance(module, str) for module in listed):
        raise UserError(f"{source}: custom_imports {entry!r} is not dict(imports=['module', ...])")
    return listed


def import_listed(module: str, entry: Mapping[str, Any], source: str) -> bool:
    """Import a module that a config's ``custom_imports`` lists, and say whether that is done.

    Raises:
        UserError: if it can't be imported, unless ``allow_failed_imports`` allows that.
    """
    try:
        importlib.import_module(module)
    except Exception as error:  # a module can fail in any way
        if isinstance(error, ImportError) and entry.get('allow_failed_imports'):
            return False
        raise UserError(
            f'{source}: custom_imports names {module}, which cannot be imported ({last_line(error)}): '
            'check the name, and add the folder of your modules to PYTHONPATH'
        ) from error
    return True


def parse_file(file: Path) -> Config:
    """Read a config file of any library with its bases, and import nothing that it lists.

    Raises:
        UserError: if it can't be read, mixes the styles, or names a base that does not exist.
    """
    _check_style(file)
    find_bases_with(find_base)
    try:
        return Config.fromfile(file, import_custom_modules=False)
    except UserError:  # of a base
        raise
    except FileNotFoundError as error:
        raise UserError(
            f'config {file}: it, or one of its bases, names a _base_ that does not exist ({last_line(error)}): '
            'correct the path in _base_'
        ) from error
    except Exception as error:  # a config is a Python program and can fail in any way
        where = f' line {error.lineno}' if isinstance(error, SyntaxError) else ''
        raise UserError(f'config {file}{where} does not parse: {last_line(error)}') from error


def _check_style(file: Path) -> None:
    """Raise a UserError if a config and its bases are not all in one of mmengine's styles."""
    try:
        source = Source(file.resolve())
    except (OSError, SyntaxError):  # as mmengine will say; or the file is not Python
        return
    new = [one.file for one in source.with_bases() if one.is_new_style]
    old = [one.file for one in source.with_bases() if one.is_old_style]
    if new and old:
        same = 'itself' if new[0] == old[0] else f'of {old[0]}'
        raise UserError(
            f"config {file} mixes mmengine's styles, read_base() or imports in {new[0]} and _base_ {same}: "
            'take one style for the config and all its bases'
        )
