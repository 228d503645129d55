"""Read checkpoint files without running code that they contain; :func:`read_checkpoint` is the only reader."""

from __future__ import annotations

import json
import pickle
import re
import sys
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..errors import UserError
from .file_kind import SHARD_LIST, START, checked_kind

# Objects that training scripts store with the weights: mmengine its logs, the official scripts and timm's their
# arguments. They are read as IgnoredObject, which holds nothing and does nothing.
IGNORED_OBJECTS = (
    'mmengine.logging.history_buffer.HistoryBuffer',
    'argparse.Namespace',
    'pathlib.PosixPath',
    'builtins.getattr',
    *(f'numpy.{core}.multiarray.{name}' for core in ('core', '_core') for name in ('_reconstruct', 'scalar')),
    *('numpy.ndarray', 'numpy.dtype'),
)

SHARD = re.compile(r'(.+)-\d{5}-of-(?!00001)\d{5}(\.\w+)')


class IgnoredObject:
    """Placeholder for an object of :data:`IGNORED_OBJECTS` when a checkpoint is read."""

    def __new__(cls, *args: object) -> IgnoredObject:
        return super().__new__(cls)

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_checkpoint(path: str | Path, trust_pickle: bool = False, mapped: bool = False) -> dict:
    """Read a checkpoint file onto the CPU, with tensors and plain values only.

    Args:
        path: file written by torch.save or safetensors, or the list of the files that weights are split into.
        trust_pickle: unpickle Python objects if the file can't be read otherwise, which may run any code; a warning is
            printed to standard error before.
        mapped: map the tensors into memory where the file allows it, rather than reading them all, for a look at the
            rest of the file.

    Raises:
        UserError: if the file is missing, empty, truncated, not a checkpoint, or holds Python objects and is not
            trusted.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f'no checkpoint at {path}: check the path')
    if path.is_dir():
        raise UserError(f'{path} is a folder: name the checkpoint file in it')
    if path.name.endswith(SHARD_LIST):
        shards = [path.with_name(name) for name in read_shard_list(path)]
        return {name: tensor for shard in shards for name, tensor in _read_file(shard, trust_pickle, mapped).items()}
    if shard := SHARD.fullmatch(path.name):
        raise UserError(f'{path} is one of several files of a model: take {"".join(shard.groups())}{SHARD_LIST}')
    return _read_file(path, trust_pickle, mapped)


def read_shard_list(path: Path) -> list[str]:
    """Read the names of the files, beside this one, that weights are split into.

    Raises:
        UserError: if it is no such list.
    """
    try:
        names = sorted(set(json.loads(path.read_text())['weight_map'].values()))
        if all(name == Path(name).name for name in names):
            return names
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UserError(f'{path} is not a list of the files of a model: take the weights themselves')


def _read_file(path: Path, trust_pickle: bool, mapped: bool) -> dict:
    try:
        with open(path, 'rb') as file:
            start = file.read(START)
    except FileNotFoundError:
        raise UserError(f'no {path.name} in {path.parent}, which has only a part of its model: add the file') from None
    except OSError as error:
        raise UserError(f'checkpoint {path} cannot be read ({error.strerror})') from None
    kind = checked_kind(path, start)
    content = _read_safetensors(path) if kind == 'safetensors' else _read_pickle(path, kind, trust_pickle, mapped)
    if not isinstance(content, dict):
        raise UserError(f'{path} is not a checkpoint: it holds a {type(content).__name__}, not a dict of weights')
    return content


def _read_safetensors(path: Path) -> dict:
    try:
        return load_file(path)
    except SafetensorError:
        raise _damaged(path) from None


def _read_pickle(path: Path, kind: str, trust: bool, mapped: bool = False) -> object:
    """Read a file of torch.save with ``weights_only``, or if that fails and the file is trusted, with pickle."""
    if kind == 'zip' and not zipfile.is_zipfile(path):  # its table of contents is at the end
        raise _damaged(path)
    try:
        with torch.serialization.safe_globals([(IgnoredObject, name) for name in IGNORED_OBJECTS]):
            return torch.load(path, map_location='cpu', weights_only=True, mmap=mapped and kind == 'zip')
    except pickle.UnpicklingError as error:
        refused = _refused_object(path, str(error))
        if refused is None:
            raise _damaged(path) from None
        if not trust:
            raise UserError(
                f'checkpoint {path} holds Python objects ({refused}), which could run code when loaded: take one with '
                'tensors and plain values only, or, if you trust its source, add --trust-pickle'
            ) from None
    except Exception:  # a damaged file can make the reader fail in any way
        raise _damaged(path) from None
    print(
        f'warning: --trust-pickle: reading {path} may run any code that it contains, with all your permissions',
        file=sys.stderr,
    )
    try:
        return torch.load(path, map_location='cpu', weights_only=False)
    except Exception as error:  # the objects' code may fail in any way
        raise UserError(f'checkpoint {path} cannot be unpickled ({type(error).__name__}: {error})') from error


def _refused_object(path: Path, message: str) -> str | None:
    """Return the name of the object that ``weights_only`` refused, or None if the file is not a pickle."""
    match = re.search(r'(?:GLOBAL|unrecognized function|create new object for .* but got) (\S+)', message)
    if match:
        return match[1]
    with open(path, 'rb') as file:
        protocol = file.read(2)[1:]
    return 'of a pickle' if b'\x03' <= protocol <= b'\x05' else None  # torch.save's own bare pickles have 2


def _damaged(path: Path) -> UserError:
    return UserError(f'checkpoint {path} is truncated or damaged: copy or download it again')
