"""The config that a run saved, read as data: reading it, and building what it describes, runs no code of its author.

A config is a Python program, and one that was read can still name any function: mmengine calls what the dotted path of
a ``type`` leads to, and imports what ``custom_imports`` lists. That is right for a config that somebody gives. The one
beside a checkpoint is taken without being asked for, and may come with a checkpoint from anywhere. It must consist of
literals, import only the packages below, and name only what is registered by them.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry

from ..errors import UntrustedConfig, UserError
from .find import find_run_config, find_work_dir
from .source import read_literals

PACKAGES = ('convnext_dense', 'mmcv', 'mmdet', 'mmengine', 'mmseg', 'timm')
"""Packages whose modules a saved config may import."""
SCOPES = ('convnext_dense', 'mmcv', 'mmdet', 'mmengine', 'mmseg')
"""Scopes of the names that it may use. mmcv registers its parts with mmengine."""
EVALUATING = {'CameraMotionCompensation', 'RFSearchHook'}
"""Registered parts of mmcv and mmdet that run texts of their config as Python."""

LEFT_OUT = ('compile_backbone', 'launcher', 'sample')
"""Settings of how the run was started; older runs have those for the sample, which are in use or not."""


def read_saved_config(file: Path) -> Config:
    """Read the config that a run saved, without running anything that its author wrote.

    Raises:
        UntrustedConfig: if it is more than literals, or names code of other packages than :data:`PACKAGES`.
        UserError: if it is of another version.
    """
    settings = read_literals(file)
    if settings is None:
        raise UntrustedConfig(file, 'it is more than plain values')
    modules = _imports(settings)
    for module in modules:
        if not isinstance(module, str) or module.split('.')[0] not in PACKAGES:
            raise UntrustedConfig(file, f'it imports {module}')
    default_scope = settings.get('default_scope')
    names = {key: list(dict.fromkeys(_values_of(key, settings))) for key in ('type', '_scope_')}
    for scope in (default_scope, *names['_scope_']):
        if scope is not None and scope not in SCOPES:
            raise UntrustedConfig(file, f'it uses the scope {scope}')
    try:
        for module in modules:
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UserError(f'{file} is of a run of another version ({error}): give CONFIG') from error
    for name in names['type']:
        if not _is_known(name, [default_scope, *names['_scope_']]):
            raise UntrustedConfig(file, f'it names {name}')
    kept = {key: value for key, value in settings.items() if key not in LEFT_OUT}
    return Config(kept, filename=str(file))


def arguments_of_run(work_dir: str | Path) -> list[str]:
    """Return the arguments by which commands take a run: its work dir, after the config that it saved if they must.

    Raises:
        UserError: if there is no run, or it is of another version.
    """
    try:
        read_saved_config(find_run_config(work_dir))
    except UntrustedConfig as error:
        return [str(error.file), str(work_dir)]
    return [str(work_dir)]


def setting_of_run(checkpoint: str | Path, key: str) -> Any:
    """Return the value of a top-level key in the config that a run saved, as data.

    Args:
        checkpoint: the run's work dir, or a checkpoint in one.
        key: the key.

    Returns:
        The value; None if there is no run, or its config does not have the key or is more than literals.
    """
    return settings_of_run(checkpoint).get(key)


def hook_of_run(cfg: Config, run: str | Path, name: str) -> Mapping[str, Any] | None:
    """Return the settings of a hook about validation that a run had and the config of its resumed run has not.

    Args:
        cfg: the config.
        run: the run's work dir, or a checkpoint in one.
        name: its name in ``default_hooks``.

    Returns:
        The settings; None if the run had no such hook, the config sets it, also to None, or has no validation.
    """
    saved = (setting_of_run(run, 'default_hooks') or {}).get(name)
    wanted = isinstance(saved, Mapping) and name not in cfg.default_hooks and cfg.get('val_dataloader') is not None
    return saved if wanted else None


def settings_of_run(checkpoint: str | Path) -> dict[str, Any]:
    """Return the config that a run saved, as data.

    Args:
        checkpoint: the run's work dir, or a checkpoint in one.

    Returns:
        The config; empty if there is no run, or its config is more than literals.
    """
    if find_work_dir(checkpoint) is None:
        return {}
    return read_literals(find_run_config(checkpoint)) or {}


def _imports(settings: dict[str, Any]) -> list[Any]:
    entry = settings.get('custom_imports') or {}
    imports = entry.get('imports', []) if isinstance(entry, dict) else [entry]
    return [imports] if isinstance(imports, str) else list(imports)


def _values_of(key: str, value: Any) -> Iterator[Any]:
    """The values of a key wherever it is in nested containers, as texts, except those that are dicts."""
    if isinstance(value, dict):
        if key in value and not isinstance(value[key], dict):
            yield str(value[key])
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _values_of(key, item)


def _is_known(name: str, default_scopes: Sequence[str | None]) -> bool:
    """Whether a ``type`` is a part that is registered, or a word that nothing can be imported by, such as ``'nms'``.

    mmengine imports the module that a name leads to where no registry has it, and mmcv evaluates that of an NMS.

    Args:
        name: the type.
        default_scopes: scopes that a name without a scope may be looked up in.
    """
    scope, dot, part = name.rpartition('.')
    if part in EVALUATING or (dot and scope not in SCOPES):
        return False
    registries = [one for own in ([scope] if dot else default_scopes) for one in _registries(own)]
    if any(part in one.module_dict for one in registries):
        return True
    for one in registries:
        one.import_from_location()
        if part in one.module_dict:
            return True
    if dot or not name.isidentifier() or hasattr(builtins, name):
        return False
    return importlib.util.find_spec(name) is None


def _registries(scope: str | None) -> Iterator[Registry]:
    """The registries of a scope, and mmengine's, where it looks next."""
    if scope not in (None, 'mmcv', 'mmengine'):
        importlib.import_module(f'{scope}.registry')
    for root in vars(mmengine_registry).values():
        if isinstance(root, Registry):
            if scope in root.children:
                yield root.children[scope]
            yield root
