"""mmengine's own loader of checkpoints, made to read as ours does."""

from __future__ import annotations

from mmengine.runner.checkpoint import CheckpointLoader

from ..weights.fetch import locate
from ..weights.reader import read_checkpoint


def load_safely() -> None:
    """From here on mmengine reads checkpoints without unpickling, whoever asks in this process.

    Its own loader, which ``init_cfg=dict(type='Pretrained', ...)`` of any part of a model reaches, unpickles whatever
    can't be read otherwise.
    """
    CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), load_from_safely, force=True)


def load_from_safely(filename: str, map_location: object = None) -> dict:  # mmengine's log leaves out `load_from_`
    return read_checkpoint(locate(filename))
