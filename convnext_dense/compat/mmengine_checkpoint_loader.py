"""Make mmengine's checkpoint loader safe. For mmengine 0.10.

A module with ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads its file through mmengine's
``CheckpointLoader``, which unpickles the file and so can run code that is hidden in it.
"""

from __future__ import annotations

from collections.abc import Callable

from mmengine.runner.checkpoint import CheckpointLoader


def read_checkpoints_with(read: Callable[[str], dict]) -> None:
    """Make mmengine read all checkpoints, from a path or a URL, with the function ``read``."""

    def load_from_reader(
        filename: str, map_location: object = None
    ) -> dict:  # mmengine logs what follows `load_from_`
        return read(filename)

    CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), load_from_reader, force=True)
