"""Leave out the list of all parameters that mmengine writes to the log file. For mmengine 0.10.

After initializing a model, ``BaseModule`` writes two lines for each parameter, nearly always "The value is the same
before and after calling `init_weights`": our modules are initialized when they are built. A log of a small segmentor
begins with a thousand such lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.model import BaseModule


@contextmanager
def without_parameter_list() -> Iterator[None]:
    """Context in which initializing a model writes no list of its parameters."""
    original = BaseModule._dump_init_info
    BaseModule._dump_init_info = lambda module: None
    try:
        yield
    finally:
        BaseModule._dump_init_info = original
