"""Loader workers have one thread each; one that dies ends the run with the likely cause."""

import os
import signal

import cv2
import pytest
import torch

from convnext_dense.engine import Runner
from convnext_dense.engine.workers import explain_dead_workers
from convnext_dense.errors import UserError
from tests.helpers import toy


class Threads(list):
    """A data set whose samples are the numbers of threads that OpenCV and torch have."""

    metainfo: dict = {}

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int]:
        return cv2.getNumThreads(), torch.get_num_threads()


def test_a_worker_has_one_thread():
    sampler = dict(type='convnext_dense.SeededSampler', shuffle=False)
    cfg = dict(dataset=Threads([0, 0]), batch_size=2, num_workers=1, sampler=sampler)
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        cv2.setNumThreads(2), torch.set_num_threads(2)
        (batch,) = Runner.build_dataloader(cfg, seed=0)
    finally:
        cv2.setNumThreads(before[0]), torch.set_num_threads(before[1])
    assert torch.tensor(batch).unique().tolist() == [1]


def test_a_killed_worker_is_named_and_the_run_goes_on_when_resumed(tmp_path):
    second_time = tmp_path / 'drawn before'

    def kill() -> None:
        if second_time.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        second_time.touch()

    with pytest.raises(UserError) as error:
        toy.runner(tmp_path, {9: kill}, epochs=2, workers=1).train()
    said = str(error.value)
    assert 'died (Killed), most likely killed because it ran out of memory' in said
    assert 'train_dataloader.num_workers=N' in said
    assert said.endswith('continue from the newest checkpoint with --resume')
    assert said.count('\n') == 0

    resumed = toy.runner(tmp_path, {}, epochs=2, workers=1, resume=True)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (2, 16)


BUS = (
    "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
    'shared memory. Please try to raise your shared memory limit.'
)


@pytest.mark.parametrize(
    ('torch_says', 'said'),
    [
        (
            BUS,
            r'^loader worker 7 died \(Bus error\), .* shared memory \(/dev/shm has \d+ MiB, \d+ free\): .*--shm',
        ),
        ('DataLoader worker (pid 7) is killed by signal: Segmentation fault. ', r'\(Segmentation fault\), .*decoder'),
        (
            'DataLoader worker (pid(s) 7, 8) exited unexpectedly',
            '^loader worker 7, 8 died, most likely killed because',
        ),
        ('unable to allocate shared memory(shm) for file </torch_1>: No space left', 'out of shared memory'),
        ('unable to open shared memory object </torch_1> in read-write mode', 'out of shared memory'),
        ('unable to mmap 4096 bytes from file </torch_1>: Cannot allocate memory', 'out of shared memory'),
        (
            'Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: unable to write to file </torch_1>: ',
            'out of shared memory',
        ),
    ],
)
def test_what_torch_says_becomes_a_cause(torch_says, said):
    with pytest.raises(UserError, match=said), explain_dead_workers():
        raise RuntimeError(torch_says)


def test_the_advice_is_for_what_runs():
    with pytest.raises(UserError) as training, explain_dead_workers():
        raise RuntimeError(BUS)
    with pytest.raises(UserError) as testing, explain_dead_workers('test_dataloader', resumes=False):
        raise RuntimeError(BUS)
    assert str(training.value).endswith('num_workers=N; continue from the newest checkpoint with --resume')
    assert str(testing.value).endswith('or use fewer workers with --cfg-options test_dataloader.num_workers=N')


def test_other_errors_stay_as_they_are():
    triton = RuntimeError('out of resource: shared memory, Required: 131072, Hardware limit: 101376.')
    mapped = RuntimeError('unable to mmap 4096 bytes from file <weights.pth>: Cannot allocate memory')
    for error in (RuntimeError('boom'), triton, mapped, UserError('bad image'), KeyError('x')):
        with pytest.raises(type(error)) as raised, explain_dead_workers():
            raise error
        assert raised.value is error
