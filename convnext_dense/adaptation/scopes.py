"""The library that a part of a model is from, in front of its name: ``FPN`` of mmdet becomes ``mmdet.FPN``."""

from __future__ import annotations

from typing import Any

COMPARED_BY_NAME = {
    ('assigner', 'PointAssigner'),  # RepPointsHead: its first stage assigns points rather than boxes
    ('loss_loc', 'FocalLoss'),  # GuidedAnchorHead: the average factor of its location loss
}
"""Keys and types that mmdet compares with the plain name: with a scope they would be taken for another type."""


def with_scopes(settings: Any, library: str) -> Any:
    """Return a copy of nested settings in which the types of a library have its name in front.

    Names of mmcv, mmengine and torch, such as ``BN``, ``Conv2d``, ``nms`` and ``RoIAlign``, and names that have a
    scope already, stay as they are. The library must be imported.

    Args:
        settings: dicts, lists and values of a config.
        library: ``'mmdet'`` or ``'mmseg'``.
    """
    return _scoped(settings, '', own_names(library), library)


def own_names(library: str) -> set[str]:
    """Return the names of parts of models that a library registers itself, and not one that it builds on."""
    from mmengine.registry import MODELS, TASK_UTILS

    children = [registry.children[library].module_dict for registry in (MODELS, TASK_UTILS)]
    return {name for names in children for name in names if name not in MODELS.module_dict}


def _scoped(value: Any, key: str, names: set[str], library: str) -> Any:
    if isinstance(value, dict):
        copied = {one: _scoped(part, one, names, library) for one, part in value.items()}
        kind = copied.get('type')
        if isinstance(kind, str) and kind in names and (key, kind) not in COMPARED_BY_NAME:
            copied['type'] = f'{library}.{kind}'
        return copied
    if isinstance(value, list | tuple):
        return type(value)(_scoped(part, key, names, library) for part in value)
    return value
