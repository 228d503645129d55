"""Silence mmseg's advice about its cross-entropy. For mmseg 1.4.

``CrossEntropyLoss`` warns when it is built with ``avg_non_ignore=False``. The recipe wants this setting: the mean of
the loss includes ignored pixels.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

MESSAGE = 'Default ``avg_non_ignore`` is False'


@contextlib.contextmanager
def without_loss_advice() -> Iterator[None]:
    """Context in which models are built without the warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message=MESSAGE)
        yield
