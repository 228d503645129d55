"""Disk space for checkpoints: a check before the run starts, and a clear error when the disk is full."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError

NO_SPACE_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def tensor_bytes(content: Any) -> int:
    """Return the total size in bytes of all tensors in nested containers."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        content = list(content.values())
    return sum(map(tensor_bytes, content)) if isinstance(content, list | tuple) else 0


def format_bytes(size: float) -> str:
    """Format a number of bytes with a unit and 4 digits, such as ``2.346 MB``."""
    for unit in ('bytes', 'kB', 'MB', 'GB'):
        if size < 1000:
            return f'{size:.4g} {unit}'
        size /= 1000
    return f'{size:.4g} TB'


def check_space(work_dir: str, size: int, present: int, keep: int) -> str | None:
    """Check that the disk can hold two checkpoints: the newest, and the next one while it is written.

    Args:
        work_dir: folder of the checkpoints.
        size: size of one checkpoint in bytes.
        present: number of checkpoints of this size that are already in the work dir.
        keep: number of checkpoints that the run will keep.

    Returns:
        A warning if the disk can hold two, but not ``keep`` plus one that is being written; otherwise None.

    Raises:
        UserError: if the disk can't hold two.
    """
    free = shutil.disk_usage(work_dir).free
    free_space = f'the disk of work dir {work_dir} has {format_bytes(free)} free'
    if free < size * max(1, 2 - present):
        raise UserError(
            f'{free_space}, and one checkpoint takes {format_bytes(size)}: there must be room for two, since the old '
            'one is kept until the new one is complete; free some space, or choose another disk with --work-dir'
        )
    if free < size * max(1, keep + 1 - present):
        return (
            f'{free_space}, one checkpoint takes {format_bytes(size)}, and the run keeps {keep} and writes the next '
            'before it deletes one: keep fewer with --cfg-options default_hooks.checkpoint.keep=N'
        )
    return None


@contextmanager
def explain_full_disk(folder: str | Path) -> Iterator[None]:
    """Context that converts the error of a full disk to a UserError of one line.

    Args:
        folder: folder that is written to, for the message if the error names no file.

    Raises:
        UserError: instead of the OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE_ERRNOS:
            raise full_disk_error(error, error.filename or folder) from error
        raise


def full_disk_error(error: OSError, path: str | Path, needed: int | None = None) -> UserError:
    """Return the error for a full disk, with the needed and the free space.

    Args:
        error: the OSError.
        path: the file that was being written.
        needed: size of the whole file in bytes, if known.
    """
    try:
        free = format_bytes(shutil.disk_usage(Path(path).parent).free)
    except OSError:
        free = 'an unknown number of bytes'
    wanted = f'{format_bytes(needed)} were needed and {free} are free' if needed else f'{free} are free'
    return UserError(
        f'{path} cannot be written ({error.strerror}): {wanted}; all earlier checkpoints are intact: '
        'free some space and continue with --resume'
    )
