"""mmseg's advice about its cross-entropy, silenced. For mmseg 1.4.

``CrossEntropyLoss`` warns whenever it is built that ``avg_non_ignore`` is False. That is the recipe's own choice:
ignored pixels count in the mean of the loss.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

MESSAGE = 'Default ``avg_non_ignore`` is False'


@contextlib.contextmanager
def without_loss_advice() -> Iterator[None]:
    """Build models in the block without this warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message=MESSAGE)
        yield
