"""The model of a config of mmdet or mmseg on a ConvNeXt."""

from __future__ import annotations

from typing import Any

from .arch import Arch
from .notes import Notes
from .sources import SourceConfig


def adapt_model(source: SourceConfig, arch: Arch, notes: Notes) -> dict[str, Any]:
    """Return the ``model`` of the new config: every type with its scope, our backbone, channels that fit."""
    raise NotImplementedError
