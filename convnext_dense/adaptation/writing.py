"""The text of an adapted config."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Adapted


def config_text(adapted: Adapted) -> str:
    """Return the config file: comments that say what was changed, then its keys, readable from top to bottom."""
    raise NotImplementedError
