"""Room for checkpoints: before the run starts, and when the disk is full after all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import UserError

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def bytes_of(content: Any) -> int:
    """The bytes of all tensors in nested containers."""
    if isinstance(content, torch.Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        content = list(content.values())
    return sum(map(bytes_of, content)) if isinstance(content, list | tuple) else 0


def readable(size: float) -> str:
    for unit in ('bytes', 'kB', 'MB', 'GB'):
        if size < 1000:
            return f'{size:.4g} {unit}'
        size /= 1000
    return f'{size:.4g} TB'


def check_room(work_dir: str, size: int, present: int, keep: int) -> str | None:
    """Whether the disk can hold two checkpoints: the newest, and the next while it is written.

    Args:
        size: bytes of one.
        present: how many of this size the work dir holds already.
        keep: how many the run will keep.

    Returns:
        A warning where it can hold two, but not all that the run will keep and one more in the making.

    Raises:
        UserError: if it can't hold two.
    """
    free = shutil.disk_usage(work_dir).free
    has = f'the disk of work dir {work_dir} has {readable(free)} free'
    if free < size * max(1, 2 - present):
        raise UserError(
            f'{has}, and one checkpoint takes {readable(size)}: there must be room for two, since the old one stays '
            'until the new one is whole; make room, or choose another with --work-dir'
        )
    if free < size * max(1, keep + 1 - present):
        return (
            f'{has}, one checkpoint takes {readable(size)}, and the run keeps {keep} and writes the next before it '
            'deletes one: keep fewer with --cfg-options default_hooks.checkpoint.keep=N'
        )
    return None


@contextmanager
def explaining_no_space(folder: str | Path) -> Iterator[None]:
    """Turn the error of a disk that is full into one line.

    Args:
        folder: where the block writes; named if the error names no file.

    Raises:
        UserError: instead of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise no_space(error, error.filename or folder) from error
        raise


def no_space(error: OSError, path: str | Path, needed: int | None = None) -> UserError:
    """What to say when the disk is full: what was needed, what there is, and that nothing is lost."""
    try:
        free = readable(shutil.disk_usage(Path(path).parent).free)
    except OSError:
        free = 'an unknown number of bytes'
    wanted = f'{readable(needed)} were needed and {free} are free' if needed else f'{free} are free'
    return UserError(
        f'{path} cannot be written ({error.strerror}): {wanted}; every earlier checkpoint is as it was: '
        'make room and go on with --resume'
    )
