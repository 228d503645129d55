"""The configs that mmdet and mmseg ship, found by name and read with their bases."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config


class SourceConfig(NamedTuple):
    """A config of mmdet or mmseg."""

    name: str
    """Such as ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``, or the path as it was given."""
    library: str
    """``'mmdet'`` or ``'mmseg'``."""
    file: Path
    cfg: Config
    """The config with its bases; names have no scope where they are the library's own."""


def find_source(source: str) -> SourceConfig:
    """Find and read a config of mmdet or mmseg."""
    raise NotImplementedError
