"""The loader settings of a config, fitted to the machine that it runs on."""

from __future__ import annotations

import os

import torch
from mmengine.config import Config

from convnext_dense_doctor.load import cores

from ..tasks import loaders


def fit_to_machine(cfg: Config) -> None:
    """Limit the loader workers of a config to the cores of this process's share, and memory pinning to GPUs.

    Processes on one machine (``LOCAL_WORLD_SIZE``) share its cores.
    """
    most = max(1, cores() // int(os.environ.get('LOCAL_WORLD_SIZE', 1)))
    for loader in loaders(cfg):
        loader.num_workers = min(loader.num_workers, most)
        loader.persistent_workers = loader.num_workers > 0 and loader.get('persistent_workers', False)
        loader.pin_memory = torch.cuda.is_available() and loader.get('pin_memory', False)
