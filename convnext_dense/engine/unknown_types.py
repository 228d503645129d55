"""Types in a config that no registry has: where they stand, and what they may be meant to be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import mmengine.registry
from mmengine.registry import MODELS, DefaultScope, Registry

NOT_IN_REGISTRY = re.compile(r'(?P<kind>\S+) is not in the (?:\S+::)?(?P<registry>.+?) registry')
"""Errors of mmengine's ``Registry.build``."""
NO_LAYER = re.compile(r'Cannot find (?P<kind>\S+) in registry under scope name')
"""Errors of mmcv's functions that build layers."""
LAYERS = ('norm_cfg.type', 'conv_cfg.type', 'upsample_cfg.type', 'padding_cfg.type')
"""Ends of the keys of layers that these functions build."""
ROOTS = {one.name: one for one in vars(mmengine.registry).values() if isinstance(one, Registry)}
"""mmengine's registries by name."""


def find_type(registry: Registry, kind: Any) -> Any:
    """Return the class or function that a ``type`` names, or None; anything but a text is returned as it is."""
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(None) as of_scope:
        return of_scope.get(kind)


def describe_unknown(registry: Registry, kind: str, where: str) -> str:
    """Say in a line that a registry of mmengine does not know a type, where it stands, and which it may be meant for.

    Args:
        registry: one of mmengine's own.
        kind: the type.
        where: its part's key in the config.
    """
    near = near_types(registry, kind)
    hint = f'did you mean {" or ".join(near)}?' if near else 'is its module in custom_imports?'
    top = where.split('.')[0].split('[')[0]
    return f"the config's {top} can't be built: there is no {kind!r} ({registry.name}) for {where}: {hint}"


def near_types(registry: Registry, kind: str) -> list[str]:
    """Return up to two types with a similar name that a registry knows, in the form in which a config finds them.

    Those of the scope that the type has come first, whatever the case of letters; a type of the same name in another
    scope is the only one that is returned.

    Args:
        registry: one of mmengine's own.
        kind: the unknown type, with or without a scope, which may be unknown, too.
    """
    scope, _, name = kind.rpartition('.')
    current = DefaultScope.get_current_instance()
    plain = ('', current.scope_name if current is not None and not scope else '')
    found: dict[str, list[tuple[str, str]]] = {}
    for own, names in _registered(registry):
        for one in names:
            found.setdefault(one.lower(), []).append((own, one))
    in_scope = [one for one, places in found.items() if any(own == scope for own, _ in places)]
    near = [name.lower()] if name.lower() in found else []
    for pool in (in_scope, found):
        near = near or difflib.get_close_matches(name.lower(), pool, n=2, cutoff=0.75)

    def distance(place: tuple[str, str]) -> tuple[bool, float]:
        return not scope and place[0] not in plain, -difflib.SequenceMatcher(None, scope, place[0]).ratio()

    best = [min(found[one], key=distance) for one in near]
    return [one if own in plain else f'{own}.{one}' for own, one in best]


def explain_unknown(error: BaseException, cfg: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Say in a line which type of a config an error is about; None for an error of another kind.

    Args:
        error: an error of mmengine or mmcv.
        cfg: the config.
        keys: its keys whose values were built.
    """
    message = str(error.args[0]) if error.args else ''
    found = NOT_IN_REGISTRY.search(message) or NO_LAYER.search(message)
    if found is None:
        return None
    registry, kind = ROOTS.get(found.groupdict().get('registry', 'model')), found['kind']
    texts = [place for key in keys if key in cfg for place in _texts(cfg[key], key)]
    if kind == 'None':  # mmcv forgets what it looked for
        texts = [(key, text) for key, text in texts if key.endswith(LAYERS) and find_type(MODELS, text) is None]
    else:
        texts = [(key, text) for key, text in texts if text == kind]
    if registry is None or not texts:
        return None
    key, kind = texts[0]
    return describe_unknown(registry, kind, key.removesuffix('.type'))


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield the texts in a nested value with their keys."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _texts(part, f'{key}.{name}')
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _texts(part, f'{key}[{index}]')


def _registered(registry: Registry) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the scopes of a registry with the names that they register; its own is empty."""
    yield '', registry.module_dict
    for scope, child in registry.children.items():
        yield scope, child.module_dict
