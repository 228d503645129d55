"""Archives, which hold a data set that is not unpacked yet."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from ..errors import UserError


def check_unpacked(root: str | Path) -> None:
    """Check that the path of a data set is not that of an archive.

    Raises:
        UserError: if it is a zip or tar file.
    """
    path = Path(root)
    if not path.is_file():
        return
    kind = 'zip' if zipfile.is_zipfile(path) else 'tar' if tarfile.is_tarfile(path) else None
    if kind is not None:
        raise UserError(f'{root} is a {kind} file: unpack it first, then give the folder')
