"""Reading checkpoints, and moving their weights into a model.

Every read goes through :func:`read_checkpoint`, which never unpickles anything but tensors and plain values.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import UserError
from .fetch import locate

MAGIC = (b'PK\x03\x04', b'\x80')  # torch.save's zip archive, and the bare pickle of its older format
OWN_NORMS = ('final norm', 'norms of the outputs')  # the backbone's, of classification and of dense tasks


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


def load_pretrained(
    model: nn.Module, source: str | Path, weights: str = 'raw', classes: Sequence[str] | None = None
) -> str:
    """Start a classifier, detector or segmentor from a checkpoint, ours or official, of any of the three.

    The backbone must match. What a task adds to it is loaded where the file has it in the same shapes, and stays fresh
    elsewhere: the norms of the outputs, neck, heads. If the file is known to be for other classes than
    ``classes``, the heads stay fresh whatever their shapes.

    Args:
        model: anything with the backbone under ``backbone``.
        source: a path, or an official name such as ``convnext_tiny_1k_224``.
        weights: ``'raw'``, or ``'ema'`` for the moving average in the file.

    Returns:
        One line that says what was loaded, what is fresh and what was left over.

    Raises:
        UserError: if the file can't be read or the backbone does not match.
    """
    path = locate(source)
    if not path.exists():
        raise UserError(
            f'no checkpoint at {path}: start from another with --pretrained, or from none with --pretrained none'
        )
    content = read_checkpoint(path)
    loaded = with_our_names(state_dict_of(content, weights, path), path)
    own = model.state_dict()
    trunks = [{n: t for n, t in state.items() if _part(n) == 'backbone'} for state in (own, loaded)]
    differences = _differences(*trunks)
    if differences:
        raise UserError(f'{path} does not fit this backbone: {_first(differences)}')

    of_file = ((content.get('meta') or {}).get('dataset_meta') or {}).get('classes')
    others = classes is not None and of_file is not None and list(of_file) != list(classes)
    modules = _by_module(own)
    fitting = {
        module
        for module, names in modules.items()
        if all(name in loaded and loaded[name].shape == own[name].shape for name in names)
        and not (others and _part(module) not in ('backbone', 'neck', *OWN_NORMS))
    }
    chosen = {name: loaded[name] for module in fitting for name in modules[module]}
    model.load_state_dict(chosen, strict=False)
    fresh = sorted({_part(module) for module in modules.keys() - fitting})
    left_over = sorted({_part(module) for module in _by_module(loaded).keys() - fitting})
    kind = ' of averaged weights' if weights == 'ema' else ''
    return (
        f'pretrained: {len(chosen)} tensors{kind} from {path}; fresh: {", ".join(fresh) or "nothing"}; '
        f'left over in the file: {", ".join(left_over) or "nothing"}'
        + (f' (it is for {len(of_file)} other classes)' if others and of_file else '')
    )


def _part(name: str) -> str:
    """The part of the model that a name belongs to; the backbone's own norms are parts by themselves."""
    parts = name.split('.')
    if parts[0] == 'backbone' and parts[1].startswith('norm'):
        return OWN_NORMS[0] if parts[1] == 'norm' else OWN_NORMS[1]
    return parts[0]


def _by_module(state_dict: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """The tensors' names by the module that holds them: a module is loaded whole or not at all."""
    modules: dict[str, list[str]] = {}
    for name in state_dict:
        modules.setdefault(name.rpartition('.')[0], []).append(name)
    return modules


def with_our_names(state_dict: dict[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """A model's weights by our names: official ones have no prefix, ours put the backbone under ``backbone.``.

    Raises:
        UserError: if they are no ConvNeXt's.
    """
    if any(name.startswith('backbone.') for name in state_dict):
        return state_dict
    if 'encoder.downsample_layers.0.0.weight' in state_dict:
        return _of_fcmae(state_dict)
    if any(name in state_dict for name in ('downsample_layers.0.0.weight', 'blocks.0.dwconv.weight')):
        return {n if n.startswith('head.') else f'backbone.{n}': t for n, t in state_dict.items()}
    raise UserError(f'{path} holds no ConvNeXt weights: its first tensors are {", ".join(list(state_dict)[:3])}')


def _of_fcmae(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The encoder of V2's masked pre-training, whose sparse convolutions store their kernels flattened.

    A kernel is (k * k, C) where it is depthwise and (k * k, in, out) elsewhere, its positions column by column; norms
    and pointwise layers sit one level deeper, under ``ln`` and ``linear``; GRN's parameters are (1, 4C).
    """
    weights = {}
    for name, tensor in state_dict.items():
        part, _, rest = name.partition('.')
        if part != 'encoder':
            continue  # the decoder and its mask token
        if rest.endswith('.kernel'):
            side = math.isqrt(tensor.shape[0])
            if tensor.ndim == 2:
                tensor = tensor[:, None]  # (k * k, 1, C)
            tensor = tensor.permute(2, 1, 0).unflatten(2, (side, side)).transpose(2, 3).contiguous()
            rest = rest.removesuffix('kernel') + 'weight'
        rest = rest.replace('.ln.', '.').replace('.linear.', '.')
        if rest.endswith('.bias'):
            tensor = tensor.flatten()
        elif '.grn.' in rest:
            tensor = tensor.reshape(1, 1, 1, -1)
        weights[f'backbone.{rest}'] = tensor
    return weights


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
