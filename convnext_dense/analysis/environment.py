"""Environment of a measurement: processor, load, and package versions."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import torch

from ..engine.environment import cpu_name

PACKAGES = (
    *('torchvision', 'timm', 'transformers'),
    *('onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmsegmentation'),
    *('faster-coco-eval', 'pycocotools', 'pillow', 'opencv-python-headless'),
)
"""Packages other than torch that affect measurements, by their names on PyPI."""


def environment() -> dict[str, str | int | float | bool | None]:
    """Describe processor, load and versions as plain values; the version of a package that is not installed is None.

    ``load`` is the load average of the last five minutes.
    """
    return {
        'cpu': cpu_name(),
        'cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'load': round(os.getloadavg()[1], 1),
        'gpu': torch.cuda.get_device_name() if torch.cuda.is_available() else False,
        'torch': torch.__version__,
        **{name: _version(name) for name in PACKAGES},
        'python': platform.python_version(),
        'date': date.today().isoformat(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
