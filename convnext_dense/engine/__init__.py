"""What runs while training: the runner and its loops, EMA, checkpoints, progress, logs."""

from .csv_log import CSVBackend
from .distributed import ending_together
from .hooks.bad_images import BadImages
from .hooks.checkpoints import Checkpoints
from .hooks.data_check import DataCheck
from .hooks.ema import EMA
from .hooks.log import LogProcessor, RuntimeInfo
from .hooks.progress import ProgressBar
from .loops import TestLoop, TrainLoop, ValLoop
from .runner import COMMANDS, Runner

__all__ = [
    'COMMANDS',
    'EMA',
    'BadImages',
    'CSVBackend',
    'Checkpoints',
    'DataCheck',
    'LogProcessor',
    'ProgressBar',
    'Runner',
    'RuntimeInfo',
    'TestLoop',
    'TrainLoop',
    'ValLoop',
    'ending_together',
]
