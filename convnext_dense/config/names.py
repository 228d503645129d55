"""Names for the classes that a config holds.

A config in mmengine's new style holds classes and functions where others hold their names: ``type=ConvNeXt`` for
``type='convnext_dense.ConvNeXt'``. Read once into names, it is like any other config: it is compared, saved with the
run, and read again as plain values.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import torch
from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry

LIBRARIES = ('builtins', 'convnext_dense', 'mmcv', 'mmdet', 'mmengine', 'mmseg', 'timm', 'torch', 'torchvision')
"""Packages whose modules are imported by the names of their parts, or by the task."""

OPS = re.compile(r'(mmcv|convnext_dense)\.ops(\.|$)')
"""The modules of mmcv's ops, compiled or ours."""


def with_names(cfg: Config) -> tuple[dict[str, Any], list[str]]:
    """Replace the classes and functions in a config by names that build the same.

    Args:
        cfg: the config; not changed.

    Returns:
        The config's content, without what its file imported, and the modules outside :data:`LIBRARIES` that must be
        imported for the names to be known.

    Raises:
        Exception: any, if a module that the config names can't be imported.
    """
    modules: dict[str, None] = {}
    default_scope = cfg.get('default_scope')

    def named(value: Any) -> Any:
        if isinstance(value, LazyObject | LazyAttr):
            value = value.build()
        if isinstance(value, dict):
            return {key: named(item) for key, item in dict.items(value)}
        if isinstance(value, list | tuple):
            return type(value)(named(item) for item in value)
        if isinstance(value, torch.dtype):
            return str(value).removeprefix('torch.')
        if not inspect.isclass(value) and not inspect.isroutine(value):
            return value
        if value.__module__.partition('.')[0] not in LIBRARIES:
            modules[value.__module__] = None
        return name_of(value, default_scope)

    return {key: named(cfg[key]) for key in cfg.to_dict()}, list(modules)


def name_of(part: Any, default_scope: str | None) -> str:
    """Return the name by which a config in a default scope names a class or function.

    It is the registered name with its scope, without a scope for what mmengine registers itself; or else the path of
    the module and the name in it.
    """
    own = part.__name__
    if OPS.match(part.__module__):  # mmdet looks these up in mmcv.ops
        return own
    found = [
        (registry, name) for registry in _registries() for name, one in registry.module_dict.items() if one is part
    ]
    if not found:
        return f'{part.__module__}.{part.__qualname__}'
    registry, name = next((pair for pair in found if pair[1] == own), found[0])
    if registry.parent is not None:
        return f'{registry.scope}.{name}'
    if part.__module__.startswith('mmcv.transforms'):
        return f'mmcv.{name}'
    near = registry.children.get(default_scope or '')
    return f'mmengine.{name}' if near is not None and name in near.module_dict else name


def _registries() -> Iterator[Registry]:
    """All registries: mmengine's, and those of the packages that are imported."""
    for root in vars(mmengine_registry).values():
        if isinstance(root, Registry):
            yield root
            yield from root.children.values()
