"""Schedulers of a resumed run go on as they would have, or are refused."""

import pytest
import torch
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.registry import PARAM_SCHEDULERS

from convnext_dense.checkpoints.content import plain
from convnext_dense.checkpoints.resume import check_same_schedule, restore_schedulers
from convnext_dense.compat.mmengine_private_names import SCHEDULER_PROGRESS
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers import toy
from tests.helpers.small_run import differences

SETTINGS = {
    'Constant': dict(factor=0.5, end=6),
    'CosineAnnealing': dict(T_max=8, eta_min=0.01),
    'CosineRestart': dict(periods=[3, 4, 5], restart_weights=[1, 0.5, 0.2], eta_min=0.0),
    'Exponential': dict(gamma=0.8),
    'Linear': dict(start_factor=0.2, end=7),
    'MultiStep': dict(milestones=[3, 6, 6, 7], gamma=0.5),
    'OneCycle': dict(eta_max=0.5, total_steps=12),
    'Poly': dict(power=2.0, end=9),
    'ReduceOnPlateau': dict(monitor='score', rule='greater', factor=0.5, patience=1),
    'Step': dict(step_size=2, gamma=0.5),
}
SCORES = (1.0, 2.0, 1.5, 1.0, 1.0, 1.0, 3.0, 2.0, 2.0, 2.0)
SCHEDULERS = sorted(name for name, one in PARAM_SCHEDULERS.module_dict.items() if issubclass(one, _ParamScheduler))


def parameter_of(name: str) -> str:
    return 'momentum' if name.endswith('Momentum') else 'lr'


def scheduled(name: str):
    """An optimizer wrapper and its scheduler, by the name that mmengine registers it with."""
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [dict(params=[weight], lr=lr) for weight, lr in zip(weights, (0.1, 0.02), strict=True)]
    wrapper = OptimWrapper(torch.optim.SGD(groups, lr=0.1, momentum=0.9))
    kind = name.removesuffix('LR').removesuffix('Momentum').removesuffix('ParamScheduler')
    generic = dict(param_name='lr') if name.endswith('ParamScheduler') else {}
    cfg = dict(type=name, optimizer=wrapper, **SETTINGS[kind], **generic)
    return wrapper, PARAM_SCHEDULERS.build(cfg)


def values(name: str, wrapper, scheduler, steps: range) -> list[list[float]]:
    """Each group's lr, or momentum, after each of these steps."""
    trace = []
    for step in steps:
        wrapper.optimizer.step()
        scheduler.step()
        if getattr(scheduler, 'need_val_args', False):
            scheduler.step({'score': SCORES[step]})
        trace.append([group[parameter_of(name)] for group in wrapper.param_groups])
    return trace


