"""Runs that are killed, and disks that are full: ``make test-faults``."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convnext_dense.checkpoints import files as checkpoint
from tests.conftest import write_image_folder
from tests.helpers import small_run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

TEMPORARY = '.*.pth'


@pytest.fixture(scope='module')
def forks():
    """Processes that start with everything imported: a process of its own forks them."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['tests.helpers.warm'])
    return context


def start(forks, log: Path, *arguments) -> multiprocessing.Process:
    process = forks.Process(target=_train, args=(log, *arguments))
    process.start()
    return process


def _train(log: Path, *arguments) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.exit(small_run.train(*arguments[:4], options=tuple(arguments[4:])))


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_twenty_times_and_resumed_to_the_same_end(forks, tmp_path, workers):
    """Each run is killed once at a random moment, some inside a save, and resumed to its end.

    Twenty in all: five of each kind of run with each number of workers, two of the five inside a save.
    """
    data = write_image_folder(tmp_path / 'images', train=8, val=2)
    options = [f'train_dataloader.num_workers={workers}', 'default_hooks.checkpoint.interval=1']
    rng = random.Random(workers)
    for kind in ('BY_EPOCH', 'BY_STEP'):
        config = small_run.write_config(tmp_path / f'{kind}.py', getattr(small_run, kind))
        log, whole = tmp_path / f'{kind}.log', tmp_path / f'{kind}_whole'
        process = start(forks, log, config, data, whole, '--resume=auto', *options)
        process.join()
        assert process.exitcode == 0, log.read_text()
        rows, expected = _rows(whole), small_run.outcome(whole)
        for attempt in range(5):
            work_dir, inside = tmp_path / f'{kind}_{attempt}', attempt >= 3
            while True:  # until the kill came in time
                process = start(forks, log, config, data, work_dir, '--resume=auto', *options)
                moment = rng.uniform(1, 0.8 * rows)
                _wait_for(lambda work_dir=work_dir, moment=moment: _rows(work_dir) >= moment, process.is_alive)
                if inside:
                    _wait_for(lambda work_dir=work_dir: list(work_dir.glob(TEMPORARY)), process.is_alive, pause=0)
                else:
                    time.sleep(rng.uniform(0, 0.3))
                process.kill()
                process.join()
                left = sorted(path.name for path in work_dir.iterdir() if path.is_file())
                if process.exitcode == -signal.SIGKILL and (not inside or list(work_dir.glob(TEMPORARY))):
                    break
                shutil.rmtree(work_dir)
            print(f'{kind}, {workers} workers, killed after {_rows(work_dir)} of {rows} logged numbers; left: {left}')
            for path in checkpoint.list_checkpoints(work_dir):
                assert checkpoint.manifest.damage(path) is None
            pointer = work_dir / checkpoint.POINTER
            assert not pointer.exists() or Path(pointer.read_text()).exists()
            process = start(forks, log, config, data, work_dir, '--resume=auto', *options)
            process.join()
            assert process.exitcode == 0, log.read_text()
            assert not small_run.differences(expected, small_run.outcome(work_dir))
            assert not list(work_dir.glob(TEMPORARY))
            shutil.rmtree(work_dir)


def _rows(work_dir: Path) -> int:
    return sum(file.read_bytes().count(b'\n') for file in work_dir.glob('*/vis_data/scalars.csv'))


def _wait_for(condition, alive, pause: float = 0.01) -> None:
    while not condition() and alive():
        time.sleep(pause)


def python(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(small_run.ROOT)}
    command = [*before, sys.executable, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=small_run.ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_a_small_disk_that_fills_up_and_one_that_is_read_only(tmp_path):
    unshare = ('unshare', '--map-root-user', '--mount')
    if not shutil.which('unshare') or subprocess.run([*unshare, 'true'], capture_output=True).returncode:
        pytest.skip('this machine allows no mounts; tests/engine/test_resume.py has a stand-in, /dev/full')
    process = python('-m', 'tests.helpers.full_disk', tmp_path, before=unshare)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, out + error
    lines = [line for line in error.splitlines() if line.startswith('error: ')]
    assert len(lines) == 4, error
    assert 'cannot be written (No space left on device)' in lines[0]
    assert 'there must be room for two' in lines[1]
    assert 'epoch_2.pth cannot be written (No space left on device)' in lines[2]
    assert 'were needed and' in lines[2]
    assert 'cannot be written (Read-only file system): choose another with --work-dir' in lines[3]


def test_processes_that_train_together_stop_after_the_same_step_and_go_on_exactly(tmp_path):
    """SIGTERM for one of two processes alone."""
    data = write_image_folder(tmp_path / 'images', train=8, val=2)
    config = small_run.write_config(tmp_path / 'by_epoch.py', small_run.BY_EPOCH)
    launch = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', 'tools/train.py', config]

    def run(work_dir: Path) -> subprocess.Popen:
        options = [*small_run.OPTIONS, 'train_dataloader.batch_size=4']
        arguments = ['--launcher', 'pytorch', '--resume', 'auto', '--data', data, '--work-dir', work_dir]
        return python(*launch, *arguments, '--cfg-options', *options)

    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    process = run(whole)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, out + error

    process = run(cut)
    _wait_for(lambda: (cut / 'epoch_1.pth').exists(), lambda: process.poll() is None)
    ranks = Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
    os.kill(int(ranks[-1]), signal.SIGTERM)
    out, error = process.communicate(timeout=600)
    assert process.returncode, out + error
    assert 'continue with: torchrun --nproc_per_node=2 tools/train.py' in error
    assert 'exitcode  : 143' in error
    assert 'stopped after step' in out
    manifest = json.loads((cut / checkpoint.manifest.FILE_NAME).read_text())
    assert max(entry['step'] for entry in manifest.values()) < small_run.STEPS

    process = run(cut)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, out + error
    assert not small_run.differences(small_run.outcome(whole), small_run.outcome(cut))
