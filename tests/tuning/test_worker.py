import threading
from contextlib import suppress
from functools import partial

import pytest

from convnext_dense.errors import UserError
from convnext_dense.tasks.tuned import Tuned
from convnext_dense.tuning.study import Study
from convnext_dense.tuning.worker import StudyStopped, run_trials, trial_options
from tests.helpers.fake_training import OWN, VALIDATIONS, Failing, FakeTraining, Silent, arguments_of, plan, result


def go(study, total, start=FakeTraining, progress=None, stops=lambda: False):
    run_trials(study, total, start, arguments_of, progress or Silent(), stops, poll=0)


def values_of(study: Study) -> list[dict]:
    return [trial.user_attrs['values'] for trial in study.trials()]


def test_better_lr_than_a_bad_start_is_found(tmp_path):
    study = Study(tmp_path, None, plan())
    progress = Silent()
    go(study, 10, progress=progress)
    assert [number for number, _, _ in progress.ends] == list(range(10))
    first, best = study.trials()[0], study.best
    assert first.value == pytest.approx(result({'lr': 1e-5, 'drop_path': 0.1}, VALIDATIONS))
    assert best.value > first.value + 10, 'the lr is closer to 1e-3'
    assert best.value == max(value for _, _, value in progress.ends)


def test_interrupted_study_goes_on_as_one_that_was_not(tmp_path):
    whole = Study(tmp_path / 'whole', None, plan())
    go(whole, 6)
    FakeTraining.started.clear()
    for after in (3, 10, 17, 1000):  # looks until it is asked to stop
        looks = iter([False] * after + [True] * 10**6)
        study = Study(tmp_path / 'cut', None, plan())
        with suppress(StudyStopped):
            go(study, 6, stops=partial(next, looks))
    assert values_of(study) == values_of(whole)
    assert [trial.value for trial in study.trials()] == [trial.value for trial in whole.trials()]
    assert [trial.intermediate_values for trial in study.trials()] == [
        trial.intermediate_values for trial in whole.trials()
    ]
    folders = [folder for folder, _ in FakeTraining.started]
    resumed = [(folder, done) for folder, done in FakeTraining.started if done]
    assert len(folders) > 6 and sorted(set(folders)) == [f'trial_00{k}' for k in range(6)]
    assert len(resumed) == len(folders) - 6, 'each start but the first of a trial goes on where it was'


def test_bad_trials_are_pruned(tmp_path):
    study = Study(tmp_path, None, plan(pruner='median'))
    progress = Silent()
    go(study, 16, progress=progress)
    pruned = [trial for trial in study.trials() if trial.state.name == 'PRUNED']
    assert pruned and all(len(trial.intermediate_values) < VALIDATIONS for trial in pruned)
    assert (
        pruned[0].user_attrs['reason'] == f'worse than others after {len(pruned[0].intermediate_values)} validations'
    )
    assert all(trial.value < study.best.value for trial in pruned)


def sometimes(bad: set[int], folder, arguments):
    return (Failing if int(folder.name[-3:]) in bad else FakeTraining)(folder, arguments)


def test_failed_trials_are_kept_and_the_study_goes_on(tmp_path):
    study = Study(tmp_path, None, plan())
    progress = Silent()
    go(study, 6, partial(sometimes, {1, 2, 4}), progress)
    assert [state for _, state, _ in progress.ends] == ['complete', 'fail', 'fail', 'complete', 'fail', 'complete']
    failed = study.trials()[1]
    assert (failed.state.name, failed.user_attrs['reason']) == ('FAIL', 'the loss is NaN')
    assert study.best.state.name == 'COMPLETE'


def test_three_failures_in_a_row_end_the_study(tmp_path):
    study = Study(tmp_path, None, plan())
    with pytest.raises(
        UserError, match=r'^3 trials in a row have failed, the last one \(.*trial_003\) since: the loss'
    ):
        go(study, 9, partial(sometimes, {1, 2, 3, 4}))
    assert len(study.trials()) == 4


@pytest.mark.parametrize(
    ('line', 'begins', 'why'),
    [
        ('error: no data set at x', False, 'no data set at x'),
        ('error: x (No space left on device)', True, r'x \(No space left on device\)'),
    ],
)
def test_refused_input_and_full_disks_end_the_study_and_the_trial_is_taken_up(tmp_path, line, begins, why):
    kind = type('Kind', (Failing,), dict(line=line, begins=begins))
    study = Study(tmp_path, None, plan())
    with pytest.raises(UserError, match=f'^trial_000 cannot be trained: {why}$'):
        go(study, 3, kind)
    study = Study(tmp_path, None, plan())
    go(study, 3)
    assert [trial.state.name for trial in study.trials()] == ['COMPLETE'] * 3


def test_study_that_has_trained_nothing_makes_room_for_other_settings(tmp_path):
    kind = type('Kind', (Failing,), dict(line='error: no --epochs here', begins=False))
    with pytest.raises(UserError):
        go(Study(tmp_path, None, plan(settings={'arguments': '--epochs 3'})), 3, kind)
    go(Study(tmp_path, None, plan(settings={'arguments': '--iters 3'})), 3)


def test_two_workers_run_each_trial_once(tmp_path):
    FakeTraining.started.clear()
    progress = [Silent(), Silent()]
    errors = []

    def work(own: Silent) -> None:
        try:
            go(Study(tmp_path, None, plan()), 10, progress=own)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(own,)) for own in progress]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not errors
    assert sorted(folder for folder, _ in FakeTraining.started) == [f'trial_{k:03d}' for k in range(10)]
    assert sum(len(one.ends) for one in progress) == 10


def test_error_of_the_storage_ends_the_process_too(tmp_path, monkeypatch):
    study, processes = Study(tmp_path, None, plan()), []

    def start(folder, arguments):
        processes.append(FakeTraining(folder, arguments))
        return processes[0]

    def report(*_):
        raise UserError('the study cannot be written')

    monkeypatch.setattr(Study, 'report', report)
    with pytest.raises(UserError, match='the study cannot be written'):
        go(study, 1, start)
    assert processes[0].code == -9


def test_options_of_a_trial_are_what_differs_from_the_config():
    assert trial_options({'lr': 1e-5, 'drop_path': 0.1}, OWN, {}) == []
    assert trial_options({'lr': 2e-3, 'drop_path': 0.1}, OWN, {'a.b': 'raw/top1'}) == ['a.b=raw/top1', 'lr=0.002']
    both = {'x': Tuned(1, lambda value: {'p.scales': [(1, 2), (3, 4)], 'q': (0.5, 2.0)})}
    assert trial_options({'x': 2}, both, {}) == ['p.scales=[(1,2),(3,4)]', 'q=(0.5,2)']
