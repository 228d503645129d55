"""Moving weights from a file into a model: strictly, and saying what was done.

:func:`~.reading.read_checkpoint` reads the file, :mod:`~.formats` gives its weights our names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..archs import ISOTROPIC_ARCHS, IsotropicSettings
from ..errors import UserError
from ..models.convnext import ConvNeXt
from ..models.isotropic import IsotropicConvNeXt
from .fetch import locate
from .formats import OURS, STAGES, Arch, Converted, arch_of, convert
from .hub_config import Variant, check_final_norm, variant_of
from .reader import read_checkpoint

OWN_NORMS = ('final norm', 'norms of the outputs')  # the backbone's, of classification and of dense tasks
RAW, EMA = ('state_dict', 'model'), ('ema_state_dict', 'model_ema', 'state_dict_ema')  # ours, the official, timm's

TRAINED_HERE = 'convnext_dense'  # in a checkpoint's meta: the version of ours that trained it


class Weights(NamedTuple):
    """The weights in a file, by our names.

    Attributes:
        path: the file.
        source: the format they are in there, in words.
        state: name to tensor.
        left_over: names in the file that are not in ``state``.
        variant: what is known about the network beside its weights.
        classes: names of the classes that they are for, None if the file does not say.
    """

    path: Path
    source: str
    state: dict[str, Tensor]
    left_over: list[str]
    variant: Variant
    classes: list[str] | None


def weights_in(content: Mapping, path: str | Path, kind: str = 'raw') -> Weights:
    """Recognize the weights in what :func:`read_checkpoint` read from a file.

    Args:
        kind: ``'raw'``, or ``'ema'`` for the moving average in the file.

    Raises:
        UserError: if there are none of that kind, or they were not trained here and are no ConvNeXt's, or of one that
            ours can't compute.
    """
    path, state = Path(path), state_dict_of(content, kind, path)
    meta = content['meta'] if isinstance(content.get('meta'), Mapping) else {}
    # whatever the network that was trained here, its names are right
    known = TRAINED_HERE in meta
    source, state, left_over = Converted(OURS.name, state, []) if known else convert(state, OURS.name, path=path)
    variant = variant_of(path, source, meta)
    return Weights(path, source, state, left_over, variant, dataset_meta(content).get('classes'))


def dataset_meta(checkpoint: Mapping) -> dict[str, Any]:
    """What a checkpoint says about its data; files of mmcv's times say it in capitals, one level higher.

    Returns:
        Keys in lower case; ``classes``, where it is there, is a list that is not empty.
    """
    meta = checkpoint.get('meta')
    levels = [meta, meta.get('dataset_meta')] if isinstance(meta, Mapping) else []
    known = {str(key).lower(): value for level in levels if isinstance(level, Mapping) for key, value in level.items()}
    classes = known.pop('classes', None)
    return {**known, 'classes': list(classes)} if isinstance(classes, list | tuple) and classes else known


def state_dict_of(checkpoint: Mapping, weights: str = 'raw', source: str | Path = 'the file') -> dict[str, Tensor]:
    """The weights in a checkpoint, ours, timm's or of the official releases.

    Args:
        weights: ``'raw'``, or ``'ema'`` for their exponential moving average.

    Raises:
        UserError: if the checkpoint does not hold them.
    """
    for name in {'raw': RAW, 'ema': EMA}[weights]:
        if _is_weights(checkpoint.get(name)):
            return dict(checkpoint[name])
    if weights == 'raw' and _is_weights(checkpoint):
        return dict(checkpoint)
    raise UserError(f'{source} holds no {weights} weights: it has {", ".join(map(str, list(checkpoint)[:6]))}')


def has_average(checkpoint: Mapping) -> bool:
    """Whether a checkpoint, ours, timm's or of the official releases, holds a moving average of its weights."""
    return any(_is_weights(checkpoint.get(name)) for name in EMA)


def _is_weights(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(t, Tensor) for name, t in value.items())
    )


