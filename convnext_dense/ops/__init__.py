"""Replacements for mmcv's compiled ops, based on torchvision and torch, for an mmcv that was installed without them.

``import convnext_dense.ops`` is all that a program with mmdet or mmseg needs. They call every compiled op through one
module, ``mmcv._ext``, and do not work without it. :func:`install`, which is called when the package is imported,
appends a finder for this module to ``sys.meta_path``. It comes last, so a compiled ``mmcv._ext`` always takes
precedence, and nothing is imported before it is needed, not even torch. There is a file for each family of ops, and
:mod:`convnext_dense.ops.extension` has the table.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from ..compat.mmdet_placeholders import replace_placeholders
from ..compat.mmseg_placeholders import replace_missing_ops

EXT = 'mmcv._ext'


def install() -> None:
    """Make ``import mmcv._ext`` work from now on; safe to call again, and in any order with importing mmcv.

    An mmdet or mmseg that was already imported without the ops gets them.
    """
    if FINDER not in sys.meta_path:
        sys.meta_path.append(FINDER)
    replace_placeholders()
    replace_missing_ops()


class _Finder(MetaPathFinder, Loader):
    """Finder and loader of ``mmcv._ext``, used if no other finder finds it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, origin='torchvision') if fullname == EXT else None

    def exec_module(self, module: ModuleType) -> None:
        importlib.import_module('.extension', __package__).fill(module)


FINDER = _Finder()
