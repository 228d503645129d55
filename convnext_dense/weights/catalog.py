"""The catalog of published weights that have a name here.

Importing this module imports neither torch nor timm; listing timm's and torchvision's weights does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from .. import paper
from .entries import (
    Entry,
    clip_entry,
    distilled_entry,
    hugging_face_entry,
    official_entry,
    timm_entry,
    torchvision_entry,
)
from .names import CLIP, CLIP_OWNER, DISTILLED, HUGGING_FACE, TORCHVISION

_LETTERS: Final = {'T': 'tiny', 'S': 'small', 'B': 'base'}


def entries() -> Iterator[Entry]:
    """Yield the whole catalog; timm and torchvision are imported, which takes seconds."""
    tags = timm_tags()
    for name in paper.OFFICIAL_WEIGHTS:
        yield official_entry(name)
    for name, tag in DISTILLED.items():
        if tag in tags:  # an older timm lacks some
            yield timm_entry(tag)._replace(name=name)
    for name in CLIP:
        yield clip_entry(name)
    for name in TORCHVISION:
        yield torchvision_entry(name)
    for name in HUGGING_FACE:
        yield hugging_face_entry(name)
    for tag in tags:
        yield timm_entry(tag)


def find_entry(name: str) -> Entry | None:
    """Return the entry of a name; timm is imported for its own names only."""
    scheme, _, rest = name.partition(':')
    if name in paper.OFFICIAL_WEIGHTS:
        return official_entry(name)
    if name in DISTILLED:
        return distilled_entry(name)
    if scheme == 'clip':
        tags = [known for known in CLIP if rest in (known, known.split('.')[0])]
        return clip_entry(tags[0]) if len(tags) == 1 else None
    if scheme == 'torchvision' and rest in TORCHVISION:
        return torchvision_entry(rest)
    if scheme == 'hf':
        return entry_of_repository(rest)
    if scheme == 'timm':
        return entry_of_repository(f'timm/{rest}') or _default_of_timm(rest)
    url = name.partition('#')[0]
    official = next((known for known, address in paper.OFFICIAL_WEIGHTS.items() if address == url), None)
    return official_entry(official) if official else entry_of_path(Path(url)) if '://' in name else None


def entry_of_repository(repository: str) -> Entry | None:
    """Return the entry of a repository on Hugging Face; timm is imported for its own only."""
    owner, _, name = repository.partition('/')
    if repository in HUGGING_FACE:
        return hugging_face_entry(repository)
    if owner == CLIP_OWNER:
        return next((clip_entry(known) for known, place in CLIP.items() if place == name), None)
    distilled = next((short for short, tag in DISTILLED.items() if tag == name), None)
    if owner == 'timm':
        return distilled_entry(distilled) if distilled else timm_entry(name) if name in timm_tags() else None
    eupe = re.fullmatch(r'EUPE-ConvNeXt-([TSB])', name) if owner == 'facebook' else None
    return distilled_entry(f'eupe_{_LETTERS[eupe[1]]}') if eupe else None


def entry_of_path(path: Path) -> Entry | None:
    """Return the entry of a weights file, by its name or by the repository in its path.

    Names are those of the official files, and of torchvision's with its digest; repositories are folders as this
    package and Hugging Face name them, ``OWNER--NAME`` and ``models--OWNER--NAME``.
    """
    plain = re.sub(r'^[0-9a-f]{8}-', '', path.name)  # of a download by URL
    official = next((name for name, url in paper.OFFICIAL_WEIGHTS.items() if url.endswith(f'/{plain}')), None)
    if official:
        return official_entry(official)
    # github.com/facebookresearch/dinov3, dinov3/hub/backbones.py; EUPE's are alike
    distilled = re.match(r'(dinov3|eupe)_convnext_(tiny|small|base|large)_pretrain_', plain)
    if distilled and f'{distilled[1]}_{distilled[2]}' in DISTILLED:
        return distilled_entry(f'{distilled[1]}_{distilled[2]}')
    eupe = re.fullmatch(r'EUPE-ConvNeXt-([TSB])\.pt', plain)
    if eupe:
        return distilled_entry(f'eupe_{_LETTERS[eupe[1]]}')
    torchvision = re.fullmatch(r'(convnext_\w+)-[0-9a-f]{8}\.pth', plain)
    if torchvision and torchvision[1] in TORCHVISION:
        return torchvision_entry(torchvision[1])
    for folder in path.parts[-4:-1]:
        owner, sign, name = folder.removeprefix('models--').partition('--')
        if sign and (entry := entry_of_repository(f'{owner}/{name}')):
            return entry
    return None


def _default_of_timm(model: str) -> Entry | None:
    """Return the entry of the weights that timm takes for a model without a tag."""
    import timm

    cfg = timm.models.get_pretrained_cfg(model) if timm.models.is_model(model) else None
    tag = f'{model}.{cfg.tag}' if cfg else ''
    return timm_entry(tag) if tag in timm_tags() else None


@cache
def timm_tags() -> list[str]:
    """Return the names of timm's pretrained ConvNeXts, such as ``convnext_tiny.fb_in1k``."""
    import timm  # here, because it takes seconds to import

    names = timm.list_models('*convnext*', pretrained=True)
    return [name for name in names if timm.models.is_model_in_modules(name.split('.')[0], ['convnext'])]
