"""What a file is by its first bytes: weights or something else. Imports nothing large."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UserError

# Large weights are split into files model-00001-of-00002.safetensors and so on, with a list of them whose name ends
# so (transformers' SAFE_WEIGHTS_INDEX_NAME).
SHARD_LIST = '.index.json'
START = 64
"""Bytes that are read."""


def file_kind(start: bytes) -> str:
    """Detect the kind of a file by its first bytes.

    Args:
        start: the first 16 bytes or more, or the whole file if it is shorter.

    Returns:
        ``'zip'`` or ``'pickle'`` (from torch.save), ``'safetensors'``, ``'web page'``, ``'empty'`` or ``'unknown'``.
    """
    if not start:
        return 'empty'
    if start.startswith(b'PK\x03\x04'):
        return 'zip'
    if start.lstrip().lower().startswith((b'<!doctype', b'<html', b'<head', b'<?xml')):
        return 'web page'
    if start[8:9] == b'{' and int.from_bytes(start[:8], 'little') < 2**27:  # the length of its JSON header
        return 'safetensors'
    return 'pickle' if start.startswith(b'\x80') else 'unknown'


def checked_kind(path: str | Path, start: bytes) -> str:
    """Return the kind of a checkpoint file by its first bytes.

    Args:
        path: the file, for the message.
        start: its first bytes, see :func:`file_kind`.

    Raises:
        UserError: if it is no checkpoint.
    """
    kind = file_kind(start)
    if kind == 'empty':
        raise UserError(f'checkpoint {path} is empty: writing it was interrupted, take another one')
    if kind == 'web page':
        raise UserError(f'{path} is a web page, not a checkpoint: the download failed, download it again')
    if kind == 'unknown':
        raise UserError(
            f'{path} is not a checkpoint: expected a file of torch.save or safetensors, it starts with {start[:4]!r}'
        )
    return kind


def is_foreign(path: str | Path) -> bool:
    """Tell whether a path is an ordinary file, with content, that is no file of weights; False if it can't be read."""
    start = _start_of(path)
    return bool(start) and not str(path).endswith(SHARD_LIST) and file_kind(start) in ('unknown', 'web page')


def check_not_foreign(path: str | Path) -> None:
    """Raise a UserError that says what a file is, if it is no file of weights (:func:`is_foreign`)."""
    if is_foreign(path):
        checked_kind(path, _start_of(path))


def _start_of(path: str | Path) -> bytes:
    """Return the first bytes of an ordinary file; none of anything else."""
    try:
        if os.path.isfile(path):
            with open(path, 'rb') as file:
                return file.read(START)
    except OSError:
        pass
    return b''
