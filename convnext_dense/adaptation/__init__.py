"""Adaptation of a config of mmdet or mmseg: the same heads on a ConvNeXt, trained, tested and used by this package.

:func:`adapt` reads the config (:mod:`.sources`), changes its model (:mod:`.model`) and its recipe (:mod:`.recipe`);
:mod:`.writing` writes the result as a config of this project. :mod:`.shipped` and :mod:`.listing` know the configs
that the libraries ship. Importing this imports neither torch nor mmengine.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .arch import Arch, find_arch
from .listing import Listed, list_sources
from .notes import NotAdaptable, Notes
from .sources import SourceConfig, find_source


class Adapted(NamedTuple):
    """A config of this project made of one of mmdet or mmseg."""

    source: SourceConfig
    arch: Arch
    config: dict[str, Any]
    """The keys of the new config, in the order in which they are written."""
    notes: Notes


def adapt(source: str, arch: str) -> Adapted:
    """Adapt a config of mmdet or mmseg to a ConvNeXt.

    Args:
        source: see :func:`.sources.find_source`.
        arch: see :func:`.arch.find_arch`.

    Raises:
        NotAdaptable: (a UserError) if its method is its backbone, or it is for another kind of data.
        UserError: if there is no such config or architecture.
    """
    from .model import adapt_model
    from .recipe import adapt_recipe

    wanted, found, notes = find_arch(arch), find_source(source), Notes()
    model = adapt_model(found, wanted, notes)
    return Adapted(found, wanted, adapt_recipe(found, wanted, model, notes), notes)


__all__ = [
    'Adapted',
    'Arch',
    'Listed',
    'NotAdaptable',
    'Notes',
    'SourceConfig',
    'adapt',
    'find_arch',
    'find_source',
    'list_sources',
]
