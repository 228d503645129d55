"""The configs that the installed mmdet and mmseg ship, by name. Imports neither torch, mmengine nor the libraries."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError

LIBRARIES = {'mmdet': 'onedl-mmdetection', 'mmseg': 'onedl-mmsegmentation'}
"""The libraries, each with the name under which pip installs it."""
EXAMPLE = 'mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py'
LIST = '`convnext-dense adapt --list`'


class Shipped(NamedTuple):
    """A config file of mmdet or mmseg, not read yet."""

    name: str
    """Such as ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``, or the path as it was given."""
    package: str | None
    """``'mmdet'`` or ``'mmseg'``; None for a file outside their installations."""
    file: Path


@cache
def configs_folder(library: str) -> Path:
    """Return the folder of the configs that a library ships: ``.mim/configs`` in its package, or that of its clone.

    Raises:
        UserError: if the library is not installed, or was installed without them.
    """
    spec = find_spec(library)
    locations = [Path(location) for location in (spec.submodule_search_locations or () if spec else ())]
    if not locations:
        raise UserError(
            f'{library} is not installed, which has the configs: pip install {LIBRARIES[library]}, or give the path '
            'of a config'
        )
    for location in locations:
        for root in (location / '.mim', location.parent):
            if (root / 'configs').is_dir() and (root / 'model-index.yml').is_file():
                return root / 'configs'
    raise UserError(
        f'{library} in {locations[0]} was installed without its configs ({locations[0].name}/.mim/configs): reinstall '
        f'{LIBRARIES[library]}, or give the path of a config, such as in a clone of its repository'
    )


@cache
def shipped_configs(library: str) -> dict[str, Path]:
    """Return the configs that a library ships by name, such as ``dino/dino-4scale_r50_8xb2-12e_coco.py``.

    The parts in folders ``_base_`` are not included.
    """
    folder = configs_folder(library)
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.glob('[!_]*/**/*.py'))}
    return {name: file for name, file in files.items() if '_base_' not in name.split('/')}


def version_of(library: str) -> str:
    """Return the version of an installed library, by whatever name pip knows it."""
    names = packages_distributions().get(library)
    return version(names[0]) if names else 'of an unknown version'


def find_shipped(source: str) -> Shipped:
    """Find a config by its path, or by its name among those that are shipped.

    Args:
        source: a path; ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``, with or without ``.py``; or the name without
            the library or the family, if there is only one such config.

    Raises:
        UserError: if there is none, or there are several; the message has near names.
    """
    path = Path(source)
    if path.is_file():
        return Shipped(source, _library_at(path), path)
    library, name = _split(source)
    configs = _all_configs(library)
    found = [one for one in configs if _is_named(one, name)]
    if not found:
        raise UserError(_absent(source, library, name, configs))
    if len(found) > 1:
        raise UserError(f'{source} may be {" or ".join(found)}: give one of these')
    return Shipped(found[0], found[0].partition(':')[0], configs[found[0]])


def family_of(name: str) -> str:
    """Return the family of a config: ``mmdet:dino`` of ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``."""
    return name.partition('/')[0]


def _library_at(path: Path) -> str | None:
    """The library in whose installation a file is."""
    for library in LIBRARIES:
        spec = find_spec(library)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            if Path(location).resolve() in path.resolve().parents:
                return library
    return None


def _split(source: str) -> tuple[str | None, str]:
    """Split a name into library and the rest, without ``configs/`` and the suffix."""
    library, colon, name = source.partition(':')
    if not colon:
        library, name = '', source
    elif library not in LIBRARIES:
        near = difflib.get_close_matches(library, LIBRARIES, n=1, cutoff=0.75)
        hint = f'did you mean {near[0]}:{name.lstrip(":")}?' if near else f'give mmdet or mmseg, as in {EXAMPLE}'
        raise UserError(f'{source}: configs of {library!r} are not known: {hint}')
    return library or None, name.lstrip(':').removeprefix('configs/').removesuffix('.py').rstrip('/')


def _all_configs(library: str | None) -> dict[str, Path]:
    """The configs of one library, or of those that are installed."""
    found, absent = {}, None
    for one in [library] if library else LIBRARIES:
        try:
            found.update({f'{one}:{name}': file for name, file in shipped_configs(one).items()})
        except UserError as error:
            absent = error
    if absent is not None and not found:
        raise absent
    return found


def _is_named(config: str, name: str) -> bool:
    path = config.partition(':')[2].removesuffix('.py')
    return path == name or path.rpartition('/')[2] == name


def _absent(source: str, library: str | None, name: str, configs: dict[str, Path]) -> str:
    """Say what is near a name that no config has."""
    members = [config for config in configs if family_of(config).endswith(f':{name}')]
    if members:
        return (
            f'{source} is a family of configs, such as {members[0]}: give one of them; '
            f'`convnext-dense adapt --list {source}` shows all'
        )
    family, _, stem = name.rpartition('/')
    families = {family_of(config).partition(':')[2]: family_of(config) for config in configs}
    searched = [config for config in configs if family_of(config) == families.get(family)] or configs
    stems = {Path(config).stem: config for config in searched}
    near = [stems[one] for one in difflib.get_close_matches(stem, stems, n=2)]
    if family not in families:
        near += [families[one] for one in difflib.get_close_matches(family or stem, families, n=2)]
    hint = f'did you mean {" or ".join(near)}?' if near else f'{LIST} shows all'
    where = f'{library} ships' if library else 'there is no such file, and mmdet and mmseg ship'
    what = f'no family {family!r}' if family and family not in families else 'none of this name'
    return f'no config {source}: {where} {what}: {hint}'
