"""Build models from a config, with one-line errors for mistakes in the config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ..compat.mmengine_checkpoint_loader import read_checkpoints_with
from ..compat.mmseg_loss_advice import without_loss_advice
from ..data.text import shortened
from ..errors import UserError
from ..registry import MODELS
from ..weights.fetch import fetch_weights
from ..weights.reader import read_checkpoint

REGION_ASSIGNER = 'convnext_dense.MaxIoUAssigner'
"""The assigner that takes no background from ignore regions."""


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
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
        message = str(error.args[0] if error.args else error).split('. Please')[0]
        raise UserError(f"the config's {part} can't be built: {' '.join(message.split())}") from error


def read_checkpoints_safely() -> None:
    """Make mmengine read the checkpoints in a model's ``init_cfg`` without running code that they contain."""
    read_checkpoints_with(lambda source: read_checkpoint(fetch_weights(source)))


def check_class_counts(model: Any, classes: Sequence[str] | None) -> None:
    """Check that every head of a model has as many classes as the data.

    Args:
        model: the model's config, or a built model, which is not checked.
        classes: the class names of the training data; None if they have none.

    Raises:
        UserError: if a head has another number.
    """
    for part, count in _class_counts(model, 'model'):
        if classes and count != len(classes):
            raise UserError(
                f"the config's {part}.num_classes is {count}, and the training data have {len(classes)} classes "
                f'({shortened(classes)}): set it to {len(classes)}, or leave it out, since the heads follow the data'
            )


def describe_unused_regions(model: Any, regions: int) -> str | None:
    """Describe that a detector learns what is in the ignore regions of its data as background, or return None.

    Args:
        model: the model's config.
        regions: number of ignore regions in the training data.
    """
    kinds = [assigner['type'] for assigner in _values_of(model, 'assigner') if isinstance(assigner, dict)]
    assigners = [kind if isinstance(kind, str) else f'{kind.__module__}.{kind.__name__}' for kind in kinds]
    others = [name for name in assigners if not name.startswith('convnext_dense.')]
    if not regions or (assigners and not others):
        return None
    which = f'its assigners ({", ".join(dict.fromkeys(others))}) do' if others else 'it does'
    return (
        f'the training data have {regions} ignore regions, and what is in them is learned as background: {which} not '
        f'know them; {REGION_ASSIGNER} does, where a detector can take one'
    )


def _values_of(value: Any, key: str) -> Iterator[Any]:
    """Yield all values of a key in a nested config."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _values_of(part, key)


def _class_counts(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield all ``num_classes`` in a nested config, each with the path of its part."""
    if isinstance(value, dict):
        if 'num_classes' in value:
            yield path, value['num_classes']
        for key, part in value.items():
            yield from _class_counts(part, f'{path}.{key}')
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            yield from _class_counts(part, f'{path}[{place}]')


def build_model(cfg: Config) -> nn.Module:
    """Build the config's model without a runner; one process may build models of several tasks.

    Raises:
        UserError: if the model can't be built.
    """
    read_checkpoints_safely()
    with config_errors('model'), without_loss_advice(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(cfg.model)
