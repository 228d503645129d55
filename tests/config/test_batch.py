"""The batch of a process in a config: given, kept from a run, or found by trying."""

import pytest
from mmengine.config import Config

from convnext_dense.checkpoints.manifest import FILE_NAME as MANIFEST
from convnext_dense.config import batch as module
from convnext_dense.config.batch import check_batch_once, describe_found, find_batch, keep_batch_of_run, set_batch
from convnext_dense.config.batch_process import Facts
from convnext_dense.engine.batch_search import Trial
from convnext_dense.engine.total_batch import plan_batches
from convnext_dense.errors import UserError

GIB = 2**30


def config(batch=16, total=16, **optim):
    loader = dict(batch_size=batch, num_workers=0)
    return Config(dict(train_dataloader=loader, train_cfg=dict(total_batch_size=total), optim_wrapper=dict(**optim)))


def plan_of(cfg, images=100_000):
    wrapper, loop = cfg.optim_wrapper, cfg.train_cfg
    batch = cfg.train_dataloader.batch_size
    planned = loop.get('planned_batch_size')
    return plan_batches(images, batch, 1, loop.total_batch_size, wrapper.get('accumulative_counts'), planned)


@pytest.mark.parametrize('settings', [{}, dict(total=None), dict(batch=4, total=None, accumulative_counts=4)])
def test_another_batch_learns_from_the_same_total(settings):
    before, cfg = config(**settings), config(**settings)
    set_batch(cfg, 2)
    assert (
        (plan_of(cfg).total, plan_of(cfg).lr_factor) == (plan_of(before).total, plan_of(before).lr_factor) == (16, 1)
    )
    assert plan_of(cfg).per_process == 2
    set_batch(cfg, 8)  # that of a config that a run saved
    assert (plan_of(cfg).total, plan_of(cfg).accumulation) == (16, 2)


def test_batch_and_option_contradict():
    with pytest.raises(UserError, match='both set the batch: leave out one'):
        check_batch_once(4, {'train_dataloader.batch_size': 8})
    check_batch_once(None, {'train_dataloader.batch_size': 8})


def test_a_resumed_run_keeps_its_batch(tmp_path):
    """And looks at no memory, which may be another one today."""
    cfg = config()
    set_batch(cfg, 2)
    (tmp_path / 'run.py').write_text(cfg.pretty_text)
    (tmp_path / MANIFEST).write_text('{}')
    resumed = config()
    assert keep_batch_of_run(resumed, str(tmp_path)) == '--batch auto: the run keeps its 2 images at once'
    assert resumed.to_dict() == cfg.to_dict()
    (tmp_path / 'run.py').write_text('train_dataloader = dict(dataset={})')
    with pytest.raises(UserError, match='resume with --batch N'):
        keep_batch_of_run(config(), str(tmp_path))


class FakeProcess:
    """A trial process of a machine with memory for a number of images."""

    fitting, on_gpu, images, tried = 5, True, 1000, []

    def __init__(self, cfg, processes, sharing):
        type(self).tried = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def start(self):
        return Facts(self.images, (512, 640), int(0.9 * 5 * GIB), self.on_gpu, 0)

    def try_batch(self, batch):
        self.tried.append(batch)
        used = int(batch / self.fitting * 4.4 * GIB)
        return Trial(batch, batch <= self.fitting, used if batch <= self.fitting else None)


@pytest.mark.parametrize('on_gpu', [True, False])
def test_the_found_batch_makes_up_the_total(monkeypatch, on_gpu):
    monkeypatch.setattr(FakeProcess, 'on_gpu', on_gpu)
    monkeypatch.setattr(module, 'TrialProcess', FakeProcess)
    cfg = config()
    found = find_batch(cfg)
    assert found.batch == 4
    assert found.line == (
        '--batch auto: 4 images of 512 x 640 at once, 3.5 of 5.0 GB; 16 a step by 4 accumulated batches, as planned'
    )
    monkeypatch.setattr(FakeProcess, 'fitting', 100)
    assert find_batch(config(batch=2)).batch == 16  # more than the config's batch, no more than the total
    monkeypatch.setattr(FakeProcess, 'images', 12)  # with which a step has no more than 12, of the config's 4
    assert find_batch(config(batch=4)).batch == 12
    assert max(FakeProcess.tried) <= 12


def test_the_least_of_all_processes_is_taken(monkeypatch):
    monkeypatch.setattr(module, 'TrialProcess', FakeProcess)
    monkeypatch.setattr(module, 'get_world_size', lambda: 2)
    facts = Facts(1000, (512, 640), 3 * GIB, True, 0)
    monkeypatch.setattr(module, 'all_gather_object', lambda own: [own, (2, GIB, facts)])
    found = find_batch(config())
    assert found.batch == 2
    assert 'the least of 2 processes); 32 a step by 8 accumulated batches' in found.line


def test_a_batch_as_large_as_a_step():
    line = describe_found(16, GIB, Facts(1000, (48, 48), None, False, 0), 16, 1)
    assert line == '--batch auto: 16 images of 48 x 48 at once, 1.0 GB; as many as a step has'
