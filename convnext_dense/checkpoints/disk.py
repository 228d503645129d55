"""Disk space for checkpoints: checked before the run starts, and explained when the disk is full after all."""

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
    """Count the bytes of all tensors in nested containers."""
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
    """Check that the disk can hold two checkpoints: the newest, and the next while it is written.

    Args:
        work_dir: where the checkpoints are written.
        size: bytes of one checkpoint.
        present: number of checkpoints of this size that the work dir holds already.
        keep: number of checkpoints that the run will keep.

    Returns:
        A warning where the disk can hold two, but not all that the run will keep and one more while it is written.

    Raises:
        UserError: if the disk can't hold two.
    """
    free = shutil.disk_usage(work_dir).free
    has = f'the disk of work dir {work_dir} has {format_bytes(free)} free'
    if free < size * max(1, 2 - present):
        raise UserError(
            f'{has}, and one checkpoint takes {format_bytes(size)}: there must be room for two, since the old one stays '
            'until the new one is complete; make room, or choose another with --work-dir'
        )
    if free < size * max(1, keep + 1 - present):
        return (
            f'{has}, one checkpoint takes {format_bytes(size)}, and the run keeps {keep} and writes the next before it '
            'deletes one: keep fewer with --cfg-options default_hooks.checkpoint.keep=N'
        )
    return None


@contextmanager
def explain_full_disk(folder: str | Path) -> Iterator[None]:
    """Turn the error of a full disk inside the block into one line.

    Args:
        folder: where the block writes; named if the error names no file.

    Raises:
        UserError: in the place of the OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE_ERRNOS:
            raise full_disk_error(error, error.filename or folder) from error
        raise


def full_disk_error(error: OSError, path: str | Path, needed: int | None = None) -> UserError:
    """Make the error for a full disk: the bytes needed, the bytes free, and that nothing is lost.

    Args:
        error: the OSError.
        path: the file that was written.
        needed: bytes of the whole file, where known.
    """
    try:
        free = format_bytes(shutil.disk_usage(Path(path).parent).free)
    except OSError:
        free = 'an unknown number of bytes'
    wanted = f'{format_bytes(needed)} were needed and {free} are free' if needed else f'{free} are free'
    return UserError(
        f'{path} cannot be written ({error.strerror}): {wanted}; every earlier checkpoint is as it was: '
        'make room and go on with --resume'
    )
