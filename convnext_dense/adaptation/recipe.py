"""Everything but the model: data, augmentation, optimizer, schedule and hooks of an adapted config."""

from __future__ import annotations

from typing import Any

from .arch import Arch
from .notes import Notes
from .sources import SourceConfig


def adapt_recipe(source: SourceConfig, arch: Arch, model: dict[str, Any], notes: Notes) -> dict[str, Any]:
    """Return all keys of the new config in order, ``model`` among them."""
    raise NotImplementedError
