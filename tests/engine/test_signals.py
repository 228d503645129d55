"""Signals to the run and to its loader workers."""

import os
import signal
import time
from functools import partial

import pytest
from torch.utils.data import DataLoader

from convnext_dense.engine import Checkpoints, signals
from convnext_dense.engine.signals import SIGNALS, StopRequest, leave_signals_to_parent
from convnext_dense.errors import Stopped
from tests.helpers import toy


@pytest.mark.parametrize('number', SIGNALS)
def test_the_first_is_noted_and_a_later_one_stops_at_once(number, monkeypatch, capfd):
    before = signal.getsignal(number)
    with StopRequest() as request:
        request.stop_if_any_process_requested()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a launcher's copy of the same
        assert request.number == number
        with pytest.raises(Stopped) as stop:
            request.stop_if_any_process_requested()
        assert (stop.value.code, stop.value.at_once) == (128 + number, False)
        monkeypatch.setattr(signals, 'REPEAT_WINDOW', 0)
        with pytest.raises(Stopped) as stop:
            os.kill(os.getpid(), number)
            time.sleep(1)
        assert (stop.value.code, stop.value.at_once) == (128 + number, True)
    assert signal.getsignal(number) is before
    assert capfd.readouterr().err.count('finishing the step and saving') == 1


def test_a_copy_of_the_signal_that_comes_while_the_run_saves_leaves_the_save(tmp_path, monkeypatch):
    def before_stop(self, runner, original=Checkpoints.before_stop):
        os.kill(os.getpid(), signal.SIGINT)
        original(self, runner)

    monkeypatch.setattr(Checkpoints, 'before_stop', before_stop)
    run = toy.runner(tmp_path, {5: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    with pytest.raises(Stopped) as stop:
        run.train()
    assert (stop.value.code, stop.value.at_once) == (143, False)
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_0_iter_3.pth']


def test_workers_leave_signals_to_their_parent():
    started = []
    loader = DataLoader(range(6), num_workers=2, worker_init_fn=partial(leave_signals_to_parent, started.append))
    batches = iter(loader)
    first = next(batches)
    for worker in batches._workers:
        for number in SIGNALS:  # as Ctrl-C and SLURM send them; from another process than the parent
            if os.fork() == 0:
                os.kill(worker.pid, number)
                os._exit(0)
            os.wait()
    time.sleep(0.1)
    assert all(worker.is_alive() for worker in batches._workers)
    assert [int(first), *map(int, batches)] == list(range(6))

    batches = iter(loader)
    next(batches)
    worker = batches._workers[0]
    signal_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's would raise for a worker that ends
    worker.terminate()
    worker.join(20)
    signal.signal(signal.SIGCHLD, signal_handler)
    assert worker.exitcode == 0
