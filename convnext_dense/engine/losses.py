"""Name the loss of a config that does not fit its head."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from ..errors import UserError, describe_error
from ..io.out_of_memory import is_out_of_memory

FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AssertionError)
"""Errors of a loss that gets what it can't take."""


@contextmanager
def explain_losses(model: nn.Module) -> Iterator[None]:
    """Context that converts an error from inside of a loss of the model to one that names its key in the config.

    Errors of the device, such as its memory, stay.

    Raises:
        UserError: instead of an error from a loss, a module whose name begins with ``loss``.
    """
    try:
        yield
    except FAILURES as error:
        name = None if isinstance(error, UserError) or _is_of_device(error) else _failed_loss(model, error)
        if name is None:
            raise
        kind = type(model.get_submodule(name)).__name__
        raise UserError(
            f"the config's model.{name}, a {kind}, can't take what its head gives it: {describe_error(error)}: "
            'is it a loss for another kind of head?'
        ) from error


def _is_of_device(error: Exception) -> bool:
    return is_out_of_memory(error) or 'CUDA' in str(error)


def _failed_loss(model: nn.Module, error: Exception) -> str | None:
    """Return the name of the loss that an error came out of, or None."""
    losses = {id(module): name for name, module in model.named_modules() if name.split('.')[-1].startswith('loss')}
    trace, found = error.__traceback__, None
    while trace is not None:
        found = losses.get(id(trace.tb_frame.f_locals.get('self')), found)
        trace = trace.tb_next
    return found