def as_text(value):
    """Keys as text, as checkpoints had them before."""
    if isinstance(value, dict):
        return {str(key): as_text(v) for key, v in value.items()}
    return [as_text(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize('older', [False, True])
@pytest.mark.parametrize('done', [1, 4, 7])
@pytest.mark.parametrize('name', SCHEDULERS)
def test_each_scheduler_of_mmengine_continues_as_it_would_have(name, done, older, tmp_path):
    expected = values(name, *scheduled(name), range(10))
    assert len({tuple(step) for step in expected}) > 1
    wrapper, scheduler = scheduled(name)
    assert values(name, wrapper, scheduler, range(done)) == expected[:done]
    state = plain(scheduler.state_dict())
    content = {'optimizer': wrapper.state_dict(), 'param_schedulers': [as_text(state) if older else state]}
    torch.save(content, tmp_path / 'x.pth')

    content = torch.load(tmp_path / 'x.pth', weights_only=True)
    wrapper, scheduler = scheduled(name)
    settings = {key: value for key, value in vars(scheduler).items() if key not in SCHEDULER_PROGRESS}
    wrapper.load_state_dict(content['optimizer'])
    restore_schedulers([scheduler], content['param_schedulers'])
    assert values(name, wrapper, scheduler, range(done, 10)) == expected[done:]
    assert {key: value for key, value in vars(scheduler).items() if key not in SCHEDULER_PROGRESS} == settings


def test_other_milestones_are_refused():
    _, scheduler = scheduled('MultiStepLR')
    state = plain(scheduler.state_dict())
    for milestones in ({3: 1, 6: 2, 8: 1}, {'3': 1, '6': 1, '7': 1}):
        with pytest.raises(UserError, match='had another learning rate'):
            restore_schedulers([scheduler], [{**state, 'milestones': milestones}])


def test_a_schedule_that_another_version_fitted_goes_on_with_its_own_config():
    _, scheduler = scheduled('LinearLR')
    state = plain(scheduler.state_dict())
    for changes in ({'end': state['end'] - 1, 'total_iters': state['total_iters'] - 1}, {'begin': 1}, {'end': 99}):
        _, scheduler = scheduled('LinearLR')
        older = {**state, **changes, 'last_step': 2}
        with pytest.raises(UserError, match=r'the run had a (warm-up|part)'):
            restore_schedulers([scheduler], [older])
        line = restore_schedulers([scheduler], [older], same_config=True)
        assert line is not None and 'goes on as its own version fitted it: it had a' in line
        assert {key: scheduler.state_dict()[key] for key in older if key != 'verbose'} == {
            key: value for key, value in older.items() if key != 'verbose'
        }
    with pytest.raises(UserError, match='had another learning rate'):
        restore_schedulers(scheduled('LinearLR')[1:], [{**state, 'base_values': [1.0, 1.0]}], same_config=True)


@pytest.mark.parametrize(
    ('saved', 'own', 'said'),
    [
        (
            dict(start_factor=0.1, begin=0, end=500, total_iters=499),
            dict(start_factor=0.1, begin=0, end=501, total_iters=500),
            'a warm-up of 499 steps and now has one of 500:',
        ),
        (dict(power=1, begin=1500), dict(power=1, begin=0), 'a part from step 1500 and now has it from step 0:'),
        (
            dict(by_epoch=True, begin=0, end=36),
            dict(by_epoch=True, begin=0, end=24),
            'a part up to epoch 36 and now has it up to epoch 24:',
        ),
        (dict(gamma=0.1), dict(gamma=0.2), 'another learning rate or warm-up:'),
    ],
)
def test_what_differs_of_a_schedule_is_named(saved, own, said):
    with pytest.raises(UserError, match=said) as error:
        check_same_schedule([saved], [own], 'the config X')
    assert 'its own schedule, epochs, batch and lr: resume with the config X; to change them' in str(error.value)
    with pytest.raises(UserError, match='a schedule of 1 part and now has one of 2'):
        check_same_schedule([saved], [saved, own])


def test_milestones_after_the_cut_still_lower_the_lr(tmp_path):
    uncut, cut = tmp_path / 'uncut', tmp_path / 'cut'
    toy.runner(uncut, {}, epochs=2, halved=11).train()
    cut.mkdir()
    content = torch.load(uncut / 'epoch_1.pth', weights_only=True)
    content['param_schedulers'] = as_text(content['param_schedulers'])  # an older checkpoint
    torch.save(content, cut / 'epoch_1.pth')
    toy.runner(cut, {}, epochs=2, halved=11, resume=True).train()
    lrs = [value for _, value in read_scalars(uncut)['train/lr']]
    assert lrs == pytest.approx([toy.LR] * 11 + [toy.LR / 2] * 5)
    assert [value for _, value in read_scalars(cut)['train/lr']] == lrs[8:]
    one, other = (torch.load(folder / 'epoch_2.pth', weights_only=True) for folder in (uncut, cut))
    assert not differences(one['state_dict'], other['state_dict'])
    assert not differences(one['param_schedulers'], other['param_schedulers'])
