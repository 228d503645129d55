"""The page of a folder: which runs are found, how images are shared, and what is written."""

import json

import pytest

from convnext_dense.analysis.page.build import _shares, find_work_dirs, write_page
from convnext_dense.errors import UserError
from tests.analysis.page.test_content import TOP1, command
from tests.helpers import example_diagnoses as examples
from tests.helpers.page_data import page_data
from tests.helpers.written_runs import LOSS, write_metrics, write_run


def test_runs_are_found_by_logs_results_or_diagnoses(tmp_path):
    logged = write_run(tmp_path / 'a' / 'logged', LOSS, [])
    tested = write_metrics(tmp_path / 'b', {'raw/top1': 1.0})
    diagnosed = tmp_path / 'c'
    examples.write(examples.classification(diagnosed / 'diagnosis', 2), diagnosed / 'diagnosis')
    alone = tmp_path / 'd'
    examples.write(examples.classification(alone, 2), alone)
    (tmp_path / 'e').mkdir()
    (tmp_path / 'e' / 'metrics.json').write_text('{"metrics": {}}')  # of another program
    assert find_work_dirs(tmp_path) == [logged, tested, diagnosed, alone]
    assert find_work_dirs(diagnosed / 'diagnosis') == [diagnosed / 'diagnosis']
    with pytest.raises(UserError, match='no run in'):
        find_work_dirs(tmp_path / 'e')


def test_images_are_shared_evenly():
    assert _shares([1000, 10, 1000], 300) == [145, 10, 145]
    assert _shares([5, 6], 300) == [5, 6]
    assert _shares([10, 10, 10], 2) == [0, 1, 1]
    assert _shares([], 300) == []


def test_one_broken_run_of_several(tmp_path):
    folder = tmp_path / 'runs'
    write_run(folder / 'a', TOP1, [])
    write_metrics(folder / 'a', {'raw/top1': 75.0})
    broken = write_run(folder / 'b', LOSS, [])
    (broken / 'diagnosis').mkdir()
    (broken / 'diagnosis' / 'diagnosis.json').write_text('{')
    out = tmp_path / 'new' / 'page.html'
    page = write_page(folder, out, command, 300)
    assert page.file == out and page.missing == {folder / 'a': ['diagnosis'], broken: ['test results', 'diagnosis']}
    assert len(page.problems) == 1 and 'diagnosis.json' in page.problems[0]
    data = page_data(out)
    assert data['data-page']['title'] == 'runs'
    assert [run['name'] for run in data['data-page']['runs']] == ['a', 'b']
    assert {f'data-run-{i}{part}' for i in (0, 1) for part in ('', '-images')} <= data.keys()


def test_at_most_so_many_images(tmp_path):
    for name in ('a', 'b'):
        examples.write(examples.classification(tmp_path / name / 'diagnosis', 60), tmp_path / name / 'diagnosis')
    write_page(tmp_path, tmp_path / 'p.html', command, 50)
    data = page_data(tmp_path / 'p.html')
    assert [len(data[f'data-run-{i}-images']) for i in (0, 1)] == [25, 25]
    assert sum(len(chunk) for id_, chunk in data.items() if '-files-' in id_) == 50
    large = (tmp_path / 'p.html').stat().st_size
    write_page(tmp_path, tmp_path / 'p.html', command, 50, beside=True)
    assert (tmp_path / 'p.html').stat().st_size < large - 50 * 1000
    src = page_data(tmp_path / 'p.html')['data-run-0-files-0'][0]['src']
    assert (tmp_path / src).is_file()


def test_studies_are_shown_with_their_trials(tmp_path):
    write_run(tmp_path / 'study' / 'trial_0', TOP1, [])
    section = {'id': 'importance', 'title': 'What matters', 'blocks': [{'kind': 'text', 'text': 'lr'}]}
    (tmp_path / 'study' / 'tune.json').write_text(json.dumps({'sections': [section]}))
    write_page(tmp_path / 'study', tmp_path / 'p.html', command, 9)
    (study,) = page_data(tmp_path / 'p.html')['data-page']['studies']
    assert study == {'name': 'study', 'sections': [{**section, 'lead': ''}]}
    (tmp_path / 'study' / 'tune.json').write_text('[]')
    assert 'tune.json` cannot be read' in write_page(tmp_path, tmp_path / 'p.html', command, 9).problems[0]


def test_a_page_that_cannot_be_written(tmp_path):
    write_run(tmp_path / 'run', LOSS, [])
    with pytest.raises(UserError, match='--out'):
        write_page(tmp_path / 'run', tmp_path / 'run' / 'show' / 'predictions.json' / 'x.html', command, 9)
