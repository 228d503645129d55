"""mmcv's compiled ops, served by torchvision if mmcv was installed without its own.

mmdet and mmseg call every compiled op through one module, ``mmcv._ext``, and do not work without it. :func:`install`
puts a finder at the very end of ``sys.meta_path`` that finds this one module. A compiled ``mmcv._ext`` is found first,
so it always takes precedence, and nothing is imported before it is needed. The ops are in one file for each family;
this package can be imported without torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

EXT = 'mmcv._ext'


def install() -> None:
    """Make ``import mmcv._ext`` work from now on; safe to call again, and in any order with importing mmcv.

    An mmdet that was imported before has given up on the ops: see :mod:`convnext_dense.compat.mmdet_placeholders`.
    """
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)


class _Finder(MetaPathFinder, Loader):
    """Finds and loads ``mmcv._ext`` if no other finder did."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin='torchvision') if fullname == EXT else None

    def exec_module(self, module: ModuleType) -> None:
        importlib.import_module('.extension', __package__).fill(module)


FINDER = _Finder()
