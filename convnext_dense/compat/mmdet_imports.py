"""mmdet and mmseg imported quickly and quietly. For mmdet 3.5 and mmseg 1.4 (the onedl builds).

Importing mmdet takes 8 s of processor time on a laptop. About half of it goes into libraries for parts that nothing
here uses: imgaug and imagecorruptions with numba (data of lines, tests of robustness), scipy (trackers, DETR's
assigner), matplotlib (plots), transformers (language models). A seventh goes into collecting garbage of which there is
none. Both packages also print that another one, which they do without, is absent.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import Any

IMPORTERS = ('mmdet', 'mmseg', 'pycocotools')
DEFERRED = ('imagecorruptions', 'imgaug', 'matplotlib', 'scipy')
HIDDEN = ('transformers',)


@contextlib.contextmanager
def light_imports() -> Iterator[None]:
    """Import mmdet and mmseg in the block without what only unused parts of them need.

    An import statement in mmdet, mmseg or pycocotools gets a stand-in for a library of :data:`DEFERRED`, which imports
    the library when it is used. A library of :data:`HIDDEN` is not found, which mmdet is prepared for: to use mmdet's
    language models, import transformers before. Libraries that are already imported, and whatever other packages
    import, are left alone. Nothing is printed on standard output.
    """
    import_statement, collecting = builtins.__import__, gc.isenabled()

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
                raise ModuleNotFoundError(f'{name} is hidden from {importer}, import it before', name=package)
            if importer in IMPORTERS and package in DEFERRED and find_spec(package) is not None:
                return Deferred(name if fromlist else package)  # type: ignore[return-value]
        return import_statement(name, globals, locals, fromlist or (), level)

    gc.disable()
    builtins.__import__ = light_import
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        builtins.__import__ = import_statement
        if collecting:
            gc.enable()


class Deferred:
    """A module, or a name in one, that is imported when it is called, indexed, iterated over or derived from."""

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
