"""Replace mmdet's placeholders for mmcv's ops. For mmdet 3.5 with an mmcv without compiled ops.

If ``import mmcv.ops`` fails while mmdet is imported, mmdet defines placeholders for the ops that only raise "<op>
requires mmcv to be compiled". They stay even if the ops can be imported later, so an mmdet that was imported before
convnext_dense needs this.
"""

from __future__ import annotations

import importlib
import sys
from types import FunctionType, ModuleType

MESSAGE = ' requires mmcv to be compiled'


def replace_placeholders() -> None:
    """Put mmcv's ops where mmdet's imported modules have placeholders for them; does nothing if there are none."""
    for module, name, op in placeholders():
        for place in ('mmcv.ops', 'mmcv.ops.merge_cells'):  # NAS-FPN's cells
            if hasattr(importlib.import_module(place), op):
                setattr(module, name, getattr(importlib.import_module(place), op))


def placeholders() -> list[tuple[ModuleType, str, str]]:
    """List the placeholders in mmdet's imported modules: (module, attribute, op)."""
    placeholders_found = []
    modules = [module for name, module in list(sys.modules.items()) if name.startswith('mmdet.')]
    for module in modules:
        for name, value in list(vars(module).items()):
            function = vars(value).get('__init__') if isinstance(value, type) else value
            constants = function.__code__.co_consts if isinstance(function, FunctionType) else ()
            for text in constants:
                if isinstance(text, str) and MESSAGE in text:
                    placeholders_found.append((module, name, text.split()[0]))
    return placeholders_found
