"""Finding a config file, as given or among those that come with the package. Imports no torch or mmengine."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..checkpoints import manifest
from ..errors import UserError

PACKAGE = Path(__file__).parents[1]


def packaged_configs() -> dict[str, Path]:
    """The files of the configs that come with the package, by name, such as ``configs/classification/convnext_t.py``.

    The parts that configs are made of, in ``configs/_base_/``, are not among them.
    """
    folder = _packaged_folder()
    files = sorted(folder.glob('[!_]*/*.py'))
    return {Path('configs', file.relative_to(folder)).as_posix(): file for file in files}


def find_config(path: str) -> Path:
    """The config file at ``path``, or the packaged one of that name, with or without ``configs/`` before it.

    Raises:
        UserError: if there is none, with the nearest names.
    """
    for candidate in (Path(path), packaged(path)):
        if candidate.is_file():
            return candidate
    near = near_configs(path)
    hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense list` shows the packaged ones'
    raise UserError(f'no config at {path}: {hint}')


def near_configs(name: str) -> list[str]:
    """Up to 3 packaged configs whose names, with or without folder and ending, are like this one, nearest first."""
    configs = packaged_configs()
    by_stem: dict[str, str] = {Path(config).stem: config for config in configs}
    stem = Path(name).stem
    if stem in by_stem:
        return [by_stem[stem]]
    near = difflib.get_close_matches(name, configs, n=3, cutoff=0.8)
    near += [by_stem[one] for one in difflib.get_close_matches(stem, by_stem, n=3)]
    return list(dict.fromkeys(near))[:3]


def packaged(path: str) -> Path:
    """Where a file of that name would be in the packaged configs."""
    return _packaged_folder() / path.removeprefix('configs/')


def find_work_dir(checkpoint: str | Path) -> Path | None:
    """The work dir of the run that a checkpoint is of: the folder that holds it and the config that the run saved.

    Args:
        checkpoint: a work dir, or a checkpoint in one.

    Returns:
        None if there is no config in that folder, or ``checkpoint`` is no file or folder but a URL or a name.
    """
    path = Path(checkpoint)
    folder = path if path.is_dir() else path.parent
    return folder if path.exists() and _saved_configs(folder) else None


def find_run_config(checkpoint: str | Path) -> Path:
    """The config that a run saved in its work dir, with all its settings and the place of its data.

    Args:
        checkpoint: a work dir, or a checkpoint in one.

    Raises:
        UserError: if there is none.
    """
    work_dir = find_work_dir(checkpoint)
    if work_dir is None:
        if not Path(checkpoint).exists():
            raise UserError(f'no run at {checkpoint}: check the path')
        raise UserError(f'{checkpoint} is not from the work dir of a run, which has a config: give CONFIG before it')
    return _saved_configs(work_dir)[-1]


def _saved_configs(folder: Path) -> list[Path]:
    """Config files in a folder that has checkpoints of a run, and so their manifest, the newest last."""
    if not (folder / manifest.FILE_NAME).is_file():
        return []
    return sorted(folder.glob('*.py'), key=lambda file: file.stat().st_mtime)


def _packaged_folder() -> Path:
    """``configs/`` inside an installed package, beside the package in a checkout."""
    return PACKAGE / 'configs' if (PACKAGE / 'configs').is_dir() else PACKAGE.parent / 'configs'
