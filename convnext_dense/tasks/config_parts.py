"""Access to parts that the configs of all tasks have: data loaders and the heads' numbers of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..weights.class_counts import head_classes, set_head_classes, stated_numbers

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
"""Keys of the data loaders of a config."""


def loaders(cfg: Config) -> list[ConfigDict]:
    """Return a config's data loaders for training, validation and testing, as far as it has them."""
    return [cfg[key] for key in LOADERS if cfg.get(key) is not None]


def leave_out_training(cfg: Config) -> None:
    """Remove from a config all that only training reads."""
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'):
        cfg[key] = None


def leave_out_validation(cfg: Config) -> None:
    """Remove the validation during training from a config; testing stays."""
    for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[key] = None


def set_classes(cfg: Config, count: int, stuff: int = 0) -> None:
    """Set the numbers of classes of every head of a config's model; see :func:`~.class_counts.set_head_classes`."""
    set_head_classes(cfg.model, count, stuff)


def check_chosen_classes(chosen: Mapping[str, Any], count: int, stuff: int = 0) -> None:
    """Check that the numbers of classes that the user chose are those of the data, which the heads follow.

    Args:
        chosen: the nested settings of the command line.
        count: the number of classes of the data.
        stuff: the number of the last of them that are stuff.

    Raises:
        UserError: if it is another one.
    """
    for key, own, number in stated_numbers(chosen.get('model') or {}, count, stuff):
        if own != number:
            have = f'{count} classes' if not stuff else f'{count - stuff} classes of things and {stuff} of stuff'
            raise UserError(
                f'--cfg-options sets {key} to {own}, and the data have {have}: '
                'leave it out, since the heads follow the data'
            )


def smallest_head(cfg: Config) -> int:
    """Return the smallest number of classes of a head in a config's model."""
    return min(head_classes(cfg.model).values())
