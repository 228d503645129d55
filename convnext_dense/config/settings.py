"""Check the numbers of a config that torch and mmengine would fail on later, or take and count wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from ..tasks.config_parts import LOADERS

WHOLE_NUMBERS = {
    **{f'{loader}.batch_size': 1 for loader in LOADERS},
    **{f'{loader}.num_workers': 0 for loader in LOADERS},
    **{f'train_cfg.{key}': 1 for key in ('max_epochs', 'max_iters', 'total_batch_size', 'val_interval')},
    'train_cfg.skip_nan': 0,
    'default_hooks.logger.interval': 1,
    'randomness.seed': 0,
}
"""The smallest values of settings that are whole numbers."""
NUMBERS = {
    'optim_wrapper.optimizer.lr': 'of at least 0',
    'optim_wrapper.optimizer.weight_decay': 'of at least 0',
    'optim_wrapper.clip_grad.max_norm': 'above 0',
    'model.data_preprocessor.std': 'above 0',
    **{f'{loader}.dataset.transform.{key}': 'above 0' for loader in LOADERS for key in ('input_size', 'std')},
}
"""Other numbers and lists of numbers, with their range."""
OPTIONAL = {'train_cfg.total_batch_size', 'randomness.seed'}
"""Those that may also be None."""


def check_numbers(cfg: Config) -> None:
    """Check the settings of :data:`WHOLE_NUMBERS` and :data:`NUMBERS` that a config has.

    Raises:
        UserError: for a value that is no number of this kind, or out of range.
    """
    for key, least in WHOLE_NUMBERS.items():
        for value in _value(cfg, key):
            if value is None and key in OPTIONAL:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f'{key} is {value!r}: take a whole number of at least {least}')
    for key, wanted in NUMBERS.items():
        for value in _value(cfg, key):
            if not all(_is_in(number, wanted) for number in (value if isinstance(value, list | tuple) else [value])):
                raise UserError(f'{key} is {value!r}: take a number {wanted}')


def check_options(cfg: Config, options: dict[str, Any]) -> None:
    """Check that no option replaces a whole part of a config by a value that is none.

    Raises:
        UserError: if one does.
    """
    for option, value in options.items():
        if value is None or isinstance(value, dict):
            continue
        for part in _value(cfg, option):
            if isinstance(part, dict) and part and ('type' in part or '.' not in option):
                raise UserError(
                    f'--cfg-options {option}={value!r} would replace all of {option}: '
                    f'set a key in it, such as {option}.{next(iter(part))}, or give a dict(...), or None'
                )


def _is_in(number: Any, wanted: str) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return number > 0 if wanted == 'above 0' else number >= 0


def _value(cfg: Config, key: str) -> Iterator[Any]:
    """Yield the value at nested keys, if there is one."""
    value: Any = cfg
    for name in key.split('.'):
        if isinstance(value, dict | Config):
            if name not in value:
                return
            value = value[name]
        elif isinstance(value, list | tuple) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return
    yield value
