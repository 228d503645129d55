"""Licenses of published weights, and of what was trained from them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..errors import UserError
from .catalog import entry_of_path, find_entry
from .config_text import initial_weights

CARD: Final = 'README.md'
"""The card of a model on Hugging Face; its first lines have the name of the license."""


class License(NamedTuple):
    """The terms under which weights are published.

    Attributes:
        title: its name for people.
        commercial: whether it allows commercial use; None if that is not settled here: read it yourself.
        url: its text.
        conditions: terms of commercial use that are not those of any open-source license; may be empty.
    """

    title: str
    commercial: bool | None
    url: str
    conditions: str = ''


LICENSES: Final[dict[str, License]] = {
    'mit': License('MIT', True, 'https://opensource.org/license/mit'),
    'apache-2.0': License('Apache-2.0', True, 'https://www.apache.org/licenses/LICENSE-2.0'),
    'bsd-3-clause': License('BSD-3-Clause', True, 'https://opensource.org/license/bsd-3-clause'),
    'cc-by-4.0': License('CC BY 4.0', True, 'https://creativecommons.org/licenses/by/4.0/'),
    'cc-by-nc-4.0': License('CC BY-NC 4.0', False, 'https://creativecommons.org/licenses/by-nc/4.0/'),
    # its grant, 1.a, names no field of use; the conditions are those of 1.b
    'dinov3-license': License(
        'DINOv3 License',
        True,
        'https://ai.meta.com/resources/models-and-libraries/dinov3-license/',
        'pass it on with the weights and what is made of them; no military, nuclear, espionage or weapons use',
    ),
    # EUPE's; "FAIR Research License" in its README
    'fair-noncommercial-research-license': License(
        'FAIR Noncommercial Research License', False, 'https://github.com/facebookresearch/EUPE/blob/main/LICENSE.md'
    ),
    # torchvision's code is BSD-3-Clause; of its weights its documentation says that they may have terms of their own
    'torchvision': License(
        'none stated by torchvision',
        None,
        'https://pytorch.org/vision/stable/models.html',
    ),
}
"""By their names on Hugging Face and in timm."""


class Origin(NamedTuple):
    """The weights of others that a network has or was trained from.

    Attributes:
        source: their published name, or the file.
        license: key of :data:`LICENSES`, or another name as the publisher writes it; None if unknown.
    """

    source: str
    license: str | None


def find_origin(path: Path, meta: Mapping[str, Any]) -> Origin | None:
    """Find the weights of others that the weights in a file are, or were trained from, and their license.

    In this order: what a run of this package has kept in its checkpoint, or if it is older in its config; the file as
    one of the catalog's, by its name or by the repository in its path; and if it has the name of a file on a hub,
    timm's ``pretrained_cfg`` or the ``_name_or_path`` of transformers in the ``config.json`` beside it, or the card.

    Args:
        path: the weights file.
        meta: the checkpoint's metadata.

    Returns:
        None for weights that were trained here from random values.
    """
    from .fetch import HUB_FILES  # here, because they import torch
    from .hub_config import VERSION_KEY

    if 'pretrained' in meta:
        kept = meta['pretrained']
        if kept is None:
            return None
        if isinstance(kept, Mapping) and isinstance(kept.get('source'), str):
            license = kept.get('license')
            return Origin(kept['source'], license if isinstance(license, str) else None)
    named = initial_weights(meta['cfg']) if isinstance(meta.get('cfg'), str) else None
    for name in named or ():
        if entry := find_entry(name) or entry_of_path(Path(name)):
            return Origin(entry.name, entry.license)
    if named is not None and VERSION_KEY in meta:
        return Origin(named[0], None) if named else None
    if entry := entry_of_path(path):
        return Origin(entry.name, entry.license)
    if path.name not in HUB_FILES:  # whose folder may have files of anything
        return Origin(str(path), None)
    return _from_config_json(path) or Origin(str(path), _from_card(path.with_name(CARD)))


def pretrained(origin: Origin | None) -> dict[str, str | None] | None:
    """Return the entry ``pretrained`` of a checkpoint's metadata, which :func:`find_origin` reads."""
    return None if origin is None else {'source': origin.source, 'license': origin.license}


def allows_commercial_use(license: str | None) -> bool | None:
    """Whether a license allows commercial use; None if it or its terms are unknown."""
    name = (license or '').lower()
    if name in LICENSES:
        return LICENSES[name].commercial
    return False if re.search(r'\bnc\b|non-?commercial', name) else None


def describe_license(license: str) -> str:
    """Describe a license in a few words, such as ``CC BY-NC 4.0 (no commercial use)``."""
    known = LICENSES.get(license.lower())
    allowed = allows_commercial_use(license)
    words = {True: '', False: 'no commercial use', None: 'commercial use not settled: read it yourself'}[allowed]
    words = f'commercial use on conditions: {known.conditions}' if known and known.conditions else words
    title = known.title if known else license
    return f'{title} ({words})' if words else title


def license_note(origin: Origin | None) -> str:
    """Return what follows in a line that says which weights were loaded: their license, if it is known."""
    return f'; license {describe_license(origin.license)}' if origin and origin.license else ''


def warn_of_license(origin: Origin | None) -> str | None:
    """Return a line on weights whose license forbids commercial use; None for others."""
    if origin is None or allows_commercial_use(origin.license) is not False:
        return None
    return f'license of {origin.source}: {describe_license(str(origin.license))}'


def check_commercial_use(origin: Origin | None) -> str | None:
    """Check that weights may be used commercially.

    Args:
        origin: as :func:`find_origin` returns it.

    Returns:
        A warning if the license is unknown or unclear, else None.

    Raises:
        UserError: if the license forbids it.
    """
    if origin is None:
        return None
    allowed = allows_commercial_use(origin.license)
    if allowed is False:
        raise UserError(
            f'--commercial: {origin.source} has the license {describe_license(str(origin.license))}: take other '
            'weights, as `convnext-dense weights --commercial` lists them'
        )
    if allowed is None:
        known = f'is {describe_license(origin.license)}' if origin.license else 'is unknown'
        return f'--commercial: the license of {origin.source} {known}'
    return None


def _from_config_json(path: Path) -> Origin | None:
    """Read the license, or the weights that a network was trained from, from the ``config.json`` beside a file."""
    try:
        content = json.loads(path.with_name('config.json').read_text())
        license = (content.get('pretrained_cfg') or {}).get('license')
        if isinstance(license, str) and license:
            return Origin(str(path), license.lower())
        entry = find_entry(f'hf:{content.get("_name_or_path")}')
    except (OSError, ValueError, AttributeError):
        return None
    return Origin(entry.name, entry.license) if entry else None


def _from_card(card: Path) -> str | None:
    """Read the license from the first lines of a card; ``license_name`` is that of ``license: other``."""
    try:
        lines = card.read_text(errors='replace').partition('---\n')[2].partition('\n---')[0].splitlines()
    except OSError:
        return None
    pairs = (line.partition(':') for line in lines)
    fields = {key: value.strip().strip('\'"').lower() for key, _, value in pairs}
    name = fields.get('license')
    return fields.get('license_name', name) if name == 'other' else name or None
