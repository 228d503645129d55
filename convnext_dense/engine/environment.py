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
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.utils.dl_utils import collect_env

from convnext_dense_doctor.load import Load

from ..compat import mmengine_private_names as internals
from ..version import __version__

DROPPED_LINES = (
    *('Hooks will be executed', 'Distributed training is not used', 'Exp name:', 'Checkpoints will be saved'),
    *('"FileClient"', '"HardDiskBackend"'),
    'No mosaic and mixup aug now!',  # mmdet says that of any pipeline; MixedImages says what it leaves out
)
"""Beginnings of log lines of mmengine and mmdet that are dropped because they are not informative."""
REPHRASED = {
    'Add additional L1 loss now!': 'from now on the loss has the L1 distance of boxes, too (loss_l1)',
}
"""Lines of mmdet's log that only their authors understand, and what they say."""


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


def init_processes(cfg: Config) -> None:
    """Start the process group of a config's ``launcher`` before the runner does, which then finds it."""
    if cfg.get('launcher', 'none') == 'none' or torch.distributed.is_initialized():
        return
    settings = (cfg.get('env_cfg') or {}).get('dist_cfg') or {}
    if torch.cuda.is_available():
        init_dist(cfg.launcher, **settings)
    else:
        init_gloo(cfg.launcher, settings.get('timeout'))


def drop_noise(logger: logging.Logger) -> None:
    """Filter :data:`DROPPED_LINES` from the log, and say :data:`REPHRASED` in other words."""

    def keep(record: logging.LogRecord) -> bool:
        record.msg = REPHRASED.get(str(record.msg), record.msg)
        return not str(record.msg).startswith(DROPPED_LINES)

    logger.addFilter(keep)


def log_environment(runner: Any) -> None:
    """Write the environment to ``environment.txt`` in the log folder, and a one-line summary to the log."""
    if runner.rank == 0:
        lines = [f'{key}: {value}' for key, value in {'CPU': cpu_name(), **collect_env()}.items()]
        Path(runner.log_dir, 'environment.txt').write_text('\n'.join(lines) + '\n')
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu'
    threads = torch.get_num_threads()
    trains = internals.loop_or_config(runner, 'train') is not None  # the logs of a test are not kept
    runner.logger.info(
        f'convnext_dense {__version__}, torch {torch.__version__}, Python {platform.python_version()}, '
        f'{runner.world_size} x {device}, {threads} thread{"s" if threads > 1 else ""}, seed {runner.seed}'
        + (f'; logs in {runner.log_dir}' if trains else '')
    )


def cpu_name() -> str:
    """Return the model name of the processor."""
    info = Path('/proc/cpuinfo')
    for line in info.read_text().splitlines() if info.is_file() else ():
        if line.startswith('model name'):
            return line.split(':')[1].strip()
    return platform.processor()


def warn_of_load(runner: Any, load: Load | None) -> None:
    """Log a line if other processes use the cores.

    The number of threads stays as it is, since the last digits of the losses depend on it.

    Args:
        load: as measured while the command started; None where the system does not tell.
    """
    if load is None or not load.high or runner.distributed:  # the processes of one run count each other
        return
    advice = ''
    if torch.get_num_threads() > load.free_cores:
        advice = f'; OMP_NUM_THREADS={load.free_cores} may help, and changes the last digits of the losses'
    runner.logger.warning(f'{load}: steps take longer{advice}')
