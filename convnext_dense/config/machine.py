"""Fit a config's data loader settings to the machine."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config

from convnext_dense_doctor.load import cores

from ..tasks import loaders


def fit_to_machine(cfg: Config) -> None:
    """Limit loader workers to this process's share of the cores, and disable memory pinning without a GPU.

    The processes on one machine (``LOCAL_WORLD_SIZE``) share its cores.
    """
    max_workers = max(1, cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1)))
    for loader in loaders(cfg):
        loader.num_workers = min(loader.num_workers, max_workers)
        loader.persistent_workers = loader.num_workers > 0 and loader.get('persistent_workers', False)
        loader.pin_memory = torch.cuda.is_available() and loader.get('pin_memory', False)
