"""mmengine's own loader of checkpoints, made safe. For mmengine 0.10.

``init_cfg=dict(type='Pretrained', checkpoint=...)`` of any part of a model reads a file through mmengine's
``CheckpointLoader``, which unpickles what it can't read otherwise and so runs whatever code is in the file.
"""

from __future__ import annotations

from collections.abc import Callable

from mmengine.runner.checkpoint import CheckpointLoader


def read_checkpoints_with(read: Callable[[str], dict]) -> None:
    """Let mmengine read every checkpoint of this process, from a path or a URL, by ``read``."""

    def load_from_reader(
        filename: str, map_location: object = None
    ) -> dict:  # mmengine logs what follows `load_from_`
        return read(filename)

    CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), load_from_reader, force=True)
