"""Silence warnings about calls that mmdet makes itself, in heads with queries and with anchors. For mmdet 3.5.

mmdet calls ``torch.meshgrid`` without ``indexing``, and torch warns once in a process: "in an upcoming release, it
will be required to pass the indexing argument". Its heads read their own deprecated ``num_anchors``. The results are
those that are wanted, and users can't change the calls.
"""

from __future__ import annotations

import warnings

CALLS = (
    (r'torch\.meshgrid: in an upcoming release', r'torch\.functional'),
    (r'DeprecationWarning: `num_anchors` is deprecated', r'mmdet\.models\.dense_heads\.anchor_head'),
)
"""Beginnings of the warnings, and the modules that give them."""


def silence_call_warnings() -> None:
    """Ignore the warnings of these modules from now on."""
    for message, module in CALLS:
        warnings.filterwarnings('ignore', message=message, category=UserWarning, module=module)
