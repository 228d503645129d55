"""Silence torch's warning about a call that mmdet makes in heads with queries and in other places. For mmdet 3.5.

mmdet calls ``torch.meshgrid`` without ``indexing``, and torch warns once in a process: "in an upcoming release, it will
be required to pass the indexing argument". The result is the one that is wanted, and users can't change the call.
"""

from __future__ import annotations

import warnings

MESSAGE = r'torch\.meshgrid: in an upcoming release'
MODULE = r'torch\.functional'


def silence_meshgrid_warning() -> None:
    """Ignore the warning of torch's own module, which makes the call for all others, from now on."""
    warnings.filterwarnings('ignore', message=MESSAGE, category=UserWarning, module=MODULE)
