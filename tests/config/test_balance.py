"""``--balance`` in configs: the strength of each task, what contradicts it, and that of a resumed run."""

import pytest

from convnext_dense.config.balance import keep_balance, set_balance
from convnext_dense.config.read import read_config
from convnext_dense.engine.settings import check_settings
from convnext_dense.errors import UserError
from tests.config.test_compare import CASCADE, UPERNET, write_run
from tests.config.test_patience import PANOPTIC
from tests.helpers.run_tool import ATTO


def config(name: str = ATTO):
    return read_config(name, needs_data=False)


@pytest.mark.parametrize(('name', 'strength'), [(ATTO, 1.0), (CASCADE, 0.5), (UPERNET, 0.5), (PANOPTIC, 0.5)])
def test_the_strength_is_that_of_the_task_or_the_given_one(name, strength):
    cfg = config(name)
    set_balance(cfg, None)
    assert cfg.train_dataloader.sampler == dict(type='convnext_dense.SeededSampler', shuffle=True, balance=strength)
    check_settings({**cfg, 'cfg': cfg})
    set_balance(cfg, 0.25)
    assert cfg.train_dataloader.sampler.balance == 0.25
    assert 'balance' not in cfg.val_dataloader.sampler


def test_what_contradicts_it_is_refused():
    with pytest.raises(UserError, match=r'--balance 0\.5 and --cfg-options .*\.balance=\.\.\. both say how classes'):
        set_balance(config(), 0.5, ['train_dataloader.sampler.balance'])
    cfg = config()
    cfg.train_dataloader.sampler.type = 'DefaultSampler'
    with pytest.raises(UserError, match=r'--balance: train_dataloader\.sampler is DefaultSampler: take dict'):
        set_balance(cfg, None)


def test_a_resumed_run_keeps_it_with_its_threshold_unless_the_config_states_one(tmp_path):
    cfg = config(CASCADE)
    assert keep_balance(config(CASCADE), write_run(tmp_path / 'none', cfg)) is None
    set_balance(cfg, 0.5)
    cfg.train_dataloader.sampler.balance_threshold = 0.001
    run = write_run(tmp_path / 'run', cfg)
    again = config(CASCADE)
    assert keep_balance(again, run) == '--balance 0.5 is kept, which the run had'
    assert again.train_dataloader.sampler == cfg.train_dataloader.sampler
    again.train_dataloader.sampler = dict(type='convnext_dense.SeededSampler', shuffle=True, balance=None)
    assert keep_balance(again, run) is None and again.train_dataloader.sampler.balance is None
    assert keep_balance(config(CASCADE), tmp_path / 'nowhere') is None
