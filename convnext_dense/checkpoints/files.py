"""Checkpoint files: when they are written and pruned, writing them whole, finding the newest that is whole."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import torch

from ..errors import UserError
from ..io.files import durable_write
from ..weights.fetch import locate
from . import disk, manifest

NAME = re.compile(r'epoch_(\d+)(?:_iter_(\d+))?\.pth|iter_(\d+)\.pth')
BEST = 'best.pth'
POINTER = 'last_checkpoint'  # mmengine's tools read the newest checkpoint's path in it


def write(content: dict, path: str | Path) -> None:
    """Write beside the target, flush to disk, note it in the manifest, rename: there is never half a file.

    Raises:
        UserError: if the disk is full; every earlier file is as it was.
    """
    path, meta = Path(path), content.get('meta', {})
    try:
        with durable_write(path) as temporary:
            with open(temporary, 'wb') as raw:
                file = manifest.HashingFile(raw)
                try:
                    torch.save(content, file)  # type: ignore[arg-type]
                except Exception as error:
                    raise file.error or error from None
            manifest.promise(path, {**file.entry(), 'epoch': meta.get('epoch'), 'step': meta.get('iter')})
    except OSError as error:
        if error.errno in disk.NO_SPACE:
            raise disk.no_space(error, path, disk.bytes_of(content)) from error
        raise


def found(work_dir: str | Path) -> list[Path]:
    """The checkpoints in a work dir that a run can go on from, whole or not, the one with the fewest steps first."""
    return sorted((p for p in Path(work_dir).glob('*.pth') if NAME.fullmatch(p.name)), key=order)


def newest(work_dir: str | Path) -> Path:
    """The checkpoint in a work dir that has the most steps behind it, of those that are whole; the others are named.

    Raises:
        UserError: if there is none.
    """
    broken = []
    for path in reversed(found(work_dir)):
        what = manifest.problem(path)
        if what is None:
            return path
        broken.append(f'{path.name} ({what})')
        logging.getLogger('mmengine').warning(f'checkpoint {path} is damaged and passed over: {what}')
    if broken:
        raise UserError(f'no whole checkpoint in {work_dir}: {", ".join(broken)}')
    raise UserError(f'no checkpoint (epoch_N.pth) in {work_dir}: check the path, or train without --resume')


def check_newest(path: str | Path, work_dir: str | Path) -> None:
    """See that going on from a checkpoint is not going back behind others in the work dir.

    Raises:
        UserError: if whole ones there are further on: ``--resume`` would take them for the newest later.
    """
    place = NAME.fullmatch(Path(path).name) and order(Path(path))
    later = [p for p in found(work_dir) if (not place or order(p) > place) and manifest.problem(p) is None]
    if later:
        raise UserError(
            f'{path} is not the newest checkpoint in {work_dir}, which has {", ".join(p.name for p in later)}: '
            'move them away, or go on from a copy in another --work-dir'
        )


def find(source: str | Path) -> Path:
    """The file of a checkpoint: the newest in a work dir, else what :func:`~..models.fetch.locate` finds.

    Raises:
        UserError: if there is none, or the manifest beside it says that it is damaged.
    """
    path = locate(source)
    if path.is_dir():
        return newest(path)
    manifest.check(path)
    return path


def order(path: Path) -> tuple[int, int]:
    match = NAME.fullmatch(path.name)
    assert match
    epoch, step_inside, step = (int(group or 0) for group in match.groups())
    return epoch or step, step_inside


def is_ours(name: str) -> bool:
    return name in (BEST, POINTER, manifest.FILE_NAME) or NAME.fullmatch(name) is not None


def point_to(path: Path) -> None:
    with durable_write(path.with_name(POINTER)) as temporary:
        temporary.write_text(str(path.resolve()))
