"""Make mmengine's checkpoint loader safe, and its initialization from files strict. For mmengine 0.10.

A module with ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads its file through mmengine's
``CheckpointLoader``, which unpickles the file and so can run code that is hidden in it. Its ``PretrainedInit`` takes
what has the names of the module, and leaves the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

_ORIGINAL = PretrainedInit.__call__


def read_checkpoints_with(read: Callable[[str], dict]) -> None:
    """Make mmengine read all checkpoints, from a path or a URL, with the function ``read``."""

    def load_from_reader(
        filename: str, map_location: object = None
    ) -> dict:  # mmengine logs what follows `load_from_`
        return read(filename)

    CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), load_from_reader, force=True)


def initialize_with(load: Callable[[nn.Module, str, str | None], bool]) -> None:
    """Make modules with ``init_cfg=dict(type='Pretrained', ...)`` load their files with a function.

    Args:
        load: function of a module, its ``checkpoint`` and its ``prefix``. It returns False for a module that mmengine
            shall initialize.
    """

    def initialize(self: PretrainedInit, module: nn.Module) -> None:
        if not load(module, self.checkpoint, self.prefix):
            _ORIGINAL(self, module)
        elif (known := getattr(module, '_params_init_info', None)) is not None:
            for part in module.modules():  # which mmengine deletes, also of modules that were replaced
                part._params_init_info = known
            update_init_info(module, init_info=self._get_init_info())

    PretrainedInit.__call__ = initialize
