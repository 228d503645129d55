"""``report``: runs and results that are absent are named."""

import shutil

from convnext_dense.cli import main as cli
from convnext_dense.cli import run_verb
from tests.cli.commands.test_plot_log import VALUES
from tests.helpers import example_diagnoses as examples
from tests.helpers.page_data import page_data
from tests.helpers.written_runs import write_metrics, write_run


def test_missing_results_are_named_with_the_command_that_makes_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['convnext-dense'])
    tested, untested, diagnosed = (tmp_path / name for name in 'abc')
    for folder in (tested, untested, diagnosed):
        write_run(folder, VALUES, [])
    write_metrics(tested, {'raw/top1': 1.0})
    shutil.rmtree(untested / 'show')
    examples.write(examples.classification(diagnosed / 'diagnosis', 4), diagnosed / 'diagnosis')
    assert run_verb('report', [str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f'the page has no diagnosis of {tested}: `convnext-dense diagnose {tested}` adds what is missing, then report '
        'again',
        f'the page has no test results and no diagnosis of {untested}: `convnext-dense test {untested} --diagnose` '
        'adds what is missing, then report again',
        f'the page is at {tmp_path / "report.html"}',
    ]


def test_images_beside_and_their_number(tmp_path, capsys):
    examples.write(examples.detection(tmp_path / 'diagnosis', 9), tmp_path / 'diagnosis')
    out = tmp_path / 'a' / 'page.html'
    out.parent.mkdir()
    argv = [str(tmp_path), '--max-images', '4', '--images-beside', '--out', str(out)]
    assert run_verb('report', argv) == 0
    assert capsys.readouterr().out == f'the page is at {out}\n'
    images = page_data(out)['data-run-0-files-0']
    assert [one['src'].startswith('../diagnosis/images/') for one in images] == [True] * 4


def test_broken_files_are_said(tmp_path, capsys):
    write_run(tmp_path / 'run', VALUES, [])
    (tmp_path / 'run' / 'metrics.json').write_text('{"metrics": []}')
    assert run_verb('report', [str(tmp_path)]) == 0
    file = tmp_path / 'run' / 'metrics.json'
    assert capsys.readouterr().out.startswith(f'{file} cannot be read (it has no metrics): test the run again.\n')


def test_report_without_runs(error, tmp_path):
    assert cli.run_verb('report', [str(tmp_path)]) == 2
    assert 'no run in' in error()
    assert cli.run_verb('report', [str(tmp_path), '--max-images', '-1']) == 2
    assert '--max-images -1: take 0 or more' in error()
