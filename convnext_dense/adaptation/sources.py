"""The configs of mmdet and mmseg that are adapted: found by :mod:`.shipped`, read with their bases."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UserError, last_line
from .notes import NotAdaptable
from .shipped import LIBRARIES, Shipped, find_shipped, version_of

if TYPE_CHECKING:
    from mmengine.config import Config

MODULES = ('convnext_dense.models.detector', 'convnext_dense.models.segmentor')
"""Modules that import mmdet and mmseg."""


class SourceConfig(NamedTuple):
    """A config of mmdet or mmseg."""

    name: str
    """Such as ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``, or the path as it was given."""
    package: str
    """``'mmdet'`` or ``'mmseg'``."""
    file: Path
    cfg: Config
    """The config with its bases; names have no scope where they are the library's own.

    ``custom_imports`` lists the modules that are imported for what they register, but neither those of mmdet and mmseg
    nor those of the package that the backbone is from.
    """


def find_source(source: str) -> SourceConfig:
    """Find and read a config of mmdet or mmseg, in either of mmengine's styles.

    Args:
        source: a path; ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``, with or without ``.py``; or the name without
            the library or the family, if there is only one such config.

    Raises:
        NotAdaptable: (a UserError) if it inherits configs of a library that is not there, or that do not exist.
        UserError: if there is none, or it can't be read, or is one of this project or of another library; the message
            has near names.
    """
    return read_source(find_shipped(source))


def read_source(shipped: Shipped) -> SourceConfig:
    """Read a config that was found; see :func:`find_source`."""
    from mmengine.config import Config

    from ..config.file import parse_file
    from ..config.source import Source

    name, file = shipped.name, shipped.file
    try:
        cfg = parse_file(file)
    except UserError as error:
        if (reason := _reason_of_bases(shipped, error)) is None:
            raise
        raise NotAdaptable(f"{name} can't be adapted: {reason}") from error
    if 'task' in cfg:
        raise UserError(f'config {name} is one of this project already: train it with `convnext-dense train {file}`')
    if file.suffix == '.py' and Source(file.resolve()).is_new_style:
        content = _with_names(cfg, name)
    else:
        content = cfg.to_dict()
    if modules := _import_own(content, name):
        content['custom_imports'] = {'imports': modules}
    else:
        content.pop('custom_imports', None)
    if not isinstance(content.get('model'), dict):
        raise UserError(f'config {name} has no model: it is a part of others, give one that has it as _base_')
    library = shipped.package or _library_of(content, file)
    return SourceConfig(name, library, file, Config(without_scope(content, library), filename=str(file)))


def _reason_of_bases(shipped: Shipped, error: UserError) -> str | None:
    """Say why a config has bases that can't be read, and never will be; None for another error."""
    cause = error.__cause__
    if absent := re.match(r'(\w+) is not installed', str(cause)):
        return (
            f'it inherits configs of {absent[1]}, as the pre-training of backbones does: adapt the config of a '
            'detector or segmentor; configs/classification/ trains ConvNeXts themselves'
        )
    if isinstance(cause, FileNotFoundError) and shipped.package and '.mim' in shipped.file.parts:
        return f'{shipped.package} {version_of(shipped.package)} ships it without a file that it inherits ({cause})'
    return None


def without_scope(part: Any, library: str) -> Any:
    """Copy a part of a config, in which what a library registers itself is named without the library."""
    if isinstance(part, dict):
        items = {key: without_scope(value, library) for key, value in dict.items(part)}
        if items.get('_scope_') == library:
            del items['_scope_']
        for key, value in items.items():
            if str(key).endswith('type') and isinstance(value, str):
                items[key] = value.removeprefix(f'{library}.')
        return items
    if isinstance(part, list | tuple):
        return type(part)(without_scope(item, library) for item in part)
    return part


def _with_names(cfg: Config, name: str) -> dict[str, Any]:
    """The content of a config in the new style, with names in place of classes: those that the old style has."""
    from mmengine.registry import TRANSFORMS

    from ..config.names import with_names

    for module in MODULES:
        importlib.import_module(module)
    try:
        content, modules = with_names(cfg)
    except Exception as error:  # of a module that it imports
        raise UserError(f'config {name}: {last_line(error)}') from error
    own = {part for library in LIBRARIES for part in TRANSFORMS.children[library].module_dict}

    def short(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: short(value) for key, value in part.items()}
        if isinstance(part, list | tuple):
            return type(part)(short(value) for value in part)
        if isinstance(part, str) and part.startswith('mmcv.') and part.removeprefix('mmcv.') not in own:
            return part.removeprefix('mmcv.')
        return part

    return {**short(content), 'custom_imports': {'imports': modules}}


def _import_own(content: dict[str, Any], name: str) -> list[str]:
    """Import the modules that a config lists, as far as the adapted config needs them, and return them.

    Raises:
        UserError: if one can't be imported.
    """
    from ..config.file import import_listed, listed_modules

    entry, model = content.get('custom_imports') or {}, content.get('model')
    backbone = model.get('backbone') if isinstance(model, dict) else None
    scope = str(backbone.get('type')).rpartition('.')[0] if isinstance(backbone, dict) else ''
    listed = listed_modules(entry, f'config {name}')
    needed = [module for module in listed if module.partition('.')[0] not in (*LIBRARIES, scope)]
    for module in MODULES if needed else ():
        importlib.import_module(module)  # which imports mmdet and mmseg without what they don't need
    return [module for module in needed if import_listed(module, entry, f'config {name}')]


def _library_of(content: dict[str, Any], file: Path) -> str:
    """The library that a config is for: by its default scope, its model, its folders, or the parts of its model.

    Raises:
        UserError: if it is another one, or none of these tells it.
    """
    model = content['model']
    scope, _, kind = str(model.get('type')).rpartition('.')
    stated = content.get('default_scope') or model.get('_scope_') or scope
    if stated:
        if stated not in LIBRARIES:
            raise UserError(f'config {file} is for {stated}: give a config of mmdet or mmseg')
        return stated
    folders = {'mmdetection': 'mmdet', 'mmsegmentation': 'mmseg', **{library: library for library in LIBRARIES}}
    found = {folders[part] for part in file.resolve().parts if part in folders}
    if len(found) != 1:
        found = {library for library in LIBRARIES if kind in _models(library)}
    if len(found) != 1:
        raise UserError(
            f'config {file} has a model of type {kind!r} and no default_scope: if it is a config of mmdet or mmseg, '
            "set default_scope = 'mmdet' or 'mmseg' in it"
        )
    return found.pop()


def _models(library: str) -> set[str]:
    from mmengine.registry import MODELS

    for module in MODULES:
        importlib.import_module(module)
    return set(MODELS.children[library].module_dict)
