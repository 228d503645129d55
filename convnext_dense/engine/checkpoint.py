"""Checkpoint files: writing them whole, finding the newest."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from ..errors import UserError

NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


def write(content: dict, path: str | Path) -> None:
    """Write beside the target, flush to disk, rename: at no moment is there half a file under ``path``."""
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def newest(work_dir: str | Path) -> Path:
    """The checkpoint in a work dir that has the most epochs or iterations behind it.

    Raises:
        UserError: if there is none.
    """
    work_dir = Path(work_dir)
    found = [(int(m[2]), p) for p in work_dir.glob('*.pth') if (m := NAME.fullmatch(p.name))]
    if not found:
        raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path, or train without --resume')
    return max(found)[1]
