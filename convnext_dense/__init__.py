"""Dense-prediction toolkit for ConvNeXt.

Importing the package registers everything and makes mmcv's compiled ops available.
"""

__version__ = '0.1.0'

try:
    import cv2 as _cv2  # noqa: F401 - mmengine's first import of it would fail less clearly
except ImportError as error:
    if 'lib' not in str(error):
        raise
    raise ImportError(
        f'OpenCV cannot load ({error}): apt-get install libgl1 libglib2.0-0, or take the build that needs neither, '
        'pip install --force-reinstall --no-deps opencv-python-headless'
    ) from None

from .ops import install as _install_ops

_install_ops()  # first, so that nothing imports mmcv without them

from . import data, engine, evaluation, models, optim  # noqa: E402
from .models import ConvNeXt  # noqa: E402

__all__ = ['ConvNeXt', '__version__', 'data', 'engine', 'evaluation', 'models', 'optim']
