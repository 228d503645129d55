"""Checkpoint files: their names, writing them atomically, finding the newest one that is intact."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch

from ..errors import UserError
from ..io.files import durable_write
from ..weights.fetch import fetch_weights
from . import disk, manifest
from .content import Checkpoint

FILE_PATTERN = re.compile(r'epoch_(\d+)(?:_iter_(\d+))?\.pth|iter_(\d+)\.pth')
BEST = 'best.pth'
POINTER = 'last_checkpoint'  # mmengine's tools read the newest checkpoint's path in this file


def write(content: Checkpoint | dict, path: str | Path) -> None:
    """Write a checkpoint atomically: beside its place, flushed to disk, added to the manifest, then renamed.

    Raises:
        UserError: if the disk is full; every earlier file is as it was.
    """
    path, meta = Path(path), content.get('meta', {})
    try:
        with durable_write(path) as temporary:
            with open(temporary, 'wb') as raw:
                file = manifest.HashingFile(raw)
                try:
                    torch.save(content, file)  # type: ignore[arg-type]
                except Exception as error:
                    raise file.error or error from None
            manifest.add_upcoming(path, {**file.entry(), 'epoch': meta.get('epoch'), 'step': meta.get('iter')})
    except OSError as error:
        if error.errno in disk.NO_SPACE_ERRNOS:
            raise disk.full_disk_error(error, path, disk.tensor_bytes(content)) from error
        raise


def list_checkpoints(work_dir: str | Path) -> list[Path]:
    """List the checkpoints in a work dir that a run can continue from, damaged ones too, by their number of steps."""
    return sorted((p for p in Path(work_dir).glob('*.pth') if FILE_PATTERN.fullmatch(p.name)), key=sort_key)


def find_newest(work_dir: str | Path) -> Path:
    """Find the intact checkpoint in a work dir with the most steps; damaged ones are named in the log.

    Raises:
        UserError: if there is none.
    """
    broken = []
    for path in reversed(list_checkpoints(work_dir)):
        what = manifest.damage(path)
        if what is None:
            return path
        broken.append(f'{path.name} ({what})')
        logging.getLogger('mmengine').warning(f'checkpoint {path} is damaged and passed over: {what}')
    if broken:
        raise UserError(f'no intact checkpoint in {work_dir}: {", ".join(broken)}')
    raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path')


def check_newest(path: str | Path, work_dir: str | Path) -> None:
    """Check that a checkpoint to resume is not behind other intact ones in the work dir.

    Raises:
        UserError: if it is: ``--resume`` would later take the others for the newest.
    """
    place = FILE_PATTERN.fullmatch(Path(path).name) and sort_key(Path(path))
    candidates = [p for p in list_checkpoints(work_dir) if not place or sort_key(p) > place]
    later = [p for p in candidates if manifest.damage(p) is None]
    if later:
        raise UserError(
            f'{path} is not the newest checkpoint in {work_dir}, which has {", ".join(p.name for p in later)}: '
            'move them away, or go on from a copy in another --work-dir'
        )


def find(source: str | Path) -> Path:
    """Find the file of a checkpoint: the newest in a work dir, else the one that :func:`fetch_weights` returns.

    Raises:
        UserError: if there is none, or the manifest beside it says that it is damaged.
    """
    path = fetch_weights(source)
    if path.is_dir():
        return find_newest(path)
    manifest.check(path)
    return path


def sort_key(path: Path) -> tuple[int, int]:
    """Return numbers that order the checkpoints of a run by their steps: (epoch or step, step inside the epoch)."""
    match = FILE_PATTERN.fullmatch(path.name)
    assert match
    epoch, step_inside, step = (int(group or 0) for group in match.groups())
    return epoch or step, step_inside


def is_run_file(name: str) -> bool:
    """Tell whether a run writes a file of this name: a checkpoint, the pointer to it or the manifest."""
    return name in (BEST, POINTER, manifest.FILE_NAME) or FILE_PATTERN.fullmatch(name) is not None


def write_pointer(path: Path) -> None:
    """Write the path of the newest checkpoint into the file that mmengine's tools read."""
    with durable_write(path.with_name(POINTER)) as temporary:
        temporary.write_text(str(path.resolve()))
