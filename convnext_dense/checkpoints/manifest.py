"""The manifest of a work dir's checkpoints, ``checkpoints.json``, and the check of files against it.

For each file: ``sha256``, ``size`` in bytes, the ``epoch`` and optimizer ``step`` it was written after. ``best_score``
is there once the validation of that step is finished: the best score until then, or null. ``stopped_early`` is true
where a hook ended the run after that step. An entry is written before its file takes its place, with the entry of the
file that it replaces as ``before``: whenever the process is killed, the manifest knows the file.
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
from ..io.files import durable

FILE_NAME = 'checkpoints.json'

Entries = dict[str, dict[str, Any]]


class HashingFile:
    """File to write to that keeps the size and SHA-256 of the written bytes, and the error that ended the writing."""

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
        """Return the manifest's ``sha256`` and ``size`` for what was written."""
        return {'sha256': self._sha256.hexdigest(), 'size': self.size}


def read(work_dir: str | Path) -> Entries:
    """Read the entries by file name: none where there is no manifest, or one that can't be read."""
    try:
        entries = json.loads(Path(work_dir, FILE_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def add_upcoming(path: Path, entry: dict[str, Any]) -> None:
    """Add the entry of a file that is about to take its place at ``path``, beside that of the file there now."""
    entries = read(path.parent)
    if path.name in entries:
        entry = {**entry, 'before': entries[path.name]}
    _write(path.parent, {**entries, path.name: entry})


def prune(work_dir: str | Path, written: str | None = None) -> None:
    """Remove the entries of files that are gone, and that of the file which the file ``written`` has replaced."""
    entries = {name: entry for name, entry in read(work_dir).items() if Path(work_dir, name).exists()}
    entries.get(written or '', {}).pop('before', None)
    _write(work_dir, entries)


def note_validated(work_dir: str | Path, step: int, best_score: float | None) -> None:
    """Note that the validation after this step is finished."""
    _update(work_dir, step, best_score=best_score)


def note_stopped_early(work_dir: str | Path, step: int) -> None:
    """Note that a hook ended the run after this step, so that resuming it does nothing."""
    _update(work_dir, step, stopped_early=True)


def _update(work_dir: str | Path, step: int, **values: Any) -> None:
    entries = read(work_dir)
    for entry in entries.values():
        if entry.get('step') == step:
            entry.update(values)
    _write(work_dir, entries)


def _write(work_dir: str | Path, entries: Entries) -> None:
    with durable(Path(work_dir, FILE_NAME)) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + '\n')


def damage(path: str | Path) -> str | None:
    """Describe the damage of a checkpoint file, or return None: its bytes against the manifest beside it.

    A file in no manifest is checked against the CRC-32 that torch.save's archive has of each of its parts.
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
    """Refuse a damaged checkpoint; a path that is no file is left to whoever reads it.

    Raises:
        UserError: with the damage.
    """
    if Path(path).is_file() and (what := damage(path)):
        raise UserError(f'checkpoint {path} is truncated or damaged ({what}): take another one, or copy it again')


def _versions(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    if isinstance(entry.get('before'), dict):
        yield from _versions(entry['before'])


@lru_cache(maxsize=8)
def _sha256(path: Path, modified: int) -> str:
    """Return the SHA-256 of a file, cached, since a file is first chosen and then loaded."""
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
