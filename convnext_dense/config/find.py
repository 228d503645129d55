"""Find a config file by its path or among the packaged configs. Imports neither torch nor mmengine."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..checkpoints import manifest
from ..errors import UserError

PACKAGE = Path(__file__).parents[1]


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
