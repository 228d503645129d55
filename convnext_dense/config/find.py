"""Find a config file by its path or among the packaged configs. Imports neither torch nor mmengine."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from ..checkpoints import manifest
from ..errors import UserError

PACKAGE = Path(__file__).parents[1]
PREFIX = 'convnext_dense::'
"""Begins the name of a packaged config in ``_base_`` or ``sample_settings``: ``convnext_dense::_base_/runtime.py``."""


def packaged_configs() -> dict[str, Path]:
    """Return the files of the packaged configs by name, such as ``configs/classification/convnext_t.py``.

    The files in ``configs/_base_/``, from which configs inherit, are not included.
    """
    folder = _packaged_folder()
    files = sorted(folder.glob('[!_]*/*.py'))
    return {Path('configs', file.relative_to(folder)).as_posix(): file for file in files}


def find_config(path: str) -> Path:
    """Return the config file at ``path``, or else the packaged config of that name, with or without ``configs/``.

    Raises:
        UserError: if there is none; the message suggests similar names.
    """
    for candidate in (Path(path), packaged_path(path)):
        if candidate.is_file():
            return candidate
    if Path(path).is_dir():
        own = sorted(Path(path).glob('*.py'), key=lambda file: file.stat().st_mtime)
        hint = f'give the one in it, {own[-1]}' if own else 'give one of the files that `convnext-dense list` shows'
        raise UserError(f'{path} is a folder, and not a config: {hint}')
    near = near_configs(path)
    hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense list` shows the packaged ones'
    raise UserError(f'no config at {path}: {hint}')


def near_configs(name: str) -> list[str]:
    """Return up to 3 packaged configs with a similar name, with or without folder and suffix, most similar first."""
    configs = packaged_configs()
    by_stem: dict[str, str] = {Path(config).stem: config for config in configs}
    stem = Path(name).stem
    if stem in by_stem:
        return [by_stem[stem]]
    near = difflib.get_close_matches(name, configs, n=3, cutoff=0.8)
    near += [by_stem[match] for match in difflib.get_close_matches(stem, by_stem, n=3)]
    return list(dict.fromkeys(near))[:3]


def packaged_path(path: str) -> Path:
    """Return the path that a file of this name has among the packaged configs; it may not exist."""
    return _packaged_folder() / path.removeprefix('configs/')


def find_base(name: str, config: str | Path) -> Path | None:
    """Return the packaged file that a config names with :data:`PREFIX`; None for another name.

    Args:
        name: what the config names.
        config: the config, for the error.

    Raises:
        UserError: if there is no such file; the message suggests similar ones.
    """
    if not name.startswith(PREFIX):
        return None
    wanted = name.removeprefix(PREFIX)
    if packaged_path(wanted).is_file():
        return packaged_path(wanted)
    folder = _packaged_folder()
    known = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob('*.py'))]
    near = [one for one in known if Path(one).stem == Path(wanted).stem] or difflib.get_close_matches(wanted, known)
    names = ' or '.join(f'{PREFIX}{one}' for one in near[:2])
    hint = f'did you mean {names}?' if near else f'give a path in configs/ after {PREFIX}'
    raise UserError(f'config {config}{_line_of(name, config)}: no packaged config is named {name}: {hint}')


def _line_of(text: str, config: str | Path) -> str:
    lines = Path(config).read_text(encoding='utf-8').splitlines()
    number = next((number for number, line in enumerate(lines, 1) if text in line), None)
    return '' if number is None else f' line {number}'


def fits(pattern: str, texts: Iterable[str]) -> bool:
    """Whether one of several texts has a pattern as a part, or fits it as a glob, whatever the case of letters."""
    wanted, lowered = pattern.lower(), [text.lower() for text in texts]
    if any(sign in wanted for sign in '*?['):
        return any(fnmatchcase(text, wanted) for text in lowered)
    return any(wanted in text for text in lowered)


def find_work_dir(checkpoint: str | Path) -> Path | None:
    """Find the work dir of a checkpoint's run: its folder, if the run's config is saved there.

    Args:
        checkpoint: a work dir, or a checkpoint in one.

    Returns:
        The work dir, or None if the folder has no saved config, or ``checkpoint`` is a URL or a name.
    """
    path = Path(checkpoint)
    folder = path if path.is_dir() else path.parent
    return folder if path.exists() and _saved_configs(folder) else None


def find_run_config(checkpoint: str | Path) -> Path:
    """Return the config that a run saved in its work dir, with all its settings and the path of its data.

    Args:
        checkpoint: a work dir, or a checkpoint in one.

    Raises:
        UserError: if there is none.
    """
    work_dir = find_work_dir(checkpoint)
    if work_dir is None:
        if not Path(checkpoint).exists():
            raise UserError(f'no run at {checkpoint}: check the path')
        folder = Path(checkpoint)
        configs = sorted(file.name for file in folder.glob('*.py')) if folder.is_dir() else []
        if configs:
            raise UserError(
                f'{checkpoint} has no checkpoint yet, only a config, {configs[-1]}: train it first, up to a '
                'checkpoint, or give CONFIG and a checkpoint'
            )
        raise UserError(f'{checkpoint} is not from the work dir of a run, which has a config: give CONFIG before it')
    return _saved_configs(work_dir)[-1]


def _saved_configs(folder: Path) -> list[Path]:
    """List the config files in a folder with a run's checkpoints, and so their manifest, newest last."""
    if not (folder / manifest.FILE_NAME).is_file():
        return []
    return sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)


def _packaged_folder() -> Path:
    """Return the folder ``configs/``: inside an installed package, next to the package in a checkout."""
    return PACKAGE / 'configs' if (PACKAGE / 'configs').is_dir() else PACKAGE.parent / 'configs'
