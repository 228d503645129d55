"""Give mmseg the ops of mmcv that it went without. For mmseg 1.4 with an mmcv without compiled ops.

If ``import mmcv.ops`` fails while mmseg is imported, mmseg sets the ops to None, and stays without them even if they
can be imported later. So an mmseg that was imported before convnext_dense needs this.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

# Names that mmseg sets to None, and where they are.
PLACES = {
    'CrissCrossAttention': 'mmcv.ops',
    'PSAMask': 'mmcv.ops',
    'point_sample': 'mmcv.ops',
    '_sigmoid_focal_loss': 'mmcv.ops',
    'get_uncertain_point_coords_with_randomness': 'mmseg.models.utils.point_sample',
}


def replace_missing_ops() -> None:
    """Put the ops where mmseg's imported modules have None in their place; does nothing if there is none."""
    for module, name in missing_ops():
        setattr(module, name, getattr(importlib.import_module(PLACES[name]), name.lstrip('_')))


def missing_ops() -> list[tuple[ModuleType, str]]:
    """List what mmseg's imported modules lack: (module, attribute)."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith('mmseg.')]
    return [(module, name) for module in modules for name in PLACES if vars(module).get(name, module) is None]
