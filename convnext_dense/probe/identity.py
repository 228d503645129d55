"""What decides the features of an image, as plain values: two identities are equal if the features must be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from functools import partial
from inspect import ismethod
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError

WRITTEN_OUT = (bytes, complex, range, slice, PurePath, np.dtype, torch.dtype, torch.device, torch.memory_format)
"""Types whose ``repr`` tells all of a value."""
BOOKKEEPING = {*vars(nn.Module()), '_is_init', '_device', '_non_blocking'}
"""Attributes of PyTorch's modules and mmengine's that are no settings, or are tensors and modules told elsewhere."""


def identity_of(value: Any) -> Any:
    """Describe a value, such as a transform or a network, by types, settings and digests of its tensors.

    Whether a module is in training mode, and on which device it is, are left out. A function is told by its name.

    Returns:
        Something that JSON can hold.

    Raises:
        UserError: if the value has an object in it whose settings cannot be seen.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return tensor_digest(torch.as_tensor(value))
    if isinstance(value, nn.Module):
        tensors = [*value.named_parameters(), *value.named_buffers()]  # a state_dict has not all buffers
        return {
            'modules': {name: _settings_of(module) for name, module in value.named_modules()},
            'tensors': {name: tensor_digest(tensor) for name, tensor in tensors},
        }
    if isinstance(value, Mapping):
        return {str(key): identity_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [identity_of(item) for item in value]
    if isinstance(value, WRITTEN_OUT):
        return repr(value)
    if isinstance(value, partial):
        return {'partial': [identity_of(part) for part in (value.func, value.args, value.keywords)]}
    if ismethod(value):
        return {'method': value.__name__, 'of': identity_of(value.__self__)}
    if hasattr(value, '__qualname__'):  # a class or function
        return f'{value.__module__}.{value.__qualname__}'
    return _settings_of(value)


def tensor_digest(tensor: Tensor) -> str:
    """Return type, shape and SHA-256 of a tensor as a text."""
    content = tensor.detach().cpu().contiguous().reshape(-1)
    digest = hashlib.sha256(content.view(torch.uint8).numpy().data).hexdigest()
    return f'{tensor.dtype} {tuple(tensor.shape)} {digest}'


def _settings_of(value: Any) -> dict[str, Any]:
    kind = f'{type(value).__module__}.{type(value).__qualname__}'
    if not hasattr(value, '__dict__'):
        raise UserError(
            f'features are kept only where all settings behind them can be seen, and a {kind} has no __dict__ with '
            'its own: take a class that keeps them in attributes, without __slots__'
        )
    left_out = BOOKKEEPING if isinstance(value, nn.Module) else ()
    return {'type': kind, **{name: identity_of(item) for name, item in vars(value).items() if name not in left_out}}
