"""A label map that is written block by block, goes on after an interruption, and ends as a tiled TIFF."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import UserError
from ..io.files import durable_write
from ..io.georeference import TiffTag
from ..io.image_size import ImageSize
from ..io.tiff_file import import_tifffile, write_tiff
from ..io.window import Window
from .blocks import Block, BlockGrid, Position, label_dtype


class LabelFile:
    """A label map on disk, filled block by block; a context.

    Until :meth:`finish`, the labels are in ``PATH.part``, uncompressed, and ``PATH.progress.json`` says how far they
    go and what they are of. Both are on the disk before :meth:`write` returns. If they are there already, the context
    goes on with them from :attr:`next`; one that ends without a block leaves none. The whole room of the part file is
    taken at the start. (It is written rather than mapped to memory: a process that fills the disk through a mapping is
    killed, without a word.)

    Args:
        path: the TIFF file to write.
        grid: the blocks.
        fingerprint: what else the labels depend on, such as ``{'image': ..., 'checkpoint': ...}``: values that JSON
            holds, by the names that an error shows.
        first_label: the number of the first class in the file.

    Attributes:
        next: lane and row of the first block that is not kept.

    Raises:
        UserError: if what is there is of other settings, is damaged, or is being written by another process; if there
            is no room, or the tifffile package is missing.
    """

    def __init__(
        self, path: str | Path, grid: BlockGrid, fingerprint: Mapping[str, object], first_label: int = 0
    ) -> None:
        self.path, self.grid, self.first_label = Path(path), grid, first_label
        self.dtype = label_dtype(grid.classes + first_label)
        self.part, self.progress = (Path(f'{path}{end}') for end in ('.part', '.progress.json'))
        self.next = Position(0, 0)
        lanes = [lane.start for lane in grid.lanes]  # first columns of tiles
        tile, step = ImageSize(grid.y.tile, grid.x.tile), ImageSize(grid.y.step, grid.x.step)
        of_grid: dict[str, object] = {
            'image size': str(grid.size),
            'tile size': str(tile),
            'distance of tiles': str(step),
        }
        of_grid |= {'lanes': lanes, 'classes': grid.classes, 'first label': first_label}
        self.fingerprint = json.loads(json.dumps({**of_grid, **fingerprint}))
        self.bytes = grid.size.height * grid.size.width * self.dtype.itemsize
        self._file: IO[bytes] | None = None

    def __enter__(self) -> LabelFile:
        from filelock import FileLock, Timeout  # commands start without it

        import_tifffile()  # missing it should not be found out at the end
        with self._kept_on_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(f'{self.part}.lock')
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                raise UserError(f'{self.part} is being written by another process: wait for it') from None
            except NotImplementedError:  # a file system without locks
                pass
        try:
            if self.progress.exists():
                self._resume()
            elif self._is_finished():
                self.next = Position(len(self.grid.lanes), 0)
                self._remove()  # the part file, if the process was killed before that
                return self
            else:
                self._create()
            self._file = open(self.part, 'r+b', buffering=0)
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
            if not self.done:
                self._remove()
        self._unlock()

    @property
    def is_finished(self) -> bool:
        """Whether the file is there, so that :meth:`finish` has nothing to do."""
        return self._file is None

    @property
    def done(self) -> int:
        """Number of blocks that are kept."""
        return self.grid.done(self.next)

    def write(self, block: Block) -> None:
        """Keep a block, the first that is not kept.

        Raises:
            UserError: if the disk is full, or fails otherwise; earlier blocks are kept.
        """
        if block.window != self.grid.window(self.next):
            raise ValueError(f'{block.window} is not the window of the next block, {self.grid.window(self.next)}')
        labels = np.ascontiguousarray(block.labels, self.dtype) + self.dtype.type(self.first_label)
        window, size = block.window, self.dtype.itemsize
        with self._kept_on_errors():
            if window.width == self.grid.size.width:
                self._write_at(window.top * window.width * size, labels)
            else:
                for row, values in enumerate(labels, window.top):
                    self._write_at((row * self.grid.size.width + window.left) * size, values)
            os.fsync(self._opened.fileno())
            self._save_progress(block.next)

    def finish(self, tags: Sequence[TiffTag] = ()) -> Path:
        """Write the TIFF file, tiled and compressed (Deflate), and remove the part file; return its path.

        Memory holds a row of the file's tiles. The fingerprint is in its ``ImageDescription``.

        Args:
            tags: further tags, such as those of a georeference, which make it a GeoTIFF.

        Raises:
            UserError: if the disk is full, or fails otherwise; all blocks are kept.
        """
        if self.done < self.grid.count:
            raise ValueError(f'{self.done} of {self.grid.count} blocks are written')
        if not self.is_finished:
            with self._kept_on_errors():
                write_tiff(self.path, self._read, self.grid.size, self.dtype, tags, description=self._description)
            self._remove()
        return self.path

    @property
    def _description(self) -> str:
        return json.dumps({'label map of': self.fingerprint})

    def _is_finished(self) -> bool:
        """Tell by its description whether the file is there already, of the same."""
        tifffile = import_tifffile()
        try:
            with tifffile.TiffFile(self.path) as tiff:
                return bool(tiff.pages[0].description == self._description)
        except (OSError, ValueError, KeyError, struct.error):  # there is none, or another program's
            return False

    def _read(self, window: Window) -> np.ndarray:
        """Read some rows of the part file."""
        start = window.top * window.width * self.dtype.itemsize
        return np.fromfile(self.part, self.dtype, window.height * window.width, offset=start).reshape(window.size)

    def _create(self) -> None:
        free = shutil.disk_usage(self.part.parent).free
        try:
            with open(self.part, 'wb') as file:
                if hasattr(os, 'posix_fallocate'):  # not on macOS
                    os.posix_fallocate(file.fileno(), 0, self.bytes)
                file.truncate(self.bytes)
            self._save_progress(self.next)
        except OSError as error:
            self.part.unlink(missing_ok=True)
            raise UserError(
                f'{self.part} cannot be written ({error.strerror or error}): it takes {self.bytes / 1e6:,.0f} MB, and '
                f'{free / 1e6:,.0f} MB were free; free some space, or choose another place'
            ) from None

    def _resume(self) -> None:
        try:
            kept = json.loads(self.progress.read_text())
            self.next, there = Position(*map(int, kept['next'])), dict(kept['fingerprint'])
            size = self.part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(f'cannot be read ({error})') from None
        if there != self.fingerprint and self.next == (0, 0):  # nothing is lost
            return self._create()
        if there != self.fingerprint:
            keys = [key for key in {**there, **self.fingerprint} if there.get(key) != self.fingerprint.get(key)]
            changes = '; '.join(f'{key}: {there.get(key)}, now {self.fingerprint.get(key)}' for key in keys)
            raise UserError(
                f'{self.progress} is of a prediction with other settings ({changes}): '
                f'take those to go on, or delete it and {self.part.name} to start over'
            )
        if size != self.bytes or not 0 <= self.done <= self.grid.count:
            raise self._damaged(f'does not fit {self.part.name}, which has {size} of {self.bytes} bytes')

    def _remove(self) -> None:
        """Remove the part file; first what names it, without which it is nothing."""
        self.progress.unlink(missing_ok=True)
        self.part.unlink(missing_ok=True)

    def _damaged(self, what: str) -> UserError:
        return UserError(f'{self.progress} {what}: delete it and {self.part.name} to start over')

    def _save_progress(self, position: Position) -> None:
        with durable_write(self.progress) as temporary:
            temporary.write_text(json.dumps({'next': position, 'fingerprint': self.fingerprint}))
        self.next = position

    def _write_at(self, start: int, values: np.ndarray) -> None:
        self._opened.seek(start)
        rest = memoryview(values.tobytes())
        while rest:  # unbuffered files may write a part
            rest = rest[self._opened.write(rest) :]

    @property
    def _opened(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError(f'{self.path} is finished')
        return self._file

    @contextmanager
    def _kept_on_errors(self) -> Iterator[None]:
        """Context that turns errors of the disk into a UserError that says what is kept, and how to go on."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f'{self.path} cannot be written ({error.strerror or error}): {self.done} of {self.grid.count} blocks '
                f'are kept in {self.part.name}; free some space and run the same command again to go on'
            ) from None

    def _unlock(self) -> None:
        self._lock.release()
        with suppress(OSError):
            os.unlink(self._lock.lock_file)
