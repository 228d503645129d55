"""Build models from a config, with one-line errors for mistakes in the config."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ..compat.mmengine_checkpoint_loader import read_checkpoints_with
from ..compat.mmseg_loss_advice import without_loss_advice
from ..errors import UserError
from ..registry import MODELS
from ..weights.fetch import fetch_weights
from ..weights.reader import read_checkpoint


@contextmanager
def config_errors(part: str) -> Iterator[None]:
    """Context that converts errors of building a part of the config to a UserError that names the part.

    Raises:
        UserError: instead of the errors that wrong arguments and names cause.
    """
    try:
        yield
    except UserError:
        raise
    except (
        *(TypeError, ValueError, KeyError, AttributeError, AssertionError),
        *(NotImplementedError, FileNotFoundError, ImportError),
    ) as error:
        raise UserError(f"the config's {part} can't be built: {describe(error)}") from error


def describe(error: Exception) -> str:
    """Describe an error in a line: its message, or else the line of code that raised it."""
    message = ' '.join(
        str(error if isinstance(error, OSError) or not error.args else error.args[0]).split('. Please')[0].split()
    )
    if message:
        return message
    frames = traceback.extract_tb(error.__traceback__)
    return f'{type(error).__name__} at {frames[-1].line!r}' if frames else type(error).__name__


def read_checkpoints_safely() -> None:
    """Make mmengine read the checkpoints in a model's ``init_cfg`` without running code that they contain."""
    read_checkpoints_with(lambda source: read_checkpoint(fetch_weights(source)))


def build_model(cfg: Config) -> nn.Module:
    """Build the config's model without a runner; one process may build models of several tasks.

    Raises:
        UserError: if the model can't be built.
    """
    read_checkpoints_safely()
    with config_errors('model'), without_loss_advice(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)
