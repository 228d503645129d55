"""The process of a trial stops cleanly when the one that started it is killed."""

import os
import signal
import subprocess
import sys
import time

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
CHILD = """
import signal, sys, time
from convnext_dense.cli import trial_process

def stop(*_):
    open({file!r}, 'w').write('stopped')
    sys.exit(143)

def played(verb):
    signal.signal(signal.SIGTERM, stop)
    open({file!r}, 'w').write(' '.join([verb, *sys.argv]))
    time.sleep(600)

sys.argv = ['-m', 'convnext-dense', 'CONFIG', '--epochs', '1']
trial_process.run_command = played
trial_process.main()
"""


def wait_for(condition, seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f'/proc/{pid}/stat') as file:
        return file.read().split()[2] != 'Z'


def test_training_is_stopped_when_its_parent_is_killed(tmp_path):
    file = tmp_path / 'state'
    child = CHILD.format(file=str(file))
    parent = subprocess.Popen([sys.executable, '-c', PARENT, child], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    try:
        assert wait_for(file.exists) and wait_for(lambda: file.read_text() != '')
        assert file.read_text() == 'train convnext-dense CONFIG --epochs 1'
        time.sleep(0.5)
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert wait_for(lambda: file.read_text() == 'stopped', 20)
        assert wait_for(lambda: not is_running(pid), 20)
    finally:
        parent.kill()
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)
