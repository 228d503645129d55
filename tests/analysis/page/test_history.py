"""When a run was trained, and for how long, by its logs."""

from datetime import datetime, timedelta

import pytest

from convnext_dense.analysis.page.history import duration_words, length_words, read_history

LINE = '{} - mmengine - INFO - {}\n'
FIRST = 'convnext_dense 0.1.0, torch 2.11.0+cu130, Python 3.11.7, 2 x cpu, 1 thread, seed 7; logs in x'


def write_log(folder, lines, environment=''):
    (folder / 'vis_data').mkdir(parents=True)
    (folder / f'{folder.name}.log').write_text(''.join(LINE.format(*line) for line in lines))
    (folder / 'environment.txt').write_text(environment)


def test_the_time_of_all_starts_without_the_pause_between_them(tmp_path):
    write_log(tmp_path / 'a', [('2026/03/01 23:00:00', FIRST), ('2026/03/01 23:50:30', 'x')])
    write_log(
        tmp_path / 'b', [('2026/03/05 08:00:00', FIRST), ('2026/03/05 08:10:00', 'x')], 'CPU: fast one\nGCC: 12\n'
    )
    (tmp_path / 'show').mkdir()
    history = read_history(tmp_path)
    assert history.started == datetime(2026, 3, 1, 23)
    assert history.time == timedelta(hours=1, seconds=30)
    assert history.starts == 2 and history.machine == '2 x cpu'
    assert dict(history.chosen_environment()) == {
        'convnext_dense': '0.1.0',
        'PyTorch': '2.11.0+cu130',
        'Python': '3.11.7',
        'processes': '2 x cpu',
        'threads': '1',
        'seed': '7',
        'CPU': 'fast one',
    }


def test_a_run_without_logs_has_none(tmp_path):
    history = read_history(tmp_path)
    assert (history.started, history.time, history.starts, history.chosen_environment()) == (None, None, 0, [])


@pytest.mark.parametrize(
    ('seconds', 'words'),
    [
        (0, '0 s'),
        (59.6, '1 min 00 s'),
        (92, '1 min 32 s'),
        (3600, '1 h 00 min'),
        (7500, '2 h 05 min'),
        (90000, '1 d 1 h'),
    ],
)
def test_durations(seconds, words):
    assert duration_words(timedelta(seconds=seconds)) == words


def test_length():
    assert length_words({'epoch': [(10, 1.0), (20, 2.0)], 'iter': [(20, 374.0)]}) == '2 epochs, 374 steps'
    by_steps = {'iter': [(880, 880.0)], 'val/raw/mIoU': [(450, 20.0), (900, 60.0)]}
    assert length_words(by_steps) == '900 steps'
    assert length_words({}) == ''
