"""mmcv's compiled ops, served by torchvision where mmcv brings none.

mmdet and mmseg reach every compiled op through one module, ``mmcv._ext``. An mmcv installed without its ops lacks it,
and then neither package works. :func:`install` puts a finder at the very end of ``sys.meta_path`` that answers for
that one name only. A compiled ``mmcv._ext`` is found before it, so it is left alone by construction, and nothing is
imported before it is needed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType

EXT = 'mmcv._ext'


def install() -> None:
    """Make ``import mmcv._ext`` work; safe to call again, and in any order with mmdet and mmseg."""
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)
    for module, name, op in placeholders():
        ops = importlib.import_module('mmcv.ops')
        setattr(module, name, getattr(ops, op, getattr(module, name)))


def placeholders() -> list[tuple[ModuleType, str, str]]:
    """What mmdet put in an op's place because it was imported before us: (module, attribute, op).

    Such a function or class does nothing but raise '<op> requires mmcv to be compiled ...'.
    """
    found = []
    modules = [m for name, m in list(sys.modules.items()) if name.startswith('mmdet.')]
    for module in modules:
        for name, value in list(vars(module).items()):
            function = vars(value).get('__init__') if isinstance(value, type) else value
            constants = function.__code__.co_consts if isinstance(function, FunctionType) else ()
            for text in constants:
                if isinstance(text, str) and ' requires mmcv to be compiled' in text:
                    found.append((module, name, text.split()[0]))
    return found


class _Finder(MetaPathFinder, Loader):
    """Finds ``mmcv._ext`` where nothing else did, and loads it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin='torchvision') if fullname == EXT else None

    def exec_module(self, module: ModuleType) -> None:
        importlib.import_module('.extension', __package__).fill(module)


FINDER = _Finder()
