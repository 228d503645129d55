"""Checkpoint files: names, atomic writing, and finding the newest intact one."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch

from ..errors import UserError
from ..io.files import durable_write
from ..weights.adapter_folder import TENSORS as ADAPTER
from ..weights.fetch import fetch_weights
from . import disk, manifest
from .content import Checkpoint

FILE_PATTERN = re.compile(r'epoch_(\d+)(?:_iter_(\d+))?\.pth|iter_(\d+)\.pth')
BEST = 'best.pth'
PROBE = 'linear.pth'  # a frozen backbone with a fitted head, by the verb ``probe``
COMMANDS = 'commands.txt'  # file in a work dir with the command lines of its runs
POINTER = 'last_checkpoint'  # file with the newest checkpoint's path, for mmengine's tools


def write(content: Checkpoint | dict, path: str | Path) -> None:
    """Write a checkpoint atomically: to a temporary file, flushed to disk, added to the manifest, then renamed.

    Raises:
        UserError: if the disk is full; earlier files are not changed.
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
    """List the checkpoints in a work dir from which a run can resume, including damaged ones, sorted by their step."""
    return sorted((p for p in Path(work_dir).glob('*.pth') if FILE_PATTERN.fullmatch(p.name)), key=sort_key)


def refuse_training_run(work_dir: Path) -> None:
    """Refuse a folder that is the work dir of a training run.

    Raises:
        UserError: if it is one.
    """
    found = [path.name for path in list_checkpoints(work_dir)]
    found += [name for name in (BEST, COMMANDS) if (work_dir / name).exists()]
    if found:
        raise UserError(f'work dir {work_dir} holds a training run ({found[0]}): choose another with --work-dir')


def find_newest(work_dir: str | Path) -> Path:
    """Find the newest intact checkpoint in a work dir; damaged ones are logged.

    Raises:
        UserError: if there is none.
    """
    broken = []
    for path in reversed(list_checkpoints(work_dir)):
        damage = manifest.damage(path)
        if damage is None:
            return path
        broken.append(f'{path.name} ({damage})')
        logging.getLogger('mmengine').warning(f'checkpoint {path} is damaged and skipped: {damage}')
    if broken:
        raise UserError(f'no intact checkpoint in {work_dir}: {", ".join(broken)}')
    raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path')


def check_newest(path: str | Path, work_dir: str | Path) -> None:
    """Check that a checkpoint to resume is the newest intact one in the work dir.

    Raises:
        UserError: if it is not; a later ``--resume`` would choose the newer ones.
    """
    place = FILE_PATTERN.fullmatch(Path(path).name) and sort_key(Path(path))
    candidates = [p for p in list_checkpoints(work_dir) if not place or sort_key(p) > place]
    later = [p for p in candidates if manifest.damage(p) is None]
    if later:
        raise UserError(
            f'{path} is not the newest checkpoint in {work_dir}, which has {", ".join(p.name for p in later)}: '
            'move them away, or resume from a copy in another --work-dir'
        )


def find(source: str | Path) -> Path:
    """Find a checkpoint's file: the newest in a work dir, or that of a probe, or what :func:`fetch_weights` returns.

    The checkpoints of a work dir come before weights in it that are for a hub, which may be older.

    Raises:
        UserError: if there is none, or if it is damaged according to the manifest in its folder.
    """
    path = fetch_weights(source)
    folder = path if path.is_dir() else path.parent
    if folder == Path(source):
        if list_checkpoints(folder):
            return find_newest(folder)
        if (folder / PROBE).is_file():
            path = folder / PROBE
        elif path == folder:
            if not (folder / ADAPTER).is_file():
                return find_newest(folder)
            path = folder / ADAPTER  # whose reader says what to merge it with
    manifest.check(path)
    return path


def sort_key(path: Path) -> tuple[int, int]:
    """Return a key that sorts the checkpoints of a run by progress: (epoch or step, step inside the epoch)."""
    match = FILE_PATTERN.fullmatch(path.name)
    assert match
    epoch, step_inside, step = (int(group or 0) for group in match.groups())
    return epoch or step, step_inside


def is_run_file(name: str) -> bool:
    """Check whether a run writes a file of this name: a checkpoint, the pointer file or the manifest."""
    return name in (BEST, POINTER, manifest.FILE_NAME) or FILE_PATTERN.fullmatch(name) is not None


def write_pointer(path: Path) -> None:
    """Write the newest checkpoint's path to the pointer file for mmengine's tools."""
    with durable_write(path.with_name(POINTER)) as temporary:
        temporary.write_text(str(path.resolve()))
