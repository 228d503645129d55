"""python -m tests.helpers.full_disk FOLDER: runs in a folder with a small disk of its own, filled and made read-only.

To be started by ``unshare --map-root-user --mount``, which is allowed to mount.
"""

import os
import subprocess
import sys
from pathlib import Path

import torch

from convnext_dense.engine import Checkpoints
from tests.conftest import write_image_folder
from tests.helpers import small_run


def fill(folder: Path, leave: int) -> Path:
    """Another program's file that takes all room but so many bytes."""
    filler = folder / 'filler'
    with open(filler, 'ab', buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            print(f'the disk is full: {error}')
        file.truncate(os.fstat(file.fileno()).st_size - leave)
    return filler


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    disk = folder / 'disk'
    disk.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk], check=True)
    data = write_image_folder(folder / 'images', train=8, val=2)
    config, work_dir = small_run.write_config(folder / 'by_epoch.py', small_run.BY_EPOCH), disk / 'run'

    filler = fill(disk, leave=0)
    assert small_run.train(config, data, work_dir) == 2, 'starts with nothing left'
    filler.unlink()

    filler = fill(disk, leave=60_000)
    assert small_run.train(config, data, work_dir) == 2, 'starts without room'
    assert not list(work_dir.glob('*.pth'))
    filler.unlink()

    def after_train_epoch(self, runner, original=Checkpoints.after_train_epoch):
        if runner.epoch == 1:
            fill(disk, leave=40_000)
        original(self, runner)

    before, Checkpoints.after_train_epoch = Checkpoints.after_train_epoch, after_train_epoch
    assert small_run.train(config, data, work_dir) == 2, 'no error on a full disk'
    Checkpoints.after_train_epoch = before
    left = {path.name: torch.load(path, weights_only=True)['meta']['iter'] for path in work_dir.glob('*.pth')}
    assert left == {'epoch_1.pth': 3, 'best.pth': 3}, left
    assert not list(work_dir.glob('.*.pth')), 'half a file is left'

    filler.unlink()
    read_only = folder / 'read_only'
    read_only.mkdir()
    subprocess.run(['mount', '--bind', disk, read_only], check=True)
    subprocess.run(['mount', '-o', 'remount,bind,ro', read_only], check=True)
    assert small_run.train(config, data, read_only / 'run', '--resume') == 2, 'writes on a read-only disk'
    assert small_run.train(config, data, work_dir, '--resume') == 0, 'does not go on'
    assert small_run.train(config, data, folder / 'whole') == 0
    different = small_run.differences(small_run.outcome(folder / 'whole'), small_run.outcome(work_dir))
    assert not different, different


if __name__ == '__main__':
    main(Path(sys.argv[1]))
