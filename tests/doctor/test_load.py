"""The load of the machine, from a written file of ticks and from this machine's."""

import time

import pytest

from convnext_dense_doctor import load
from convnext_dense_doctor.load import Load, LoadMeter

IDLE = [0, 0, 0, 100, 0, 0, 0, 0]  # ticks of a second


@pytest.fixture
def second(tmp_path, monkeypatch):
    """A function that lets a second pass, with these ticks of four cores and seconds of this process."""
    path = tmp_path / 'stat'
    clock, own = [0.0], [0.0]
    ticks = [[7, 1, 2, 1000, 50, 0, 3, 0] for _ in range(4)]

    def write() -> None:
        total = [sum(column) for column in zip(*ticks, strict=True)]
        lines = [('cpu', total), *((f'cpu{number}', core) for number, core in enumerate(ticks))]
        path.write_text(''.join(f'{name} {" ".join(map(str, times))} 0 0\n' for name, times in lines) + 'intr 1 2\n')

    def let_pass(*passed: list[int], used: float = 0.0) -> None:
        for core, more in zip(ticks, passed, strict=True):
            core[:] = [a + b for a, b in zip(core, more, strict=True)]
        clock[0], own[0] = clock[0] + 1, own[0] + used
        write()

    write()
    monkeypatch.setattr(load, 'CPU_TIMES', path)
    monkeypatch.setattr(load.time, 'monotonic', lambda: clock[0])
    monkeypatch.setattr(load, '_own_seconds', lambda: own[0])
    monkeypatch.setattr(load.os, 'sched_getaffinity', lambda _: {0, 1, 2, 3})
    return let_pass


def test_what_others_use_is_counted_without_what_this_process_does(second):
    meter = LoadMeter()
    second([60, 10, 20, 0, 0, 5, 5, 0], [0, 0, 0, 30, 20, 0, 0, 50], IDLE, [70, 0, 0, 30, 0, 0, 0, 0], used=0.7)
    found = meter.read()
    assert found.cores == 4 and found.busy == pytest.approx(1.5)  # waiting for a disk is idle, stolen time is not
    assert found.high and found.free_cores == 2
    assert str(found) == 'other processes use 1.5 of 4 cores'


def test_cores_that_are_not_this_process_s_do_not_count(second, monkeypatch):
    monkeypatch.setattr(load.os, 'sched_getaffinity', lambda _: {2, 3})
    meter = LoadMeter()
    full = [100, 0, 0, 0, 0, 0, 0, 0]
    second(full, full, [20, 0, 0, 80, 0, 0, 0, 0], IDLE)
    assert meter.read() == Load(2, pytest.approx(0.2)) and not meter.read().high


def test_more_of_its_own_than_the_system_counted_is_no_load(second):
    meter = LoadMeter()
    second([90, 0, 0, 10, 0, 0, 0, 0], IDLE, IDLE, IDLE, used=1.0)
    assert meter.read().busy == 0


def test_a_core_is_left_whatever_others_use():
    assert [Load(2, busy).free_cores for busy in (0.0, 0.4, 1.3, 2.0)] == [2, 2, 1, 1]


@pytest.mark.parametrize('content', [None, '', 'cpu  1 2\n', 'cpu  a b c d e f g h\n', 'cpu  0 0 0 0 0 0 0 0 0 0\n'])
def test_a_system_that_does_not_tell(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / 'stat').write_text(content)
    monkeypatch.setattr(load, 'CPU_TIMES', tmp_path / 'stat')
    monkeypatch.setattr(load, 'SHORTEST', 0)
    assert LoadMeter().read() is None


def test_a_moment_is_too_short_to_tell():
    assert LoadMeter().read() is None


def test_this_machine():
    meter = LoadMeter()
    time.sleep(0.2)
    found = meter.read()
    assert found is None or 0 <= found.busy <= found.cores == load.cores()
