"""Training and testing: the runner and its loops, and hooks for EMA, checkpoints, progress and logs."""

from .batch_trial import TrialLoop
from .csv_log import CSVBackend
from .distributed import propagate_failures
from .evaluation_loops import TestLoop, ValLoop
from .hooks.bad_images import BadImages
from .hooks.checkpoints import Checkpoints
from .hooks.data_check import DataCheck
from .hooks.early_stopping import EarlyStopping
from .hooks.ema import EMA
from .hooks.feature_probe import FeatureProbe
from .hooks.first_step import FirstStep
from .hooks.keep_split import KeepSplit
from .hooks.log import LogProcessor, RuntimeInfo
from .hooks.param_scheduler import ParamScheduler
from .hooks.patience import Patience
from .hooks.progress import ProgressBar
from .hooks.run_length import RunLength
from .lr_range import LrRangeLoop
from .runner import Runner
from .train_loop import TrainLoop

__all__ = [
    'EMA',
    'BadImages',
    'CSVBackend',
    'Checkpoints',
    'DataCheck',
    'EarlyStopping',
    'FeatureProbe',
    'FirstStep',
    'KeepSplit',
    'LogProcessor',
    'LrRangeLoop',
    'ParamScheduler',
    'Patience',
    'ProgressBar',
    'RunLength',
    'Runner',
    'RuntimeInfo',
    'TestLoop',
    'TrainLoop',
    'TrialLoop',
    'ValLoop',
    'propagate_failures',
]
