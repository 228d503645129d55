"""The packaged recipe and the official weights of a ConvNeXt, which an adapted config takes."""

from __future__ import annotations

from typing import NamedTuple

from mmengine.config import Config

from ..archs import ARCHS
from ..config.find import packaged_path
from ..paper import OFFICIAL_WEIGHTS
from .arch import Arch
from .notes import Notes

LETTERS = {
    'atto': 'a',
    'femto': 'f',
    'pico': 'p',
    'nano': 'n',
    'tiny': 't',
    'small': 's',
    'base': 'b',
    'large': 'l',
    'xlarge': 'xl',
    'huge': 'h',
}
"""Letters of the architectures in the names of packaged configs."""
TIMM_WEIGHTS = {
    'atto': 'timm:convnext_atto.d2_in1k',
    'femto': 'timm:convnext_femto.d1_in1k',
    'pico': 'timm:convnext_pico.d1_in1k',
    'nano': 'timm:convnext_nano.in12k_ft_in1k',
}
"""Weights of the V1 sizes that have no official ones (timm 1.0, ``timm.list_pretrained()``)."""


class Recipe(NamedTuple):
    """A packaged config."""

    name: str
    """Such as ``configs/det/cascade_convnext_t_coco.py``."""
    cfg: Config
    is_own: bool
    """True if it is of the same architecture and version."""


def base_config(name: str) -> Config:
    """Read a packaged base config, such as ``datasets/coco.py``."""
    return Config.fromfile(packaged_path(f'_base_/{name}'), import_custom_modules=False)


def find_recipe(pattern: str, arch: Arch) -> Recipe:
    """Find the packaged recipe of an architecture: its own one, that of V1 in its size, or that of the nearest size.

    Args:
        pattern: the name of the recipe's configs; see :class:`~convnext_dense.tasks.adaptation.Adaptation`.
        arch: the architecture.
    """
    sizes = list(ARCHS)
    place = sizes.index(arch.arch)
    nearest = sorted(sizes, key=lambda size: (abs(sizes.index(size) - place), sizes.index(size)))
    versions = ('v2', '') if arch.version == 'v2' else ('',)
    for size in (one for one in nearest if one in LETTERS):
        for version in versions:
            for letter in (LETTERS[size], f'{LETTERS[size]}_22k'):
                name = pattern.format(version, letter)
                if packaged_path(name).is_file():
                    own = size == arch.arch and (version == 'v2') == (arch.version == 'v2')
                    cfg = Config.fromfile(packaged_path(name), import_custom_modules=False)
                    return Recipe(f'configs/{name}', cfg, own)
    raise FileNotFoundError(pattern)


def find_pretrained(recipe: Recipe, arch: Arch, notes: Notes) -> str | None:
    """Return the weights that training starts from, as the packaged configs of the architecture have them.

    Args:
        recipe: the packaged recipe of the architecture, or the nearest one.
        arch: the architecture.
        notes: gets a line where there are no official weights.

    Returns:
        The name of official weights; the checkpoint of an own run for a size that has none; None if there is no config
        for such a run either.
    """
    kinds = ('1k_224_fcmae',) if arch.version == 'v2' else ('1k_224', '22k_224')
    official = [f'convnext{"v2" if arch.version == "v2" else ""}_{arch.arch}_{kind}' for kind in kinds]
    known = [name for name in official if name in OFFICIAL_WEIGHTS]
    if recipe.is_own and recipe.cfg.pretrained in OFFICIAL_WEIGHTS:
        return str(recipe.cfg.pretrained)
    if known:
        return known[0]
    letter = LETTERS.get(arch.arch)
    run = f'convnext_{letter}' if letter and arch.version == 'v1' else ''
    if run and packaged_path(f'classification/{run}.py').is_file():
        notes.undecided.append(
            f'there are no official weights of {arch.name}: pretrained is the checkpoint of your own run of '
            f'configs/classification/{run}.py; --pretrained {TIMM_WEIGHTS[arch.arch]} takes those of timm'
        )
        return f'work_dirs/{run}/epoch_300.pth'
    notes.undecided.append(
        f'there are no official weights of {arch.name}, so that training starts from random ones: '
        'name some with --pretrained (`convnext-dense weights` lists what there is)'
    )
    return None
