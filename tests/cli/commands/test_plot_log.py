"""``plot_log``: what it says in the terminal, and what it does with runs that have nothing to show."""

import re

import pytest
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands.plot_log import sparkline
from convnext_dense.engine.csv_log import CSVBackend
from tests.helpers.written_runs import write_run

VALUES = {
    'train/loss': [(10, 4.0), (20, 1.25), (30, 2.0)],
    'train/lr': [(10, 1e-3), (20, 5e-4), (30, 0.0)],
    'val/raw/top1': [(1, 50.0), (2, 81.25), (3, 80.0)],
    'host_memory': [(10, 1024.0), (30, 1536.0)],
}


def test_the_summary_has_last_and_best_values(tmp_path, capsys):
    write_run(tmp_path / 'run', VALUES, [])
    log = CSVBackend(str(tmp_path / 'run' / '20260102' / 'vis_data'))  # resumed at step 30
    log.add_scalars({'train/loss': 1.5}, step=30)
    log.add_scalars({'train/loss': 1.375}, step=40)
    assert run_verb('plot_log', [str(tmp_path), '--out', str(tmp_path / 'curves.png')]) == 0
    lines = [re.split(r' {2,}', line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ['run'] in lines
    assert ['loss', '█▁▂▁', '4', '1.375', '1.25', 'step 20'] in lines
    assert ['lr', '█▅▁', '0.001', '0'] in lines
    assert ['raw/top1, %', '▁██', '50.00', '80.00', '81.25', 'epoch 2'] in lines
    assert ['memory (process), GB', '▁█', '1.00', '1.50'] in lines
    with Image.open(tmp_path / 'curves.png') as image:
        assert image.width > 1000 and image.getextrema()[0] == (0, 255)


def test_a_run_without_numbers_is_left_out(tmp_path, capsys):
    write_run(tmp_path / 'full', VALUES, [])
    write_run(tmp_path / 'new', {}, [])
    assert run_verb('plot_log', [str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert 'full\n' in re.sub(' +', '', said.out)
    assert said.err == 'error: new has no logged values yet and is left out\n'
    assert run_verb('plot_log', [str(tmp_path / 'new')]) == 2
    assert 'no run has logged anything yet' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['nowhere'], 'no run in nowhere: name a work dir'),
        (['run', '--out', 'a.gif'], '--out a.gif: name a file that ends in .png, .svg, .pdf'),
        (['run', '--out', '/dev/null/a.png'], '/dev/null/a.png cannot be written ('),
        (['run', '--out', 'folder.png'], 'folder.png cannot be written (Is a directory)'),
    ],
)
def test_bad_input(arguments, expected, tmp_path, capsys, monkeypatch):
    write_run(tmp_path / 'run', VALUES, [])
    (tmp_path / 'folder.png').mkdir()
    monkeypatch.chdir(tmp_path)
    assert run_verb('plot_log', arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f'error: {expected}') and error.count('\n') == 1


def test_a_sparkline_has_the_means_of_its_parts():
    assert sparkline([0, 1, 7, 3.5]) == '▁▂█▅'
    assert sparkline([5.0] * 3) == '▁▁▁'
    assert sparkline([0.0, float('nan'), 7.0, float('inf')]) == '▁ █ '
    long = sparkline([*range(240)])
    assert len(long) == 24 and long == ''.join(sorted(long)) and (long[0], long[-1]) == ('▁', '█')
