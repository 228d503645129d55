"""Environment of a run: process group, first lines of the log, and a filter for mmengine's uninformative lines."""

from __future__ import annotations

import logging
import os
import platform
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine.utils.dl_utils import collect_env

from ..version import __version__

DROPPED_LINES = (
    *('Hooks will be executed', 'Distributed training is not used', 'Exp name:', 'Checkpoints will be saved'),
    *('"FileClient"', '"HardDiskBackend"'),
)
"""Beginnings of mmengine's log lines that are dropped because they are not informative."""


def init_gloo(launcher: str, timeout: float | None) -> None:
    """Start the process group on CPUs, since mmengine's launchers only support GPUs.

    Args:
        launcher: ``'pytorch'`` or ``'slurm'``.
        timeout: seconds to wait for another process; None for torch's default.
    """
    if launcher == 'slurm':
        nodes = subprocess.check_output(['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']], text=True)
        os.environ.setdefault('MASTER_ADDR', nodes.split()[0])
        os.environ.setdefault('MASTER_PORT', '29500')
        os.environ['RANK'] = os.environ['SLURM_PROCID']
        os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
        os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']
    torch.distributed.init_process_group('gloo', timeout=timedelta(seconds=timeout) if timeout else None)


def drop_noise(logger: logging.Logger) -> None:
    """Filter :data:`DROPPED_LINES` from the log."""
    logger.addFilter(lambda record: not str(record.msg).startswith(DROPPED_LINES))


def log_environment(runner: Any) -> None:
    """Write the environment to ``environment.txt`` in the log folder, and a one-line summary to the log."""
    if runner.rank == 0:
        lines = [f'{key}: {value}' for key, value in collect_env().items()]
        Path(runner.log_dir, 'environment.txt').write_text('\n'.join(lines) + '\n')
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
    runner.logger.info(
        f'convnext_dense {__version__}, torch {torch.__version__}, Python {platform.python_version()}, '
        f'{runner.world_size} x {device}, {torch.get_num_threads()} threads, seed {runner.seed}; '
        f'logs in {runner.log_dir}'
    )
