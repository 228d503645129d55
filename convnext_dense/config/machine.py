"""Fitting a config to the machine that it runs on."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config

from ..tasks import loaders


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def fit_to_machine(cfg: Config) -> None:
    """No more loader workers than cores, and no pinned memory without a GPU."""
    most = max(1, cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1)))
    for loader in loaders(cfg):
        loader.num_workers = min(loader.num_workers, most)
        loader.persistent_workers = loader.num_workers > 0 and loader.get('persistent_workers', False)
        loader.pin_memory = torch.cuda.is_available() and loader.get('pin_memory', False)
