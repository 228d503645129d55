"""When one process fails all end, with the reason of the one that failed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import torch
from mmengine.logging import HistoryBuffer

from convnext_dense.data import SeededSampler
from convnext_dense.engine import distributed, propagate_failures
from convnext_dense.engine.evaluation_loops import ValLoop
from convnext_dense.errors import Stopped, UserError
from convnext_dense.evaluation import Accuracy, CocoAP, IoU
from tests.helpers import processes, toy
from tests.helpers.run_tool import ATTO, ROOT, SMALL


def bad_image() -> None:
    raise UserError('bad image 6.jpg')


def bug() -> None:
    raise KeyError('a bug')


def training(work_dir, fault: Callable[[], object], index: int, timeout: int = 60) -> Callable[[int], int]:
    """Return the function of each of two processes; the first draws the images with even numbers."""

    def run(rank: int) -> int:
        torch.set_num_threads(1)
        try:
            with propagate_failures():
                toy.runner(work_dir, {index: fault}, total=4, launcher='pytorch', timeout=timeout).train()
        except UserError as error:
            print(f'error: {error}', file=sys.stderr)
            return 2
        return 0

    return run


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(distributed, 'GRACE_SECONDS', 1.0)


def errors(ended: processes.Ended) -> list[str]:
    return [line for line in ended.err.splitlines() if line.startswith('error: ')]


@pytest.mark.parametrize('culprit', [0, 1])  # what process 0 leaves for the others goes with it
def test_bad_input_of_one_process_is_said_once_and_named_by_the_other(culprit, tmp_path):
    ended = processes.run(training(tmp_path, bad_image, 6 + culprit), tmp_path)
    other = 1 - culprit
    assert [one.code for one in ended] == [2, 2]
    assert errors(ended[culprit]) == [f'error: bad image 6.jpg (process {culprit} of 2)']
    (said,) = errors(ended[other])
    why = 'bad image 6.jpg' if culprit else 'if it prints no error'
    assert said.startswith(f'error: process {other} ends because process {culprit} failed: {why}')
    assert not any('Traceback' in one.err for one in ended)


def test_a_bug_of_one_process_keeps_its_traceback(tmp_path):
    ended = processes.run(training(tmp_path, bug, 7), tmp_path)
    assert [one.code for one in ended] == [2, 1]
    assert errors(ended[0]) == ["error: process 0 ends because process 1 failed: KeyError: 'a bug'"]
    assert 'Traceback' not in ended[0].err
    assert 'process 1 of 2 failed:\nTraceback' in ended[1].err
    assert "KeyError: 'a bug'" in ended[1].err


@pytest.mark.parametrize('culprit', [0, 1])
def test_a_killed_process_takes_the_other_down(culprit, tmp_path):
    ended = processes.run(training(tmp_path, lambda: os.kill(os.getpid(), signal.SIGKILL), 6 + culprit), tmp_path)
    other = 1 - culprit
    assert (ended[culprit].code, ended[other].code) == (-signal.SIGKILL, 2)
    (said,) = errors(ended[other])
    name = 'another process' if culprit else 'process 0'
    assert said.startswith(f'error: process {other} ends because {name} failed: if it prints no error')
    assert 'Traceback' not in ended[other].err


def test_a_process_that_hangs_is_waited_for_until_the_timeout(tmp_path):
    ended = processes.run(training(tmp_path, lambda: time.sleep(9), 7, timeout=3), tmp_path)
    assert [one.code for one in ended] == [2, 2]
    assert 'process 0 ends because another process failed: if it prints no error, it hangs' in errors(ended[0])[0]
    assert ended[0].seconds < ended[1].seconds - 2


@pytest.mark.parametrize(
    ('stop', 'stay'), [(None, 0), (Stopped(signal.SIGTERM), 0), (Stopped(signal.SIGTERM, at_once=True), 1)]
)
def test_processes_that_end_as_they_should_leave_their_group(stop, stay, tmp_path):
    """Else gloo's threads abort some of them at their exit; leaving inside a step could wait for others."""

    def end(rank: int) -> int:
        torch.distributed.init_process_group('gloo')
        with contextlib.suppress(Stopped), propagate_failures():
            torch.distributed.barrier()
            if stop:
                raise stop
        return int(torch.distributed.is_initialized())

    ended = processes.run(end, tmp_path)
    assert [one.code for one in ended] == [stay, stay], ended


