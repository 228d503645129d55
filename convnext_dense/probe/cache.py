"""Features of image files on disk, which are computed once.

A folder has the features of one network with one preprocessing: ``features.f32``, one row of C little-endian float32
values for each image, and ``files.jsonl``, in which line i has the file of row i and a checksum of the row. Both only
grow, so that a run that was cut off has lost nothing that it had written. A row counts if its line is complete and its
checksum right; an image whose file has changed since gets a new row.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..io.files import atomic_write, write_errors

FEATURES, FILES, IDENTITY = 'features.f32', 'files.jsonl', 'identity.json'
DTYPE = np.dtype('<f4')
GATHERED = 65_536
"""Rows that are copied at a time."""


class FileState(NamedTuple):
    """An image file as it was at some time; another size or time is another content."""

    path: str
    """Absolute path."""
    size: int
    """Bytes; -1 for a file that is not there."""
    modified: int
    """Time of the last change of the content, in ns."""
    changed: int
    """Time of the last change of the file, in ns, which no program can set back."""


def file_state(path: str) -> FileState:
    """Return the present state of a file."""
    path = os.path.abspath(path)
    try:
        state = os.stat(path)
    except OSError:
        return FileState(path, -1, 0, 0)
    return FileState(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


class FeatureCache:
    """Features of image files, on disk.

    Args:
        folder: folder that has a folder for each identity.
        identity: all that decides the features but the images; JSON.
        width: C, the number of values of a feature.

    Raises:
        UserError: if the folder can't be written.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any], width: int) -> None:
        text = json.dumps(identity, indent=1, sort_keys=True)
        self.folder = Path(folder, hashlib.sha256(text.encode()).hexdigest()[:16])
        self.width = width
        self._rows: dict[FileState, int] = {}
        with write_errors(self.folder, '--work-dir'):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / IDENTITY).exists():
                with atomic_write(self.folder / IDENTITY) as file:
                    file.write_text(text + '\n')
            self._open()

    def __contains__(self, file: FileState) -> bool:
        return file in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, files: Sequence[FileState], features: np.ndarray) -> None:
        """Append features of images.

        Args:
            files: N states of the files, from before they were read.
            features: (N, C).

        Raises:
            UserError: if the disk is full.
        """
        rows = np.ascontiguousarray(features, DTYPE)
        assert rows.shape == (len(files), self.width)
        lines = [json.dumps([*file, zlib.crc32(row)]) + '\n' for file, row in zip(files, rows, strict=True)]
        with write_errors(self.folder, '--work-dir'):
            for name, content in ((FEATURES, rows.tobytes()), (FILES, ''.join(lines).encode())):
                with open(self.folder / name, 'ab') as file:
                    file.write(content)
        self._rows.update(zip(files, range(self._count, self._count + len(files)), strict=True))
        self._count += len(files)

    def features(self, files: Sequence[FileState]) -> np.ndarray:
        """Return the features of images.

        Args:
            files: N states of files that are all in the cache.

        Returns:
            float32 (N, C), mapped from the disk: memory is used only for what is read of it.
        """
        rows = np.array([self._rows[file] for file in files], np.int64)
        if not len(rows):
            return np.empty((0, self.width), DTYPE)
        stored = self._mapped()
        if (rows == np.arange(rows[0], rows[0] + len(rows))).all():
            return stored[rows[0] : rows[0] + len(rows)]
        with write_errors(self.folder, '--work-dir'), tempfile.TemporaryFile(dir=self.folder) as file:
            gathered = np.memmap(file, DTYPE, 'w+', shape=(len(rows), self.width))
            for start in range(0, len(rows), GATHERED):
                gathered[start : start + GATHERED] = stored[rows[start : start + GATHERED]]
        return gathered

    def _open(self) -> None:
        """Find the complete rows, and cut off what comes after them."""
        lines, end = _complete_lines(self.folder / FILES)
        data = self.folder / FEATURES
        whole = data.stat().st_size // (DTYPE.itemsize * self.width) if data.exists() else 0
        self._count = min(len(lines), whole)
        for name, size in ((FILES, end[self._count]), (FEATURES, self._count * DTYPE.itemsize * self.width)):
            with open(self.folder / name, 'ab') as file:
                file.truncate(size)
        if self._count:
            for row, ((*state, checksum), values) in enumerate(zip(lines, self._mapped(), strict=False)):
                if zlib.crc32(values.tobytes()) == checksum:
                    self._rows[FileState(*state)] = row

    def _mapped(self) -> np.ndarray:
        return np.memmap(self.folder / FEATURES, DTYPE, 'r', shape=(self._count, self.width))


def _complete_lines(file: Path) -> tuple[list[list[Any]], list[int]]:
    """Read the complete lines at the beginning of a file, and the number of bytes up to each, from 0 on."""
    lines: list[list[Any]] = []
    ends = [0]
    if file.exists():
        with open(file, 'rb') as content:
            for line in content:
                try:
                    entry = json.loads(line) if line.endswith(b'\n') else None
                except ValueError:
                    break
                if not isinstance(entry, list) or len(entry) != len(FileState._fields) + 1:
                    break
                lines.append(entry)
                ends.append(ends[-1] + len(line))
    return lines, ends
