"""Reading checkpoints, and moving their weights into a model.

Every read goes through :func:`read_checkpoint`, which never unpickles anything but tensors and plain values.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UserError

MAGIC = (b'PK\x03\x04', b'\x80')  # torch.save's zip archive, and the bare pickle of its older format
FRESH_BY_DESIGN = (
    'norm0.',
    'norm1.',
    'norm2.',
    'norm3.',
)  # per-stage output norms, absent from ImageNet weights


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint file onto the CPU: tensors and plain values only.

    Raises:
        UserError: if it is missing, empty, truncated, no checkpoint, or would run code when unpickled.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f'no checkpoint at {path}: check the path')
    if path.is_dir():
        raise UserError(f'{path} is a folder: name the checkpoint file in it')
    try:
        with open(path, 'rb') as file:
            start = file.read(4)
    except OSError as error:
        raise UserError(f'checkpoint {path} cannot be read ({error.strerror})') from None
    if not start:
        raise UserError(f'checkpoint {path} is empty: its writing was cut off, take another one')
    if not start.startswith(MAGIC):
        raise UserError(f'{path} is no checkpoint: expected a file that torch.save wrote, it starts with {start!r}')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f'checkpoint {path} is damaged, or holds Python objects, which could run code when loaded: '
            'copy it again, or save its state dict alone, with tensors and plain values only'
        ) from None
    except Exception:  # a damaged file can make the reader fail in any way
        raise UserError(f'checkpoint {path} is truncated or damaged: copy or download it again') from None
    if not isinstance(content, dict):
        raise UserError(f'{path} is no checkpoint: it holds a {type(content).__name__}, not a dict of weights')
    return content


def state_dict_of(checkpoint: Mapping, weights: str = 'raw', source: str | Path = 'the file') -> dict[str, Tensor]:
    """The weights in a checkpoint of ours or of the official releases.

    Args:
        weights: ``'raw'``, or ``'ema'`` for their exponential moving average.

    Raises:
        UserError: if the checkpoint does not hold them.
    """
    names = {'raw': ('state_dict', 'model'), 'ema': ('ema_state_dict', 'model_ema')}[weights]
    for name in names:
        if _is_weights(checkpoint.get(name)):
            return dict(checkpoint[name])
    if weights == 'raw' and _is_weights(checkpoint):
        return dict(checkpoint)
    raise UserError(f'{source} holds no {weights} weights: it has {", ".join(map(str, list(checkpoint)[:6]))}')


def _is_weights(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(t, Tensor) for t in value.values())


def load_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> None:
    """Load weights that must match the model's by name and shape, every one of them.

    Raises:
        UserError: with the first differences by name and shape.
    """
    differences = _differences(model.state_dict(), state_dict)
    if differences:
        raise UserError(f'{source} is of another model than this config: {_first(differences)}')
    model.load_state_dict(state_dict)


def load_pretrained(classifier: nn.Module, path: str | Path) -> str:
    """Load a classification checkpoint, ours or official, into a classifier.

    The backbone must match. A head of another number of classes stays fresh.

    Returns:
        One line that says what was loaded and what is fresh.

    Raises:
        UserError: if the file can't be read or the backbone does not match.
    """
    loaded = with_our_names(state_dict_of(read_checkpoint(path), source=path), path)
    own = classifier.state_dict()
    head = {name for name in own if not name.startswith('backbone.')}
    head_fits = all(name in loaded and loaded[name].shape == own[name].shape for name in head)
    if not head_fits:
        loaded = {name: tensor for name, tensor in loaded.items() if name.startswith('backbone.')}
    missing_by_design = {
        name
        for name in own
        if (name in head and not head_fits) or name.startswith(tuple(f'backbone.{norm}' for norm in FRESH_BY_DESIGN))
    }
    expected = {name: tensor for name, tensor in own.items() if name in loaded or name not in missing_by_design}
    differences = _differences(expected, loaded)
    if differences:
        raise UserError(f'{path} does not fit this backbone: {_first(differences)}')
    classifier.load_state_dict(loaded, strict=False)
    classes = own['head.weight'].shape[0]
    return f'pretrained: {len(loaded)} tensors from {path}; ' + (
        f'head loaded too ({classes} classes)' if head_fits else f'fresh head for {classes} classes'
    )


def with_our_names(state_dict: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """A classifier's weights by our names: official ones have no prefix, ours put the backbone under ``backbone.``.

    Raises:
        UserError: if they are no ConvNeXt's.
    """
    if any(name.startswith('backbone.stages.') for name in state_dict):
        return state_dict
    if 'downsample_layers.0.0.weight' in state_dict:
        return {n if n.startswith('head.') else f'backbone.{n}': t for n, t in state_dict.items()}
    raise UserError(f'{path} holds no ConvNeXt weights: its first tensors are {", ".join(list(state_dict)[:3])}')


def _differences(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    missing = [f'{name} is missing' for name in own if name not in other]
    left_over = [f'{name} {tuple(other[name].shape)} is left over' for name in other if name not in own]
    shapes = [
        f'{name} is {tuple(other[name].shape)} instead of {tuple(own[name].shape)}'
        for name in own
        if name in other and own[name].shape != other[name].shape
    ]
    return shapes + missing + left_over


def _first(differences: list[str], limit: int = 3) -> str:
    more = f'; and {len(differences) - limit} more differences' if len(differences) > limit else ''
    return '; '.join(differences[:limit]) + more
