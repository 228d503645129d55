"""Import transformers only when its Adafactor is used. For mmengine 0.10.

If transformers is installed, ``mmengine.optim`` imports it to register its Adafactor. That takes about a second, and a
transformers that does not work with the installed torch breaks every program that uses mmengine. Here Adafactor is
registered as a function that imports transformers when a config uses it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

BUILDER = 'mmengine.optim.optimizer.builder'


def defer_adafactor() -> None:
    """Make mmengine import transformers only when Adafactor is built.

    Imports nothing itself, and does nothing if mmengine's optimizers or transformers are already imported.
    """
    if FINDER not in sys.meta_path and BUILDER not in sys.modules and 'transformers' not in sys.modules:
        sys.meta_path.insert(0, FINDER)


def adafactor(params: Any, *args: Any, **kwargs: Any) -> Any:
    """Build a ``transformers.Adafactor``."""
    from transformers import Adafactor

    return Adafactor(params, *args, **kwargs)


class _Finder(MetaPathFinder):
    """Finder for mmengine's module that registers the optimizers; removes itself after one use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != BUILDER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None and 'transformers' not in sys.modules:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """Loader that runs the module as if transformers were not installed, then registers the deferred Adafactor."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        installed = find_spec('transformers') is not None
        sys.modules['transformers'] = None  # type: ignore[assignment]  # importing it raises an error
        try:
            self.loader.exec_module(module)
        finally:
            del sys.modules['transformers']
        if installed and 'Adafactor' not in module.OPTIMIZERS:
            module.OPTIMIZERS.register_module(name='Adafactor', module=adafactor)
            module.TRANSFORMERS_OPTIMIZERS.append('Adafactor')


FINDER = _Finder()
