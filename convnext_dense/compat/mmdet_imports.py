"""Fast and quiet imports of mmdet and mmseg. For mmdet 3.5 and mmseg 1.4 (the onedl builds).

Importing mmdet takes 8 s of CPU time on a laptop. About half is spent on libraries for parts that nothing here uses:
imgaug and imagecorruptions with numba (line datasets, robustness tests), scipy (trackers, DETR's assigner), sklearn
(PAA), matplotlib (plots), transformers (language models), and where it is installed albumentations, which also looks
for a newer version in the internet whenever it is imported. A seventh is spent in the garbage collector, which finds
nothing to free. Both packages also print notes about optional packages that are not installed.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

IMPORTERS = ('mmdet', 'mmseg', 'pycocotools')
DEFERRED = ('albumentations', 'imagecorruptions', 'imgaug', 'matplotlib', 'scipy', 'sklearn')
HIDDEN = ('transformers',)


@contextlib.contextmanager
def light_imports() -> Iterator[None]:
    """Context in which importing mmdet and mmseg skips the libraries that only their unused parts need.

    An import statement in mmdet, mmseg or pycocotools gets a stand-in for a library of :data:`DEFERRED`, which imports
    the library when it is first used. A library of :data:`HIDDEN` is not found, which mmdet handles: to use mmdet's
    language models, import transformers first. Libraries that are already imported, and the imports of all other
    packages, are left alone. Nothing is printed on standard output.
    """
    stay_offline()
    original_import, gc_enabled = builtins.__import__, gc.isenabled()

    def light_import(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        package = name.partition('.')[0]
        if level == 0 and package in (*DEFERRED, *HIDDEN) and name not in sys.modules:
            importer = str((globals or {}).get('__name__')).partition('.')[0]
            if importer in IMPORTERS and package in HIDDEN and package not in sys.modules:
                raise ModuleNotFoundError(f'{name} is hidden from {importer}, import it first', name=package)
            if importer in IMPORTERS and package in DEFERRED and find_spec(package) is not None:
                return Deferred(name if fromlist else package)  # type: ignore[return-value]
        return original_import(name, globals, locals, fromlist or (), level)

    gc.disable()
    builtins.__import__ = light_import
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        builtins.__import__ = original_import
        if gc_enabled:
            gc.enable()


def stay_offline() -> None:
    """Have albumentations not look for a newer version in the internet when it is imported."""
    os.environ.setdefault('NO_ALBUMENTATIONS_UPDATE', '1')


class Deferred:
    """Stand-in for a module or one of its names, imported when it is called, indexed, iterated over or subclassed."""

    def __init__(self, module: str, *names: str) -> None:
        self._module = module
        self._names = names

    def _import(self) -> Any:
        value: Any = importlib.import_module(self._module)
        for name in self._names:
            if isinstance(value, ModuleType) and not hasattr(value, name):
                importlib.import_module(f'{value.__name__}.{name}')
            value = getattr(value, name)
        return value

    def __getattr__(self, name: str) -> Deferred:
        if name == '__version__':  # which mmdet's Albu compares
            return getattr(self._import(), name)  # type: ignore[no-any-return]
        if name.startswith('__'):
            raise AttributeError(name)
        return Deferred(self._module, *self._names, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._import()(*args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._import()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._import())

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._import())

    def __mro_entries__(self, bases: tuple) -> tuple[type, ...]:
        return (self._import(),)

    def __repr__(self) -> str:
        return f'<{".".join([self._module, *self._names])}, imported when it is used>'
