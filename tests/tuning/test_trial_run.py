import signal
import sys
import time

import pytest
from filelock import FileLock

from convnext_dense.checkpoints.lock import FILE_NAME
from convnext_dense.errors import UserError
from convnext_dense.tuning import trial_run
from convnext_dense.tuning.trial_run import LOG, Training, best_value, log_size, read_values, wait_until_free, watch
from tests.helpers.fake_training import Failing, FakeTraining

ARGUMENTS = ['lr=1e-3', 'drop_path=0.0']
VALUES = [75.0, 77.5, 80 - 5 / 3, 78.75]  # 80 - 5 / step


def watched(process, folder, report=lambda values: False, stops=lambda: False):
    return watch(process, folder, 'raw/top1', report, stops, poll=0)


def failed(folder, line: str = 'error: the loss is NaN', code: int = 1, begins: bool = True):
    kind = type('Kind', (Failing,), dict(line=line, exit_code=code, begins=begins))
    return watched(kind(folder, ARGUMENTS), folder)


def test_values_are_reported_once_each_time_there_are_more(tmp_path):
    told = []
    outcome = watched(FakeTraining(tmp_path, ARGUMENTS), tmp_path, lambda values: told.append(list(values)))
    assert told == [VALUES[:1], VALUES[:2], VALUES[:3], VALUES]
    assert outcome == ('complete', VALUES, '')


def test_training_is_stopped_where_it_is_pruned(tmp_path):
    process = FakeTraining(tmp_path, ARGUMENTS)
    outcome = watched(process, tmp_path, lambda values: len(values) == 2)
    assert outcome == ('pruned', VALUES[:2], '') and process.code == 143


def test_training_is_stopped_on_request(tmp_path):
    process, asked = FakeTraining(tmp_path, ARGUMENTS), iter([False, True])
    assert watched(process, tmp_path, stops=lambda: next(asked)) == ('stopped', VALUES[:2], '')
    assert process.code == 143


def test_metric_is_found_by_its_name_among_others(tmp_path):
    FakeTraining(tmp_path, ARGUMENTS).poll()
    with open(tmp_path / 'log/vis_data/scalars.csv', 'a') as file:
        file.write('1,val/ema/top1,3.0\n1,train/loss,9.0\n2,val/ema/top1,4.0\n')
    assert read_values(tmp_path, 'raw/top1') == VALUES[:1]
    assert read_values(tmp_path, 'ema/top1') == [3.0, 4.0]
    assert read_values(tmp_path, 'top1') == VALUES[:1]
    assert read_values(tmp_path, 'mIoU') == read_values(tmp_path / 'none', 'top1') == []


@pytest.mark.parametrize(
    ('line', 'code', 'begins', 'state', 'why'),
    [
        ('error: the loss is NaN', 2, True, 'fail', 'the loss is NaN'),
        ('error: no data set at x', 2, False, 'refused', 'no data set at x'),
        ('ValueError: x', 1, True, 'fail', 'ValueError: x'),
        ('Epoch 1', -9, True, 'fail', 'ended by SIGKILL, as the system does when memory runs out'),
        ('Epoch 1', 143, True, 'fail', 'stopped by SIGTERM'),
        ('error: a.pth cannot be written (No space left on device): 1 MB', 2, True, 'full', None),
        ('Epoch 1', 0, True, 'fail', 'no validation has measured raw/top1'),
    ],
)
def test_failures_have_their_reason(tmp_path, line, code, begins, state, why):
    outcome = failed(tmp_path, line, code, begins)
    assert outcome.state == state
    assert why is None or outcome.why == why


def test_reason_is_of_the_last_start(tmp_path):
    (tmp_path / LOG).write_text('error: an earlier one\n')
    begin = log_size(tmp_path)
    process = type('Kind', (Failing,), dict(line='Traceback', exit_code=1))(tmp_path, ARGUMENTS)
    outcome = watch(process, tmp_path, 'raw/top1', lambda values: False, lambda: False, begin, poll=0)
    assert outcome.why == 'Traceback'


def test_nan_is_a_failure_and_no_best_value(tmp_path):
    outcome = watched(FakeTraining(tmp_path, ARGUMENTS, lambda values, step: float('nan')), tmp_path)
    assert (outcome.state, outcome.why) == ('fail', 'raw/top1 was NaN')
    assert best_value([1.0, float('nan'), 3.0, 2.0], greater=True) == 3.0
    assert best_value([1.0, float('nan'), 3.0], greater=False) == 1.0
    assert best_value([float('nan')], greater=True) is None is best_value([], greater=True)


def test_ending_process_of_a_killed_study_is_waited_for(tmp_path):
    wait_until_free(tmp_path)
    lock = FileLock(tmp_path / FILE_NAME)
    with lock, pytest.raises(UserError, match=f'another process still trains in {tmp_path}: end it first'):
        wait_until_free(tmp_path, 0.1)
    wait_until_free(tmp_path, 0.1)


def test_process_that_does_not_stop_is_killed():
    class Stubborn:
        killed = False

        def poll(self):
            return -9 if self.killed else None

        def stop(self):
            pass

        def kill(self):
            self.killed = True

    process, begin = Stubborn(), time.monotonic()
    trial_run._stop(process, 0.2)
    assert process.killed and time.monotonic() - begin < 5


def test_output_is_in_the_folder_and_the_process_can_be_stopped(tmp_path, monkeypatch):
    """The real process, of a program that stands in for Python."""
    program = tmp_path / 'python'
    program.write_text(f'#!{sys.executable}\nimport sys, time\nprint(sys.argv[1:], flush=True)\ntime.sleep(60)\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(program))
    process = Training(tmp_path, ['CONFIG', '--epochs', '1'])
    until = time.monotonic() + 20
    while not (tmp_path / LOG).read_text() and time.monotonic() < until:
        time.sleep(0.05)
    wanted = ['-m', 'convnext_dense.cli.trial_process', 'convnext-dense', 'CONFIG', '--epochs', '1']
    assert (tmp_path / LOG).read_text() == f'{wanted}\n'
    assert process.poll() is None
    process.stop()
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert process.poll() == -signal.SIGTERM
    process.stop(), process.kill()  # of one that has ended
