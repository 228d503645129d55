import json
import math

import numpy as np
import pytest

from convnext_dense.diagnosis.content import Chart, Parallel, Table
from convnext_dense.tuning.results import compute_importances, document, make_sections, trial_rows, write_document
from convnext_dense.tuning.study import Study
from tests.helpers.fake_training import RANGES, VALIDATIONS, plan, result


@pytest.fixture(scope='module')
def study(tmp_path_factory) -> Study:
    """Ten trials: the sixth is pruned, the seventh has failed, and the others are finished."""
    study = Study(tmp_path_factory.mktemp('study'), None, plan())
    for number in range(10):
        work = study.claim(10)
        values = [result(work.values, step) for step in range(1, VALIDATIONS + 1)]
        if number == 6:
            study.finish(work, 'fail', None, 'out of memory')
            continue
        known = values[:2] if number == 5 else values
        study.report(work, known)
        study.finish(work, 'pruned' if number == 5 else 'complete', None if number == 5 else max(values), '')
    return study


def block(study: Study, kind: type, title: str = ''):
    sections = make_sections(study, trial_rows(study), compute_importances(study))
    return next(one for section in sections for one in section.blocks if isinstance(one, kind) and title in one.title)


def test_rows_have_what_happened(study):
    rows = trial_rows(study)
    assert [row.state for row in rows] == ['finished'] * 5 + ['pruned', 'failed'] + ['finished'] * 3
    for row in rows:
        if row.state != 'failed':
            wanted = [result(row.values, step) for step in range(1, len(row.validations) + 1)]
            assert row.validations == pytest.approx(wanted) and row.value == pytest.approx(max(wanted))
    assert (rows[6].value, rows[6].reason, rows[6].folder) == (None, 'out of memory', 'trial_006')
    assert len(rows[5].validations) == 2 and rows[0].minutes == pytest.approx(0, abs=0.2)


def test_importances_tell_what_matters(tmp_path):
    """The result falls by 10 a decade of lr, over 5 decades, and by 0.4 at most with drop_path."""
    study = Study(tmp_path, None, plan())
    for _ in range(30):
        work = study.claim(30)
        study.finish(work, 'complete', result(work.values, VALIDATIONS), '')
    found = compute_importances(study)
    assert list(found.shares) == ['lr', 'drop_path'] and sum(found.shares.values()) == pytest.approx(1)
    assert found.shares['lr'] > 0.75
    assert (found.method, found.are_sure) == ('fANOVA of 30 trials', True)


def test_importances_of_few_trials_are_a_hint(study):
    found = compute_importances(study)
    assert found.method == 'fANOVA of 8 trials, of which fewer than 20 give a hint at most' and not found.are_sure
    assert make_sections(study, trial_rows(study), found)[1].lead == ''


def test_importances_need_some_trials_that_differ(tmp_path):
    study = Study(tmp_path, None, plan())
    for number in range(5):
        assert compute_importances(study).shares == {}
        if number < 4:
            assert compute_importances(study).method == f'importances need 4 finished trials, there are {number}'
        else:
            assert compute_importances(study).method == 'all trials have the same result, so that no setting matters'
        study.finish(study.claim(5), 'complete', 1.0, '')


def test_importances_without_scikit_learn_or_all_parameters_are_by_another_method(study, monkeypatch):
    import optuna.importance

    def absent(**_):
        raise ImportError

    monkeypatch.setattr(optuna.importance, 'FanovaImportanceEvaluator', absent)
    found = compute_importances(study)
    assert found.method.startswith('PED-ANOVA') and sum(found.shares.values()) == pytest.approx(1)


def test_table_has_a_row_a_trial(study):
    table = block(study, Table)
    names = [column.name for column in table.columns]
    assert names == ['trial', 'raw/top1', 'lr', 'drop_path', 'state', 'validations', 'minutes', 'why']
    assert [cells[-1] for cells in table.rows if cells[-1]] == ['out of memory']
    (marked,) = table.marked
    finished = [row for row in trial_rows(study) if row.state == 'finished']
    assert table.rows[marked][0] == max(finished, key=lambda row: row.value).number
    for row, cells in zip(trial_rows(study), table.rows, strict=True):
        best = ', the best' if row.number == marked else ''
        assert cells[:5] == [row.number, row.value, row.values['lr'], row.values['drop_path'], row.state + best]


def test_history_never_falls(study):
    chart = block(study, Chart, 'History')
    series = {one.name: one for one in chart.series}
    finished = [row for row in trial_rows(study) if row.state == 'finished']
    assert series['finished'].y == [row.value for row in finished]
    assert series['pruned'].x == [5]
    best = np.maximum.accumulate([row.value if row.state == 'finished' else -math.inf for row in trial_rows(study)])
    assert series['best so far'].y == best.tolist()


def test_lr_is_drawn_over_a_log_axis(study):
    chart = block(study, Chart, 'lr and')
    assert chart.x.log and not block(study, Chart, 'drop_path and').x.log
    assert chart.series[0].x == [row.values['lr'] for row in trial_rows(study) if row.state == 'finished']


def test_parallel_view_has_a_line_for_each_measured_trial(study):
    view = block(study, Parallel)
    assert [axis.label for axis in view.axes] == ['lr', 'drop_path', 'raw/top1']
    assert (view.axes[0].low, view.axes[0].high, view.axes[0].log) == (*RANGES['lr'], True)
    measured = [row for row in trial_rows(study) if row.value is not None]
    assert view.rows == [[row.values['lr'], row.values['drop_path'], row.value] for row in measured]
    assert view.names == [row.folder for row in measured] and view.higher_is_better


def test_lead_compares_with_the_config(study):
    section = make_sections(study, trial_rows(study), compute_importances(study))[0]
    best, first = study.best, trial_rows(study)[0]
    assert section.lead == (
        f'trial_{best.number:03d} is the best of 10 trials: raw/top1 {best.value:.2f}, {first.value:.2f} with the '
        'settings of the config'
    )


def test_document_is_json_without_nan(study, tmp_path):
    content = document(study, 'convnext-dense tune', {}, 'convnext-dense train')
    content['trials'][0]['validations'] = [float('nan'), 1.0]
    file = write_document(content, tmp_path)
    read = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert read['trials'][0]['validations'] == [None, 1.0]
    assert read['best']['number'] == study.best.number and read['best']['command'] == 'convnext-dense train'
    assert read['ranges'] == {'lr': [1e-6, 0.1], 'drop_path': [0, 0.4]}
    assert [section['id'] for section in read['sections']] == ['tune', 'tune-importance', 'tune-settings']


def test_study_without_results_has_a_table(tmp_path):
    study = Study(tmp_path, None, plan())
    assert make_sections(study, [], compute_importances(study))[0].lead == '0 trials, none of them finished'
    study.finish(study.claim(1), 'fail', None, 'x')
    content = document(study, '', {})
    assert content['best'] is None and len(content['sections']) == 2
