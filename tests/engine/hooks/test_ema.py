"""The moving average of the weights."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from convnext_dense.engine import EMA
from convnext_dense.errors import UserError

TAKEN = SimpleNamespace(taken=True)


class Warnings(list):
    def warning(self, message: str) -> None:
        self.append(message)


def runner(max_iters: int = 100_000) -> SimpleNamespace:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    loop = SimpleNamespace(last_step=TAKEN)
    return SimpleNamespace(model=model, max_iters=max_iters, iter=0, logger=Warnings(), _resume=False, train_loop=loop)


def step(run: SimpleNamespace) -> None:
    with torch.no_grad():
        for p in run.model.parameters():
            p.add_(torch.randn_like(p))
    run.model[1].running_mean.add_(1)


def test_average_follows_the_formula_from_the_initial_weights_and_copies_buffers():
    run, ema = runner(), EMA(momentum=0.1)
    ema.before_train(run)
    expected = run.model[0].weight.detach().clone()
    for _ in range(5):
        step(run)
        ema.after_train_iter(run)
        expected = 0.9 * expected + 0.1 * run.model[0].weight.detach()
    assert torch.allclose(ema.average['0.weight'], expected, atol=1e-6)
    assert ema.average['1.running_mean'].tolist() == [5, 5]


def test_applied_swaps_in_the_average_and_puts_the_weights_back_even_after_an_error():
    run, ema = runner(), EMA(momentum=0.5)
    ema.before_train(run)
    step(run)
    ema.after_train_iter(run)
    raw = {n: t.clone() for n, t in run.model.state_dict().items()}
    with pytest.raises(KeyError), ema.applied(run.model):
        assert torch.equal(run.model[0].weight, ema.average['0.weight'])
        raise KeyError
    assert all(torch.equal(t, raw[n]) for n, t in run.model.state_dict().items())
    assert not torch.equal(raw['0.weight'], ema.average['0.weight'])


def test_average_is_saved_and_restored_exactly_and_goes_on():
    run, ema = runner(), EMA(momentum=0.3)
    ema.before_train(run)
    step(run)
    ema.after_train_iter(run)
    checkpoint = {'state_dict': run.model.state_dict()}
    ema.before_save_checkpoint(run, checkpoint)
    saved = {n: t.clone() for n, t in checkpoint['ema_state_dict'].items()}

    resumed = EMA(momentum=0.3)
    run._resume = True
    resumed.after_load_checkpoint(run, checkpoint)
    resumed.before_train(run)  # must not start again from the raw weights
    assert all(torch.equal(t, saved[n]) for n, t in resumed.average.items())
    step(run)
    resumed.after_train_iter(run)
    ema.after_train_iter(run)
    assert torch.equal(resumed.average['0.weight'], ema.average['0.weight'])


def test_a_fresh_run_from_a_checkpoint_starts_a_fresh_average():
    run, ema = runner(), EMA()
    ema.after_load_checkpoint(run, {'ema_state_dict': {n: t + 5 for n, t in run.model.state_dict().items()}})
    ema.before_train(run)
    assert torch.equal(ema.average['0.weight'], run.model[0].weight)


def test_average_of_another_model_is_an_error():
    ema = EMA()
    ema.average = {'other': torch.zeros(1)}
    with pytest.raises(UserError, match='another model'), ema.applied(runner().model):
        pass


def test_an_average_longer_than_the_run_is_warned_of():
    short, long = runner(max_iters=200), runner(max_iters=94_000)
    EMA(momentum=1e-4).before_train(short)
    EMA(momentum=1e-4).before_train(long)
    assert 'about 10000 steps, and this run has 200' in short.logger[0]
    assert not long.logger


def test_the_momentum_comes_down_from_one_as_mmdets():
    """Beside mmdet's own average, which copies the weights in its first step, where ours averages."""
    from mmdet.models.layers import ExpMomentumEMA

    torch.manual_seed(0)
    run, ema = runner(), EMA(momentum=2e-4, gamma=5)
    theirs = ExpMomentumEMA(run.model, momentum=2e-4, gamma=5)
    ema.before_train(run)
    for number in range(12):
        run.iter = number
        step(run)
        ema.after_train_iter(run)
        if number == 0:
            share = (1 - 2e-4) * math.exp(-1 / 5) + 2e-4
            initial = theirs.module[0].weight.detach()
            expected = (1 - share) * initial + share * run.model[0].weight.detach()
            assert torch.allclose(ema.average['0.weight'], expected, atol=1e-6)
            ema.average = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
        theirs.update_parameters(run.model)
        assert torch.allclose(ema.average['0.weight'], theirs.module[0].weight, atol=1e-5), number
    with pytest.raises(UserError, match=r'default_hooks\.ema\.gamma 0: take a number of steps above 0'):
        EMA(gamma=0)
