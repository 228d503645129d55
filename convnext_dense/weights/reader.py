"""Reading weights from files without running what is in them.

Every read of the project goes through :func:`read_checkpoint`.
"""

from __future__ import annotations

import pickle
import re
import sys
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import UserError

# What trainers put beside the weights: mmengine its logs, the official and timm's scripts their arguments. It is read
# as objects that hold nothing and do nothing.
BESIDE_WEIGHTS = (
    'mmengine.logging.history_buffer.HistoryBuffer',
    'argparse.Namespace',
    'pathlib.PosixPath',
    'builtins.getattr',
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
    *('numpy.ndarray', 'numpy.dtype'),
)

_trusted: set[Path] = set()


class Inert:
    """Stands for an object that is not wanted."""

    def __new__(cls, *args: object) -> Inert:
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def trust_pickle(path: str | Path) -> None:
    """Let the next read of a file unpickle objects, where it can't be read without, and say what that risks."""
    _trusted.add(Path(path).resolve())
    print(
        f'warning: --trust-pickle: reading {path} may run whatever code its maker put into it, with all your rights',
        file=sys.stderr,
    )


def file_kind(start: bytes) -> str:
    """What a file is by its first bytes, at least 16 of them: ``'zip'`` and ``'pickle'`` as torch.save writes them,
    ``'safetensors'``, ``'web page'``, ``'empty'`` or ``'unknown'``."""
    if not start:
        return 'empty'
    if start.startswith(b'PK\x03\x04'):
        return 'zip'
    if start.lstrip().lower().startswith((b'<!doctype', b'<html', b'<head', b'<?xml')):
        return 'web page'
    if start[8:9] == b'{' and int.from_bytes(start[:8], 'little') < 2**27:  # the length of its JSON header
        return 'safetensors'
    return 'pickle' if start.startswith(b'\x80') else 'unknown'


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint file onto the CPU: tensors and plain values only.

    Raises:
        UserError: if it is missing, empty, truncated, no checkpoint, or would run code when unpickled.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f'no checkpoint at {path}: check the path')
    if path.is_dir():
        raise UserError(f'{path} is a folder: name the checkpoint file in it')
    try:
        with open(path, 'rb') as file:
            start = file.read(64)
    except OSError as error:
        raise UserError(f'checkpoint {path} cannot be read ({error.strerror})') from None
    kind = file_kind(start)
    if kind == 'empty':
        raise UserError(f'checkpoint {path} is empty: its writing was cut off, take another one')
    if kind == 'web page':
        raise UserError(f'{path} is a web page and no checkpoint: its download went wrong, download it again')
    if kind == 'unknown':
        raise UserError(
            f'{path} is no checkpoint: expected a file of torch.save or safetensors, it starts with {start[:4]!r}'
        )
    content = _read_safetensors(path) if kind == 'safetensors' else _read_pickle(path, kind)
    if not isinstance(content, dict):
        raise UserError(f'{path} is no checkpoint: it holds a {type(content).__name__}, not a dict of weights')
    return content


def _read_safetensors(path: Path) -> dict:
    try:
        return load_file(path)
    except SafetensorError:
        raise _damaged(path) from None


def _read_pickle(path: Path, kind: str) -> object:
    """A file of torch.save, by torch's reader of plain values."""
    if kind == 'zip' and not zipfile.is_zipfile(path):  # the list of its contents is at its end
        raise _damaged(path)
    try:
        with torch.serialization.safe_globals([(Inert, name) for name in BESIDE_WEIGHTS]):
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = _wanted_object(path, str(error))
        if wanted is None:
            raise _damaged(path) from None
        if path.resolve() not in _trusted:
            raise UserError(
                f'checkpoint {path} holds Python objects ({wanted}), which could run code when loaded, and is not '
                'read: take one with tensors and plain values only, or, if you trust its maker, add --trust-pickle'
            ) from None
    except Exception:  # a damaged file can make the reader fail in any way
        raise _damaged(path) from None
    _trusted.discard(path.resolve())
    try:
        return torch.load(path, map_location='cpu', weights_only=False)
    except Exception as error:  # the objects' code may fail in any way
        raise UserError(f'checkpoint {path} cannot be unpickled ({type(error).__name__}: {error})') from error


def _wanted_object(path: Path, message: str) -> str | None:
    """What torch's reader of plain values stopped at, None where the file is just no pickle."""
    named = re.search(r'(?:GLOBAL|unrecognized function|create new object for .* but got) (\S+)', message)
    if named:
        return named[1]
    with open(path, 'rb') as file:
        protocol = file.read(2)[1:]
    return 'of a pickle' if b'\x03' <= protocol <= b'\x05' else None  # torch.save's own bare pickles have 2


def _damaged(path: Path) -> UserError:
    return UserError(f'checkpoint {path} is truncated or damaged: copy or download it again')
