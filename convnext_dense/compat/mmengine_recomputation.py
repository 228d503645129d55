"""Replace mmengine's activation checkpointing in training. For mmengine 0.10.12.

mmengine's ``activation_checkpointing`` uses torch's reentrant variant: a part whose inputs need no gradient, such as
the backbone, which gets the images, then has no gradients and is not trained, with a mere warning. And a name that the
model does not have is an ``AttributeError``.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from functools import wraps
from operator import attrgetter
from typing import Any
from unittest.mock import patch

from torch import nn
from torch.utils.checkpoint import checkpoint

from ..errors import UserError


@contextlib.contextmanager
def trained_checkpointing() -> Iterator[None]:
    """Context in which mmengine's runner uses torch's variant without reentrance."""
    with patch('mmengine.runner.runner.turn_on_activation_checkpointing', turn_on_activation_checkpointing):
        yield


def turn_on_activation_checkpointing(model: nn.Module, modules: Sequence[str] | str) -> None:
    """Have parts of a model compute their activations again in the backward pass, to save memory.

    Args:
        model: the model.
        modules: names of the parts.

    Raises:
        UserError: if the model has no such part.
    """
    for name in [modules] if isinstance(modules, str) else modules:
        check_part(model, name, 'activation_checkpointing')
        module: Any = attrgetter(name)(model)
        module.forward = _recomputed(module.forward)


def check_part(model: nn.Module, name: str, key: str) -> None:
    """Check that a model has a part of this name.

    Args:
        model: the model.
        name: name of the part.
        key: the key in the config, for the message.

    Raises:
        UserError: if not.
    """
    names = [known for known, _ in model.named_modules() if known]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1) or [known for known in names if '.' not in known]
        raise UserError(f'{key}: the model has no part {name!r}; did you mean {" or ".join(near)}?')


def _recomputed(forward: Any) -> Any:
    @wraps(forward)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return wrapper
