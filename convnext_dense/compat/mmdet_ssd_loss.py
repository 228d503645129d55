"""Let mmdet's SSD predict. For mmdet 3.5.

Since its heads ask their classification loss for ``custom_cls_channels`` when they predict, ``SSDHead`` and what
derives from it fail: they have no such part, as they compute their loss themselves.
"""

from __future__ import annotations


def give_loss(head: type) -> None:
    """Give mmdet's ``SSDHead`` a ``loss_cls`` of None, which is what its prediction finds then."""
    if not hasattr(head, 'loss_cls'):
        head.loss_cls = None  # type: ignore[attr-defined]
