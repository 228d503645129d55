"""Manifest of a work dir's checkpoints, ``checkpoints.json``, and the check of files against it.

Each file's entry has ``sha256``, ``size`` in bytes, and the ``epoch`` and optimizer ``step`` after which it was
written. When that step's validation is finished, its ``metrics`` are added, and ``best_score``, the best score so far
or null, of ``best_metric``.
``stopped_early`` is true if a hook ended the run after that step, and ``stopped_by`` says which, if it told. An entry
is written before its file is renamed into place, and keeps the entry of the replaced file as ``before``, so that the
manifest always matches the file, even if the process is killed in between.
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
    """Writable file that records the size and SHA-256 of the written bytes, and the error of a failed write."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = 0
        self.error: OSError | None = None
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error  # torch's writer may raise a different one
            raise
        self._sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()

    def entry(self) -> dict[str, Any]:
        """Return ``sha256`` and ``size`` of the written bytes for the manifest."""
        return {'sha256': self._sha256.hexdigest(), 'size': self.size}


def read(work_dir: str | Path) -> Entries:
    """Read the entries by file name; empty if there is no readable manifest."""
    try:
        entries = json.loads(Path(work_dir, FILE_NAME).read_text())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def add_upcoming(path: Path, entry: dict[str, Any]) -> None:
    """Add the entry of a file that is about to be renamed to ``path``, keeping the entry of the current file."""
    entries = read(path.parent)
    if path.name in entries:
        entry = {**entry, 'before': entries[path.name]}
    _write(path.parent, {**entries, path.name: entry})


def prune(work_dir: str | Path, written: str | None = None) -> None:
    """Remove the entries of deleted files, and the entry of the file that ``written`` has replaced."""
    entries = {name: entry for name, entry in read(work_dir).items() if Path(work_dir, name).exists()}
    entries.get(written or '', {}).pop('before', None)
    _write(work_dir, entries)


def note_validated(
    work_dir: str | Path, step: int, best_score: float | None, best_metric: str | None, metrics: dict[str, float]
) -> None:
    """Record that the validation after this step is finished, with its metrics, from which a resumed run goes on."""
    _update(work_dir, step, best_score=best_score, best_metric=best_metric, metrics=metrics)


def note_stopped_early(work_dir: str | Path, step: int, by: str = '') -> None:
    """Record that a hook ended the run after this step, so that resuming it does nothing, and the hook's name."""
    _update(work_dir, step, stopped_early=True, stopped_by=by)


def _update(work_dir: str | Path, step: int, **values: Any) -> None:
    entries = read(work_dir)
    for entry in entries.values():
        if entry.get('step') == step:
            entry.update(values)
    _write(work_dir, entries)


def _write(work_dir: str | Path, entries: Entries) -> None:
    with durable_write(Path(work_dir, FILE_NAME)) as temporary:
        temporary.write_text(json.dumps(entries, indent=1) + '\n')


def damage(path: str | Path) -> str | None:
    """Check a checkpoint file against the manifest in its folder, and describe the damage or return None.

    A file without an entry is checked by the CRC-32 checksums in torch.save's zip archive.
    """
    path = Path(path)
    entry = read(path.parent).get(path.name)
    if entry is None:
        return _archive_damage(path)
    size = path.stat().st_size
    versions = list(_versions(entry))
    if all(size != version.get('size') for version in versions):
        return f'it has {size} bytes, not {entry.get("size")} as in {FILE_NAME}'
    if _sha256(path, path.stat().st_mtime_ns) not in [version.get('sha256') for version in versions]:
        return f'its SHA-256 differs from {FILE_NAME}'
    return None


def check(path: str | Path) -> None:
    """Raise a UserError that describes the damage if a checkpoint is damaged; missing files are ignored."""
    if Path(path).is_file() and (description := damage(path)):
        raise UserError(
            f'checkpoint {path} is truncated or damaged ({description}): take another one, or copy it again'
        )


def _versions(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield entry
    if isinstance(entry.get('before'), dict):
        yield from _versions(entry['before'])


@lru_cache(maxsize=8)
def _sha256(path: Path, modified: int) -> str:
    """Return the SHA-256 of a file; cached, because a file is checked when it is chosen and again when loaded."""
    sha256 = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def _archive_damage(path: Path) -> str | None:
    try:
        with open(path, 'rb') as file:
            start = file.read(4)
        if start != b'PK\x03\x04':  # an older format, or not a checkpoint: the reader reports it
            return None if start else 'it is empty'
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile, ValueError, EOFError) as error:
        return ' '.join(str(error).split()) or type(error).__name__
    return None if damaged is None else f'the checksum of its part {damaged} is wrong'