# ------------------------------------------------------------------ evaluation


def scores(index: int) -> dict:
    return {'scores': torch.tensor([0.2, 0.5, 0.3]).roll(index // 3), 'label': index % 3}


def label_maps(index: int) -> dict:
    generator = torch.Generator().manual_seed(index)
    maps = torch.randint(0, 3, (2, 1, 6, 5), generator=generator)
    return {'pred_sem_seg': {'data': maps[0]}, 'gt_sem_seg': {'data': maps[1]}}


def boxes(index: int) -> dict:
    box = [5.0, 5.0, 25.0 + index, 30.0]
    found = torch.tensor([[5.0, 5.0, 25.0 + index + 3 * (index % 4), 30.0]])
    ground_truth = {'bbox': box, 'bbox_label': index % 3, 'ignore_flag': 0, 'area': (20.0 + index) * 25}
    return {
        'img_id': index,
        'ori_shape': (60, 80),
        'instances': [ground_truth],
        'pred_instances': {'bboxes': found, 'scores': torch.tensor([0.9]), 'labels': torch.tensor([index % 3])},
    }


METRICS = {Accuracy: scores, IoU: label_maps, CocoAP: boxes}


def evaluated(metric_of: type, sample_of: Callable[[int], dict], images: int) -> dict[str, float]:
    """A metric over the images that this process draws, one at a time."""
    metric = metric_of()
    metric.dataset_meta = {'classes': ['a', 'b', 'c'], 'category_ids': [1, 2, 3]}
    for index, _ in SeededSampler(range(images), shuffle=False, seed=0):
        metric.process({}, [sample_of(index)])
    return metric.evaluate(images)


def test_each_image_counts_once_whatever_the_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(rank: int) -> int:
        torch.distributed.init_process_group('gloo')
        found = {(m.__name__, n): evaluated(m, sample_of, n) for m, sample_of in METRICS.items() for n in (7, 1)}
        torch.save(found, tmp_path / f'{rank}.pt')
        return 0

    (tmp_path / 'said').mkdir()
    ended = processes.run(evaluate, tmp_path / 'said')
    assert [one.code for one in ended] == [0, 0], ended
    parts = [torch.load(tmp_path / f'{rank}.pt') for rank in range(2)]
    for metric_of, sample_of in METRICS.items():
        for images in (7, 1):  # one more for the first process, and none at all for the second
            alone = evaluated(metric_of, sample_of, images)
            assert alone['images'] == images
            for part in parts:
                assert part[metric_of.__name__, images] == pytest.approx(alone, nan_ok=True)
    assert {path.name for path in tmp_path.iterdir()} == {'said', '0.pt', '1.pt'}  # nothing in the current folder


# ------------------------------------------------------------------ torchrun


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize('fault', ['kill', 'bad image'])
def test_under_torchrun(fault, image_folder, tmp_path):
    """One process of two fails in its second step, started by the real command line."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2']
    command += ['-m', 'tests.helpers.faulty', fault, ATTO, '--data', str(image_folder), '--work-dir', str(tmp_path)]
    command += ['--launcher', 'pytorch', '--epochs', '2', '--cfg-options', *SMALL, 'train_dataloader.batch_size=4']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode != 0
    root_cause = done.stderr[done.stderr.index('Root Cause') :]
    assert re.search(r'rank +: 1 ', root_cause)
    if fault == 'kill':
        assert 'Signal 9 (SIGKILL)' in root_cause
    else:
        assert [line for line in done.stderr.splitlines() if line.startswith('error: ')] == [
            'error: bad image x.jpg (process 1 of 2)'
        ]
    assert 'gloo' not in done.stderr


def test_validation_losses_are_those_of_all_processes(tmp_path):
    def run(rank: int) -> int:
        torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
        loop = ValLoop.__new__(ValLoop)
        loop.val_loss = {'loss_a': HistoryBuffer(), **({'acc': HistoryBuffer()} if rank else {})}
        for value in ([1.0, 2.0, 3.0], [7.0])[rank]:
            for buffer in loop.val_loss.values():
                buffer.update(value)
        taken = loop._take_losses('val')
        assert not loop.val_loss
        print(sorted(taken.items()))
        return 0

    one, two = processes.run(run, tmp_path)
    assert one.out == two.out == "[('acc', 7.0), ('loss_a', 3.25), ('val_loss', 3.25)]\n"
