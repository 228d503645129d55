"""A config is fitted to the machine."""

import os

from convnext_dense.config.machine import fit_to_machine


def test_workers_do_not_outnumber_the_cores(cfg, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: range(4), raising=False)
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    fit_to_machine(cfg)
    assert cfg.train_dataloader.num_workers == 2
