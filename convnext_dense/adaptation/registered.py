"""Names of registered classes with the scope that registers them, as the configs here write them."""

from __future__ import annotations

from mmengine.registry import Registry

WITHOUT_SCOPE = ('mmengine', 'torch')
"""Packages whose classes have no scope in a config, since every registry finds them."""


def scoped(registry: Registry, name: str, library: str) -> str | None:
    """Return the name of a class with its scope: ``mmdet.Resize`` for ``Resize``, and ``MultiStepLR`` as it is.

    Args:
        registry: the registry of mmengine for classes of this kind.
        name: the name, with or without a scope.
        library: ``'mmdet'`` or ``'mmseg'``, whose config has the name.

    Returns:
        None if no class has this name.
    """
    with registry.switch_scope_and_registry(library) as of_library:
        found = of_library.get(name)
    if found is None:
        return None
    package, bare = found.__module__.partition('.')[0], name.rpartition('.')[2]
    return bare if package in WITHOUT_SCOPE else f'{package}.{bare}'
