"""``report``: runs and results that are absent are named."""

import shutil

from convnext_dense.cli import main as cli
from convnext_dense.cli import run_verb
from tests.analysis.test_report import write_run
from tests.cli.commands.test_plot_log import VALUES


def test_missing_results_are_named_with_the_command_that_makes_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['convnext-dense'])
    tested, untested = tmp_path / 'a', tmp_path / 'b'
    for folder in (tested, untested):
        write_run(folder, VALUES, [])
    (tested / 'metrics.json').write_text('{"metrics": {}, "config": "c.py", "data": "d", "checkpoint": "e.pth"}')
    shutil.rmtree(untested / 'show')
    assert run_verb('report', [str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'the page has no test results and no images of {untested}: `convnext-dense test {untested}` makes them, '
        'then report again',
        f'the page is at {tmp_path / "report.html"}',
    ]


def test_report_without_runs(error, tmp_path):
    assert cli.run_verb('report', [str(tmp_path)]) == 2
    assert 'no run in' in error()
