"""Dense-prediction toolkit for ConvNeXt.

Importing the package is cheap: torch and mmengine are imported by the modules that need them. mmengine itself resolves
a name such as ``convnext_dense.ConvNeXt`` in a config, by importing :mod:`convnext_dense.registry`.
"""

from importlib import import_module
from typing import Any

from .ops import install as _install_ops
from .version import __version__

_install_ops()  # makes mmcv.ops importable where mmcv has no compiled ops

_LAZY = {'ConvNeXt': 'models', 'load': 'inference'}

__all__ = ['ConvNeXt', '__version__', 'load']


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from .compat.mmengine_adafactor import defer_adafactor

        defer_adafactor()
        return getattr(import_module(f'.{_LAZY[name]}', __name__), name)
    try:
        return import_module(f'.{name}', __name__)
    except ModuleNotFoundError as error:
        if error.name != f'{__name__}.{name}':
            raise
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
