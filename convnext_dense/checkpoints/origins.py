"""The weights of others that a run starts from, and their licenses, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..weights.catalog import find_entry
from ..weights.licenses import Origin, allows_commercial_use, check_commercial_use, find_origin
from ..weights.reader import read_checkpoint
from .files import find


def origin_of(source: str, trust_pickle: bool = False) -> Origin | None:
    """Find the weights of others that a source of weights has, or was trained from.

    Args:
        source: as ``--pretrained`` takes it; what the catalog knows by name is not downloaded.
        trust_pickle: as in :func:`~..weights.reader.read_checkpoint`.

    Returns:
        None for what was trained here from random values.

    Raises:
        UserError: if there is no such source, or it can't be read.
    """
    if entry := find_entry(source):
        return Origin(entry.name, entry.license)
    path = find(source)
    meta = read_checkpoint(path, trust_pickle).get('meta')
    return find_origin(path, meta if isinstance(meta, dict) else {})


def initial_checkpoints(part: Any) -> Iterator[str]:
    """Yield the checkpoints that parts of a model's config name in ``init_cfg=dict(type='Pretrained', ...)``."""
    if isinstance(part, dict):
        if part.get('type') == 'Pretrained' and isinstance(part.get('checkpoint'), str):
            yield part['checkpoint']
        part = list(part.values())
    if isinstance(part, list | tuple):
        for one in part:
            yield from initial_checkpoints(one)


def most_restrictive(origins: Iterable[Origin | None]) -> Origin | None:
    """Return the weights whose license allows least; those of unknown license come before those that allow all."""
    order = {False: 0, None: 1, True: 2}
    known = [origin for origin in origins if origin is not None]
    return min(known, key=lambda origin: order[allows_commercial_use(origin.license)], default=None)


def check_commercial_sources(sources: Iterable[str], trust_pickle: bool = False) -> list[str]:
    """Check that all sources of weights may be used commercially, and return warnings of those that may not be known.

    Raises:
        UserError: for the first whose license forbids it.
    """
    warnings = (check_commercial_use(origin_of(source, trust_pickle)) for source in sources)
    return [warning for warning in warnings if warning]
