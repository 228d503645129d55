import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.tuning import study as module
from convnext_dense.tuning.ranges import Range
from convnext_dense.tuning.study import BEAT_KEY, WORKER_KEY, Study
from tests.helpers.fake_training import RANGES, VALIDATIONS, plan

HOLDER = """
import sys, time
from tests.helpers.fake_training import plan
from convnext_dense.tuning.study import Study
study = Study(sys.argv[1], None, plan())
work = study.claim(3)
study.report(work, [1.0])
print(work.number, work.values['lr'], flush=True)
time.sleep(600)
"""


def take(study: Study, total: int = 10, value: float = 1.0):
    work = study.claim(total)
    study.finish(work, 'complete', value, '')
    return work


def test_first_trial_has_the_own_values_and_others_are_in_range(tmp_path):
    study = Study(tmp_path, None, plan())
    works = [take(study, 12, value) for value in range(12)]
    assert works[0].values == {'lr': 1e-5, 'drop_path': 0.1}
    assert [work.number for work in works] == list(range(12))
    assert [work.folder.name for work in works[:2]] == ['trial_000', 'trial_001']
    for work in works:
        assert all(work.values[name] in RANGES[name] for name in RANGES)
    lrs = [work.values['lr'] for work in works[1:]]
    assert len(set(lrs)) == 11 and max(lrs) / min(lrs) > 100, 'spread over decades'
    assert study.claim(12) is None
    assert study.best.number == 11


def test_parameters_follow_from_seed_and_results(tmp_path):
    one, other = (Study(tmp_path / name, None, plan()) for name in 'ab')
    values = [[take(study, 9, float(k % 4)).values for k in range(9)] for study in (one, other)]
    assert values[0] == values[1]
    third = Study(tmp_path / 'c', None, plan(seed=1))
    assert [take(third, 9, float(k % 4)).values for k in range(9)][1:] != values[0][1:]


def test_study_that_is_opened_anew_goes_on_as_one_that_was_not(tmp_path):
    whole = Study(tmp_path / 'whole', None, plan())
    wanted = [take(whole, 8, float(k % 3)).values for k in range(8)]
    found = []
    for k in range(8):
        study = Study(tmp_path / 'cut', None, plan())
        if k % 2:
            work = study.claim(8)  # given up without a result, as by a process that ends
            study.release(work)
            study = Study(tmp_path / 'cut', None, plan())
        found.append(take(study, 8, float(k % 3)).values)
    assert found == wanted


def test_trial_of_a_running_process_is_left_alone_and_taken_up_when_it_is_killed(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        number, lr = process.stdout.readline().split()
        study = Study(tmp_path, None, plan())
        other = study.claim(3)
        assert (int(number), other.number, other.resumed) == (0, 1, False)
        study.finish(other, 'complete', 1.0, '')
        process.send_signal(signal.SIGKILL)
        process.wait()
        again = study.claim(3)
        assert (again.number, again.resumed, again.values['lr']) == (0, True, float(lr))
        assert study.trials()[0].intermediate_values == {1: 1.0}
        study.report(again, [1.0, 2.0])
        study.finish(again, 'complete', 2.0, '')
        assert [trial.intermediate_values for trial in study.trials()][:2] == [{1: 1.0, 2: 2.0}, {}]
        assert take(study, 3).number == 2 and study.claim(3) is None
    finally:
        process.kill()


def test_trial_of_another_machine_is_taken_up_when_it_gives_no_sign(tmp_path, monkeypatch):
    study = Study(tmp_path, None, plan())
    work = study.claim(1)
    study.release(work)
    elsewhere = {'host': 'elsewhere', 'folder': '/elsewhere/trial_000', 'process': 1, 'at': 0.0}
    work.trial.set_user_attr(WORKER_KEY, elsewhere)
    assert study.claim(1) is None, 'it was there a moment ago'
    work.trial.set_user_attr(BEAT_KEY, time.time() - module.STALE - 1)
    taken = study.claim(1)
    assert (taken.number, taken.resumed) == (0, True)
    assert taken.trial.user_attrs[WORKER_KEY]['host'] != 'elsewhere'


def test_signs_of_life_are_written_now_and_then(tmp_path, monkeypatch):
    study = Study(tmp_path, None, plan())
    work = study.claim(1)
    before = work.trial.user_attrs[BEAT_KEY]
    study.beat(work)
    assert work.trial.user_attrs[BEAT_KEY] == before
    work.beaten_at -= module.BEAT + 1
    study.beat(work)
    assert work.trial.user_attrs[BEAT_KEY] > before


@pytest.mark.parametrize('url', [None, 'sqlite'])
def test_workers_share_the_trials(tmp_path, url):
    total, taken, errors = 12, [], []
    url = url and f'sqlite:///{tmp_path}/study.db'

    def work_through() -> None:
        try:
            study = Study(tmp_path, url, plan())
            while work := study.claim(total):
                taken.append(work.number)
                time.sleep(0.005)
                study.finish(work, 'complete', float(work.number), '')
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work_through) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert sorted(taken) == list(range(total)), Counter(taken)
    finished = [trial for trial in Study(tmp_path, url, plan()).trials() if trial.state.name == 'COMPLETE']
    assert [trial.number for trial in finished] == list(range(total))


