"""What runs while training: the runner and its loops, EMA, checkpoints, progress, logs."""

from .bad_images import BadImages
from .checkpoint import Checkpoints
from .csv_log import CSVBackend
from .data_check import DataCheck
from .ema import EMA
from .learning_rates import LogProcessor, RuntimeInfo
from .loops import TestLoop, TrainLoop, ValLoop
from .progress import ProgressBar
from .runner import COMMANDS, Runner
from .together import ending_together

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
