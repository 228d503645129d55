"""What the checkpoints of a work dir must be: ``checkpoints.json``, and the files held against it.

For each file: ``sha256``, ``size`` in bytes, the ``epoch`` and optimizer ``step`` it was written after. ``best_score``
is there once the validation of that step is finished: the best score until then, or null. An entry is written before
its file takes its place, with the entry of the file that it replaces as ``before``: whenever the process is killed,
the manifest knows the file.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UserError
from ..io.files import durable_write

FILE_NAME = 'checkpoints.json'

Entries = dict[str, dict[str, Any]]


class HashingFile:
    """A file to write to that knows the size and the hash of what was written, and the error that ended it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = 0
        self.error: OSError | None = None
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error  # torch's writer may raise another in its place
            raise
        self._sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()

    def entry(self) -> dict[str, Any]:
        return {'sha256': self._sha256.hexdigest(), 'size': self.size}


def read(work_dir: str | Path) -> Entries:
    """The entries by file name; none where there is no manifest, or one that can't be read."""
    try:
        entries = json.loads(Path(work_dir, FILE_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def promise(path: Path, entry: dict[str, Any]) -> None:
    """Note what the file at ``path`` will be, beside what it is until then."""
    entries = read(path.parent)
    if path.name in entries:
        entry = {**entry, 'before': entries[path.name]}
    _write(path.parent, {**entries, path.name: entry})


def settle(work_dir: str | Path, written: str | None = None) -> None:
    """Forget the files that are gone, and what the file ``written`` was before."""
    entries = {name: entry for name, entry in read(work_dir).items() if Path(work_dir, name).exists()}
    entries.get(written or '', {}).pop('before', None)
    _write(work_dir, entries)


def note_validated(work_dir: str | Path, step: int, best_score: float | None) -> None:
    """Note that the validation after this step is finished."""
    entries = read(work_dir)
    for entry in entries.values():
        if entry.get('step') == step:
            entry['best_score'] = best_score
    _write(work_dir, entries)


def _write(work_dir: str | Path, entries: Entries) -> None:
    with durable_write(Path(work_dir, FILE_NAME)) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + '\n')


def problem(path: str | Path) -> str | None:
    """What is wrong with a checkpoint file: other bytes than the manifest beside it says, or than its own checksums.

    A file in no manifest is held against the CRC-32 that torch.save's archive has of each of its parts.
    """
    path = Path(path)
    entry = read(path.parent).get(path.name)
    if entry is None:
        return _unreadable(path)
    size = path.stat().st_size
    versions = list(_versions(entry))
    if all(size != version.get('size') for version in versions):
        return f'it has {size} bytes, and {FILE_NAME} says {entry.get("size")}'
    if _sha256(path, path.stat().st_mtime_ns) not in [version.get('sha256') for version in versions]:
        return f'its SHA-256 is not the one in {FILE_NAME}'
    return None


def check(path: str | Path) -> None:
    """Refuse a damaged checkpoint; what can't be opened at all is left to whoever reads it.

    Raises:
        UserError: with what is wrong.
    """
    if Path(path).is_file() and (what := problem(path)):
        raise UserError(f'checkpoint {path} is truncated or damaged ({what}): take another one, or copy it again')


def _versions(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    if isinstance(entry.get('before'), dict):
        yield from _versions(entry['before'])


@lru_cache(maxsize=8)
def _sha256(path: Path, modified: int) -> str:
    """Remembered, since a file is chosen first and loaded later."""
    sha256 = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def _unreadable(path: Path) -> str | None:
    try:
        with open(path, 'rb') as file:
            start = file.read(4)
        if start != b'PK\x03\x04':  # an older format, or no checkpoint: reading it will tell
            return None if start else 'it is empty'
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        return ' '.join(str(error).split()) or type(error).__name__
    return None if damaged is None else f'the checksum of its part {damaged} is another'
