"""The process that tries batches: real training steps of a small classifier, and what happens when they fail."""

import os

import pytest

from convnext_dense.config import batch_process
from convnext_dense.config.batch import find_batch
from convnext_dense.config.batch_process import TrialProcess
from convnext_dense.config.machine import fit_to_machine
from convnext_dense.config.precision import set_amp
from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ATTO

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
MIB = 2**20


@pytest.fixture
def cfg(image_folder, tmp_path):
    options = {
        'model.backbone.arch': dict(_delete_=True, depths=[1, 1, 1, 1], dims=[16, 16, 16, 16]),
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'train_cfg.total_batch_size': 8,
        'default_hooks.ema.momentum': 0.1,
    }
    cfg = read_config(ATTO, options, str(image_folder), reads='train')
    set_amp(cfg, 'off')
    cfg.work_dir, cfg.launcher = str(tmp_path / 'run'), 'none'
    fit_to_machine(cfg)
    return cfg


def test_memory_grows_with_the_batch_and_the_run_is_not_touched(cfg, tmp_path):
    before = cfg.pretty_text
    with TrialProcess(cfg) as process:
        facts = process.start()
        assert facts.images == 48 and facts.size == (224, 224)
        assert facts.image_bytes == 3 * 224 * 224 * 4
        odd, *trials = [process.try_batch(batch) for batch in (1, 2, 8, 16)]
    assert 'the batch size must be even' in odd.error  # of Mixup
    used = [trial.used for trial in trials]
    assert all(trial.fits for trial in trials)
    # the stem alone keeps 16 maps of 56 x 56 several times; twice as many images take twice as much more
    assert used[2] - used[1] > 8 * 16 * 56 * 56 * 4 * 4
    assert cfg.pretty_text == before and not (tmp_path / 'run').exists()


def test_a_batch_beyond_the_limit_ends_the_child_and_the_search_goes_on(cfg, monkeypatch):
    with TrialProcess(cfg) as process:
        process.start()
        used = {batch: process.try_batch(batch).used for batch in (2, 8)}
    limit = (used[2] + used[8]) // 2
    monkeypatch.setenv('LIMITED_TO', str(limit))
    script = (
        'import os; from convnext_dense.engine import batch_trial; '
        'batch_trial.free_memory = lambda sharing: int(os.environ["LIMITED_TO"]); '
    )
    popen = batch_process.subprocess.Popen
    monkeypatch.setattr(
        batch_process.subprocess,
        'Popen',
        lambda argv, **kwargs: popen([*argv[:2], script + argv[2]], **kwargs),
    )
    with TrialProcess(cfg) as process:
        assert process.start().limit == limit
        assert not process.try_batch(64).fits  # which is said by the child's end
        assert process.try_batch(2).fits  # in a new child
    assert find_batch(cfg).batch in (2, 4)


def test_the_reason_of_another_failure_is_told(cfg):
    cfg.train_dataloader.dataset.root = 'absent'
    with TrialProcess(cfg) as process, pytest.raises(UserError, match='absent'):
        process.start()


def test_a_child_that_can_not_start_is_told(cfg, monkeypatch):
    monkeypatch.setattr(batch_process.sys, 'executable', os.devnull)
    with TrialProcess(cfg) as process, pytest.raises((UserError, PermissionError)):
        process.start()
