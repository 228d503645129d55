import pytest

from convnext_dense.diagnosis.run_facts import RunFacts


def test_the_better_curve_is_watched():
    run = RunFacts(raw=[(1, 50.0), (2, 70.0)], ema=[(1, 10.0), (2, 69.0)])
    assert run.watched == run.raw
    assert RunFacts(ema=[(1, 0.0)]).watched == [(1, 0.0)]
    assert RunFacts().watched == ()


def test_mean_loss_of_a_part():
    run = RunFacts(losses=[(1, 4.0), (2, 3.0), (3, 2.0), (4, 9.0)])
    assert run.mean_loss(1, 3) == pytest.approx(2.5)
    assert run.mean_loss(4, 9) is None


def test_the_small_recipe_is_a_flag():
    assert RunFacts(flags={'--recipe': 'small'}).has_small_recipe
    assert not RunFacts(flags={'--recipe': 'other'}).has_small_recipe and not RunFacts().has_small_recipe