def test_more_trials_continue_a_study(tmp_path):
    study = Study(tmp_path, None, plan())
    for _ in range(3):
        take(study, 3)
    assert study.claim(3) is None
    assert take(Study(tmp_path, None, plan()), 4).number == 3


def test_own_value_outside_of_its_range_is_tried_and_no_parameter(tmp_path):
    study = Study(tmp_path, None, plan(ranges={**RANGES, 'lr': Range(1e-4, 1e-2)}))
    first = take(study, 9, 5.0)
    assert first.values == {'lr': 1e-5, 'drop_path': 0.1}
    assert study.trials()[0].params == {'drop_path': 0.1}
    assert all(1e-4 <= take(study, 9, float(k)).values['lr'] <= 1e-2 for k in range(8))


@pytest.mark.parametrize(
    ('change', 'line'),
    [
        (
            dict(ranges={**RANGES, 'lr': Range(1e-4, 1e-1)}),
            'searches lr in 1e-06:0.1 and this command in 0.0001:0.1: continue it with --search lr=1e-06:0.1',
        ),
        (
            dict(ranges={'lr': RANGES['lr']}),
            'searches drop_path in 0:0.4 and this command does not: continue it with --search drop_path=0:0.4 '
            '--only lr,drop_path',
        ),
        (
            dict(ranges={**RANGES, 'mixup': Range(0, 1)}, own={'lr': 1e-5, 'drop_path': 0.1, 'mixup': 1.0}),
            'does not search mixup as this command does: continue it with --only lr,drop_path',
        ),
        (dict(pruner='median'), "has pruner 'none', not 'median': use the same settings"),
        (dict(seed=3), "has seed '0', not '3': use the same settings"),
        (dict(settings={'config': 'xyz'}), "has config 'abc', not 'xyz': use the same settings"),
    ],
)
def test_study_with_other_settings_is_refused(tmp_path, change, line):
    Study(tmp_path, None, plan())
    with pytest.raises(UserError) as error:
        Study(tmp_path, None, plan(**change))
    assert str(error.value) == (f'the study study in {tmp_path} {line}, or choose another folder with --work-dir')


def test_run_in_the_folder_is_refused(tmp_path):
    (tmp_path / 'commands.txt').write_text('convnext-dense train')
    with pytest.raises(UserError, match=r'holds a training run \(commands.txt\): choose another with --work-dir'):
        Study(tmp_path, None, plan())


def test_study_of_another_program_is_refused(tmp_path):
    import optuna

    other = optuna.create_study(storage=f'sqlite:///{tmp_path}/study.db', study_name='study')
    other.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(UserError, match='is not one of tune: choose another with --study'):
        Study(tmp_path, f'sqlite:///{tmp_path}/study.db', plan())


def test_median_pruner_compares_with_the_median_of_the_others(tmp_path):
    """The reference: at a validation after the warm-up, the best value so far is below the median of the finished."""
    rng = np.random.default_rng(0)
    study = Study(tmp_path, None, plan(pruner='median', validations=10))
    curves, states = [], []
    for number in range(12):
        curve = (np.sort(rng.uniform(0, 50, 10)) + rng.uniform(0, 30)).tolist()
        finished = [one for one, state in zip(curves, states, strict=True) if state == 'complete']
        wanted = None
        for step in range(3, 10):  # a fifth of 10 is the warm-up, and the last is the end anyway
            if len(finished) >= 5 and max(curve[:step]) < np.median([one[step - 1] for one in finished]):
                wanted = step
                break
        work = study.claim(12)
        pruned = next((step for step in range(1, 11) if study.report(work, curve[:step])), None)
        assert pruned == wanted, number
        states.append('pruned' if pruned else 'complete')
        curves.append(curve)
        study.finish(work, states[-1], None if pruned else max(curve), '')
    assert states.count('pruned') >= 2 and states[:5] == ['complete'] * 5


def test_pruning_does_not_depend_on_how_many_values_come_at_once(tmp_path):
    pruned = []
    for folder, at_once in (('one', 1), ('all', 4)):
        study = Study(tmp_path / folder, None, plan(pruner='median'))
        for _ in range(5):
            work = study.claim(6)
            study.report(work, [10.0, 20.0, 30.0, 40.0])
            study.finish(work, 'complete', 40.0, '')
        work, bad = study.claim(6), [1.0, 2.0, 3.0, 4.0]
        said = [study.report(work, bad[:count]) for count in range(at_once, 5, at_once)]
        pruned.append((any(said), study.trials()[5].intermediate_values))
    assert pruned[0][0] and pruned[1] == (True, {1: 1.0, 2: 2.0})


def test_lowest_value_is_the_best_where_less_is_better(tmp_path):
    study = Study(tmp_path, None, plan())
    object.__setattr__(study.plan, 'rule', 'less')
    for value in (3.0, 1.0, 2.0):
        take(study, 3, value)
    assert study.best.number == 1


def test_storage_has_what_a_study_is(tmp_path):
    Study(tmp_path, None, plan())
    lines = [json.loads(line) for line in (tmp_path / 'study.log').read_text().splitlines()]
    assert any(line.get('user_attr', {}).get('settings', {}).get('config') == 'abc' for line in lines)
    assert plan().validations == VALIDATIONS and os.path.isfile(tmp_path / 'study.log') and Path(tmp_path).is_dir()
