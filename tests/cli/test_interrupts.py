"""Ctrl-C while modules are imported: it is heeded, after the import."""

import importlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from convnext_dense.cli.interrupts import interrupts_after_imports
from tests.helpers.run_tool import ATTO, ROOT

SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
until = time.monotonic() + 0.3
while time.monotonic() < until:
    pass
done = True
"""


def wait(seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize('times', [1, 2])
def test_an_import_is_not_interrupted_but_what_follows_it(tmp_path, monkeypatch, times):
    (tmp_path / 'slow_module.py').write_text(SLOW * times)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'slow_module', raising=False)
    before, imported = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interrupts_after_imports():
        imported.append(importlib.import_module('slow_module'))
        wait()
    assert imported[0].done and signal.getsignal(signal.SIGINT) is before
    time.sleep(0.15)  # nothing comes late


def test_an_interrupt_in_an_import_at_the_very_end_is_not_lost(tmp_path, monkeypatch):
    (tmp_path / 'quick_module.py').write_text('import os, signal\nos.kill(os.getpid(), signal.SIGINT)\ndone = True\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, 'quick_module', raising=False)
    before, imported = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interrupts_after_imports():
        imported.append(importlib.import_module('quick_module'))
    assert imported[0].done and signal.getsignal(signal.SIGINT) is before
    time.sleep(0.15)


def test_outside_of_imports_it_is_heeded_at_once():
    with pytest.raises(KeyboardInterrupt), interrupts_after_imports():
        signal.raise_signal(signal.SIGINT)
        pytest.fail('went on')  # pragma: no cover


def test_a_handler_of_somebody_else_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with interrupts_after_imports():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [1]


def test_another_thread_changes_nothing():
    before, failed = signal.getsignal(signal.SIGINT), []

    def use():
        try:
            with interrupts_after_imports():
                pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not failed and signal.getsignal(signal.SIGINT) is before


COMMAND = f"""
import os, signal, sys, threading
from convnext_dense.cli import run_verb
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
threading.Timer(float(sys.argv.pop()), os.kill, (os.getpid(), signal.SIGINT)).start()
sys.exit(run_verb('flops', ['{ATTO}']))
"""


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_a_command_that_is_interrupted_at_any_moment_of_its_start_says_so():
    for delay in (0.05, 0.2, 0.4, 0.6, 0.8, 1.1, 1.5, 2.0):
        done = subprocess.run(
            [sys.executable, '-c', COMMAND, str(delay)], cwd=ROOT, capture_output=True, text=True, timeout=100
        )
        ended = (done.returncode, done.stderr)
        assert ended == (130, 'interrupted\n') or done.returncode == 0, (delay, ended)
