"""Dense-prediction toolkit for ConvNeXt.

Importing the package registers everything and makes mmcv's compiled ops available.
"""

__version__ = '0.1.0'

from .ops import install as _install_ops

_install_ops()  # first, so that nothing imports mmcv without them

from . import data, engine, evaluation, models, optim  # noqa: E402
from .models import ConvNeXt  # noqa: E402

__all__ = ['ConvNeXt', '__version__', 'data', 'engine', 'evaluation', 'models', 'optim']
