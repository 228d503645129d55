"""What decides the features of an image, as plain values: two identities are equal if the features must be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def identity_of(value: Any) -> Any:
    """Describe a value, such as a transform or a network, by types, settings and digests of its tensors.

    Attributes whose names begin with an underscore, and whether a module is in training mode, are left out.

    Returns:
        Something that JSON can hold.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Tensor | np.ndarray):
        return tensor_digest(torch.as_tensor(value))
    if isinstance(value, nn.Module):
        return {
            'modules': {name: _settings_of(module) for name, module in value.named_modules()},
            'tensors': {name: tensor_digest(tensor) for name, tensor in value.state_dict().items()},
        }
    if isinstance(value, Mapping):
        return {str(key): identity_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [identity_of(item) for item in value]
    if hasattr(value, '__qualname__'):  # a class or function
        return f'{value.__module__}.{value.__qualname__}'
    return _settings_of(value)


def tensor_digest(tensor: Tensor) -> str:
    """Return type, shape and SHA-256 of a tensor as a text."""
    content = tensor.detach().cpu().contiguous().reshape(-1)
    digest = hashlib.sha256(content.view(torch.uint8).numpy().data).hexdigest()
    return f'{tensor.dtype} {tuple(tensor.shape)} {digest}'


def _settings_of(value: Any) -> dict[str, Any]:
    kind = type(value)
    settings = {
        name: identity_of(item)
        for name, item in getattr(value, '__dict__', {}).items()
        if not name.startswith('_') and name != 'training'
    }
    return {'type': f'{kind.__module__}.{kind.__qualname__}', **settings}
