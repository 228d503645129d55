"""Dense-prediction toolkit for ConvNeXt.

Importing the package is cheap: torch and mmengine come with the parts that need them. A name such as
``convnext_dense.ConvNeXt`` in a config is found by mmengine itself, which imports :mod:`convnext_dense.registry`.
"""

from importlib import import_module
from typing import Any

from .ops import install as _install_ops
from .version import __version__

_install_ops()  # so that whatever imports mmcv.ops later finds them

_HOMES = {'ConvNeXt': 'models', 'load': 'inference'}

__all__ = ['ConvNeXt', '__version__', 'load']


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from .compat.mmengine_adafactor import defer_adafactor

        defer_adafactor()
        return getattr(import_module(f'.{_HOMES[name]}', __name__), name)
    try:
        return import_module(f'.{name}', __name__)
    except ModuleNotFoundError as error:
        if error.name != f'{__name__}.{name}':
            raise
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
