"""A folder for results that does not stay where nothing could be made."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ..errors import UserError
from .files import ensure_writable_folder


class NewFolder:
    """A folder that is created where it is missing, and removed again if bad input is found in its context.

        with NewFolder('work_dirs/run'):
            ...  # a UserError leaves neither work_dirs/run nor an empty work_dirs behind, if they were not there

    Args:
        folder, name, option: see :func:`~convnext_dense.io.files.ensure_writable_folder`.
        results: pattern of the files in it, such as ``'**/*.pth'``, with one of which it is kept.

    Raises:
        UserError: if files can't be written there.
    """

    def __init__(
        self, folder: str | Path, name: str = 'work dir', option: str = '--work-dir', results: str = ''
    ) -> None:
        self.folder, self.results = Path(folder), results
        self._made = [one for one in (self.folder, *self.folder.parents) if not one.exists()]
        ensure_writable_folder(folder, name, option)

    def __enter__(self) -> NewFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, UserError):
            self.discard()

    def discard(self) -> None:
        """Remove the folder with all that is in it, and its empty parents, if they are new and without results."""
        if self.results and any(self.folder.glob(self.results)):
            return
        if self._made:
            shutil.rmtree(self.folder, ignore_errors=True)
        for folder in self._made:
            with suppress(OSError):  # of a parent that others use by now
                folder.rmdir()
        self._made = []
