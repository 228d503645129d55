"""Silence mmseg's advice about losses and outputs. For mmseg 1.4.

``CrossEntropyLoss`` warns when it is built with ``avg_non_ignore=False``. The recipe wants this setting: the mean of
the loss includes ignored pixels. Heads warn when they are built for two classes with an output for each, rather than
one output and a threshold; two outputs are what the recipe has for any number of classes.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

MESSAGES = ('Default ``avg_non_ignore`` is False', 'For binary segmentation, we suggest using')


@contextlib.contextmanager
def without_loss_advice() -> Iterator[None]:
    """Context in which models are built without the warnings."""
    with warnings.catch_warnings():
        for message in MESSAGES:
            warnings.filterwarnings('ignore', message=message)
        yield