def load_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> None:
    """Load weights that must match the model's by name and shape, every one of them.

    Raises:
        UserError: with the first differences by name and shape.
    """
    differences = _differences(model.state_dict(), state_dict)
    if differences:
        raise UserError(f'{source} is of another model than this config: {_first(differences)}')
    model.load_state_dict(state_dict)


def load_whole(model: nn.Module, weights: Weights) -> None:
    """Load a whole model strictly, as :func:`load_strictly` does, and only where it computes the same.

    Raises:
        UserError: with the first differences, or if the eps of the final norm is another.
    """
    check_final_norm(model, weights.variant, weights.path)
    load_strictly(model, weights.state, f'checkpoint {weights.path}')


def load_pretrained(
    model: nn.Module, source: str | Path, weights: str = 'raw', classes: Sequence[str] | None = None
) -> str:
    """Start a classifier, detector or segmentor from weights of any of the three, in any known format.

    The backbone must match. What a task adds to it is loaded where the file has it in the same shapes, and stays fresh
    elsewhere: the norms of the outputs, neck, heads. If the file is known to be for other classes than
    ``classes``, the heads stay fresh whatever their shapes.

    Args:
        model: anything with the backbone under ``backbone``.
        source: whatever :func:`~.fetch.locate` finds: a path, a URL, a name.
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
    found = weights_in(read_checkpoint(path), path, weights)
    own, loaded = model.state_dict(), found.state
    trunks = [{n: t for n, t in state.items() if _part(n) == 'backbone'} for state in (own, loaded)]
    differences = _differences(*trunks)
    if differences:
        raise UserError(f'{path} ({found.source}) does not fit this backbone: {_first(differences)}')
    check_final_norm(model, found.variant, path)

    others = classes is not None and found.classes is not None and list(found.classes) != list(classes)
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
    left_over = {_part(name) for name in [*(_by_module(loaded).keys() - fitting), *found.left_over]}
    kind = ' of averaged weights' if weights == 'ema' else ''
    return (
        f'pretrained: {len(chosen)} tensors{kind} from {path} ({found.source}); '
        f'fresh: {", ".join(fresh) or "nothing"}; '
        f'left over in the file: {", ".join(sorted(left_over)) or "nothing"}'
        + (f' (it is for {len(found.classes)} other classes)' if others and found.classes else '')
        + (f'; {found.variant.note}' if found.variant.note else '')
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


def check_backbone(weights: Weights) -> None:
    """See that the backbone is a ConvNeXt of some size, whole and with nothing else in it.

    Raises:
        UserError: with the first differences by name and shape.
    """
    trunk = {name.removeprefix('backbone.'): t for name, t in weights.state.items() if name.startswith('backbone.')}
    with torch.device('meta'):
        differences = _differences(_network_for(trunk, arch_of(weights.state)).state_dict(), trunk)
    if differences:
        raise UserError(f'{weights.path} ({weights.source}) is no ConvNeXt as it is known here: {_first(differences)}')


def _network_for(trunk: Mapping[str, Tensor], arch: Arch) -> nn.Module:
    scaled = float(any(name.endswith('.gamma') and '.grn.' not in name for name in trunk))
    if 'stem.weight' in trunk:
        blocks = len({name.split('.')[1] for name in trunk if name.startswith('blocks.')})
        sizes = {size: name for name, size in ISOTROPIC_ARCHS.items()}
        name = sizes.get(IsotropicSettings(blocks, len(trunk['stem.weight'])), 'of these weights')
        return IsotropicConvNeXt(name, layer_scale_init_value=scaled)
    indices = None if 'norm.weight' in trunk else [s for s in STAGES if f'norm{s}.weight' in trunk]
    depths, dims = ([max(1, n) for n in numbers] for numbers in arch.size)
    channels = trunk['downsample_layers.0.0.weight'].shape[1] if 'downsample_layers.0.0.weight' in trunk else 3
    return ConvNeXt(dict(depths=depths, dims=dims), arch.version, channels, indices, layer_scale_init_value=scaled)


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
