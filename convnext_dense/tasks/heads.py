"""The heads of models of several kinds: their class weights, and their rows in weights from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_class_weights(model: nn.Module) -> None:
    """Check the lengths of the class weights in a model's losses.

    Raises:
        UserError: if a loss has not one weight for each output of its head.
    """
    for name, head in model.named_modules():
        classes = getattr(head, 'num_classes', None)
        if classes is None:
            continue
        for part, loss in head.named_modules():
            weights = getattr(loss, 'class_weight', None)
            if not part.startswith('loss') or weights is None or not hasattr(weights, '__len__'):
                continue
            has_background = hasattr(head, 'fc_cls') or hasattr(head, 'cls_embed')
            background = has_background and not getattr(loss, 'use_sigmoid', False)
            outputs = getattr(head, 'out_channels', classes) + background
            if len(weights) != outputs:
                of = f'{classes} classes{" and the background" if background else ""}'
                raise UserError(
                    f'model.{name}.{part}.class_weight has {len(weights)} weights for {of}: give {outputs}, '
                    'in the order of the classes'
                )


def count_head_rows(state_dict: Mapping[str, Tensor], ending: str) -> int | None:
    """Return the number of rows of the weight whose name ends with ``ending``, or None if there is no such weight."""
    rows = [len(tensor) for name, tensor in state_dict.items() if f'.{name}'.endswith(f'.{ending}')]
    return rows[-1] if rows else None
