"""Loading weights from a file into a model, strictly, with a report of what was loaded.

:mod:`.extraction` finds the weights in the file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..archs import ISOTROPIC_ARCHS, IsotropicSettings
from ..errors import UserError
from ..models.convnext import ConvNeXt
from ..models.isotropic import IsotropicConvNeXt
from ..models.lora import has_adapters, load_plain, plain_state
from .class_counts import ClassShape
from .extraction import Weights, extract_weights
from .fetch import fetch_weights
from .formats import STAGES, Arch, detect_arch
from .layer_names import NORM_PARTS, group_by_module, name_layers, part_of, parts_left_over
from .licenses import license_note
from .preprocessing import Preprocessing, describe_difference
from .reader import read_checkpoint
from .settings import set_network_settings
from .stem import fit_stem
from .structure import WITHOUT_BIAS, Structure, detect_structure

NAMED_CLASSES = 5  # at most, in a line of the log


def load_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> None:
    """Load weights that must match the model's by name and shape, every one of them.

    Args:
        model: unchanged if they don't.
        state_dict: name to tensor. Without LoRA adapters, those that the model may have change nothing afterwards.
        source: what the error calls the weights.

    Raises:
        UserError: with the first differences by name and shape, and the networks where they are different ConvNeXts.
    """
    adapted = has_adapters(state_dict)
    own = model.state_dict() if adapted else plain_state(model)
    differences = _differences(own, state_dict)
    if differences:
        raise UserError(f'{source} is of another model than this config: {_mismatch(own, state_dict, differences)}')
    if adapted:
        model.load_state_dict(state_dict)
    else:
        load_plain(model, state_dict)


def load_full_model(model: nn.Module, weights: Weights) -> str:
    """Load all weights of a model strictly, and give its backbone the settings that they were trained with.

    Returns:
        Settings that were assumed or are unusual, for a line of the log; may be empty.

    Raises:
        UserError: with the first differences by name and shape, or with the setting.
    """
    load_strictly(model, weights.state, f'checkpoint {weights.path}')
    return set_network_settings(model, weights.settings, weights.path)


def read_weights(source: str | Path, kind: str = 'raw', trust_pickle: bool = False) -> Weights:
    """Read the weights that a run starts from, after downloading them if necessary.

    Args:
        source: a path, a URL or a name, as in :func:`~.fetch.fetch_weights`.
        kind: ``'raw'``, or ``'ema'`` for the moving average in the file.
        trust_pickle: as in :func:`~.reader.read_checkpoint`.

    Raises:
        UserError: if there is no such file, or it can't be read.
    """
    path = fetch_weights(source)
    if not path.exists():
        raise UserError(
            f'no checkpoint at {path}: start from another with --pretrained, or from none with --pretrained none'
        )
    return extract_weights(read_checkpoint(path, trust_pickle), path, kind)


def load_pretrained(
    model: nn.Module,
    source: str | Path | Weights,
    weights: str = 'raw',
    classes: Sequence[str] | None = None,
    trust_pickle: bool = False,
    find_class_shapes: Callable[[], Mapping[str, ClassShape]] = dict,
    used: Preprocessing | None = None,
) -> str:
    """Initialize a classifier, detector or segmentor with weights of any of the three, in any known format.

    The backbone must match. Of the other parts (norms of the outputs, neck, heads), layers that the file does not have
    keep their random weights, and so do those whose shapes depend on the number of classes, if it differs or if the
    file is known to be for other classes than ``classes``.

    Args:
        model: any model with the backbone under ``backbone``.
        source: a path, a URL or a name, as in :func:`~.fetch.fetch_weights`; or weights that are read already.
        weights: ``'raw'``, or ``'ema'`` for the moving average in the file.
        classes: names of the model's classes.
        trust_pickle: as in :func:`~.reader.read_checkpoint`.
        find_class_shapes: function that returns the rules of the shapes that depend on the number of classes, called
            if they are needed; if it finds none, any layer may differ, and whole heads keep their random weights where
            the classes are others.
        used: how the model's images are prepared; a warning is logged if they are normalized otherwise than for the
            weights.

    Returns:
        One line that says what was loaded, which layers keep their random weights and what was left over in the file.

    Raises:
        UserError: if the file can't be read, the backbone does not match, or another layer differs for another reason
            than the number of classes.
    """
    found = source if isinstance(source, Weights) else read_weights(source, weights, trust_pickle)
    path, own = found.path, plain_state(model)
    loaded, started = _start_last_norm(own, found)
    if used is not None and used.bands is not None:
        loaded, fitted = fit_stem(own, loaded, used.bands, found.preprocessing)
        started += fitted
    other_head = _describe_other_head(own, loaded)
    backbones = [{n: t for n, t in state.items() if part_of(n) == 'backbone'} for state in (own, loaded)]
    differences = _differences(*backbones)
    if differences:
        mismatch = _mismatch(own, loaded, differences)
        raise UserError(f'{path} ({found.source}) does not fit this backbone: {mismatch}')
    _check_final_norm(own, loaded, found)
    note = set_network_settings(model, found.settings, path)
    if line := describe_difference(used, found.preprocessing, path):
        print_log(line, 'current', logging.WARNING)

    other_classes = classes is not None and found.classes is not None and list(found.classes) != list(classes)
    usable = loaded.keys() - {name for name in loaded if other_head and part_of(name) == 'head'}
    unequal = [name for name in own if name in usable and loaded[name].shape != own[name].shape]
    class_shapes = find_class_shapes() if other_classes or unequal else {}
    if class_shapes:
        _check_only_classes_differ(own, loaded, unequal, class_shapes, found)
    for_other_classes = {name for name in own if other_classes and _depends_on_classes(name, class_shapes)}
    modules = group_by_module(own)
    fitting = {
        module
        for module, names in modules.items()
        if all(name in usable and name not in unequal and name not in for_other_classes for name in names)
    }
    chosen = {name: loaded[name] for module in fitting for name in modules[module]}
    if 'head' in fitting and {'backbone.norm', 'backbone.norm_pre'} & (modules.keys() - fitting):
        place = 'before' if 'backbone.norm_pre' in modules else 'after'
        raise UserError(
            f'{path} ({found.source}) has a head and no norm {place} the pooling: its head would classify features '
            'that it was not trained on: take other weights'
        )
    load_plain(model, chosen)
    of_file = group_by_module(loaded)
    left_over = {*name_layers(of_file, of_file.keys() - fitting), *parts_left_over(found.left_over)}
    averaged = ' of averaged weights' if weights == 'ema' else ''
    return (
        f'pretrained: {len(chosen)} tensors{averaged} from {path} ({found.source}); '
        f'fresh: {", ".join(name_layers(modules, modules.keys() - fitting)) or "nothing"}; '
        f'left over in the file: {", ".join(sorted(left_over)) or "nothing"}'
        + (f' ({_compare_classes(found.classes, classes)})' if other_classes and found.classes and classes else '')
        + started
        + other_head
        + (f'; {note}' if note else '')
        + _describe_untrained(model, modules, modules.keys() - fitting)
        + license_note(found.origin)
    )


def _describe_untrained(model: nn.Module, modules: Mapping[str, Iterable[str]], fresh: Iterable[str]) -> str:
    """Name the frozen modules for which the weights have nothing, so that they stay as they were initialized."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    untrained = [module for module in fresh if not frozen.isdisjoint(modules[module])]
    return f'; frozen without weights: {", ".join(name_layers(modules, untrained))}' if untrained else ''


def _describe_other_head(own: Mapping[str, Tensor], loaded: Mapping[str, Tensor]) -> str:
    """Say that a classifier's head has a hidden layer where the model's has none, or the other way round.

    The last layers of both may have the same shape, and are for other features. Empty if they agree.
    """
    hidden = 'head.hidden.weight'
    if not ('head.weight' in own and 'head.weight' in loaded) or (hidden in own) == (hidden in loaded):
        return ''
    if hidden in loaded:
        return f'; its head has a hidden layer: model.head_hidden_size={len(loaded[hidden])} takes it'
    return '; its head has no hidden layer: without model.head_hidden_size it is taken'


def _start_last_norm(own: Mapping[str, Tensor], found: Weights) -> tuple[Mapping[str, Tensor], str]:
    """Let the norm of the last stage's output start from the final norm, if that is for positions as well.

    Returns:
        The weights by name, and a part of the line that reports the loaded weights; empty if there is nothing to say.
    """
    last, state = 'backbone.norm3', found.state
    final = next((norm for norm in ('backbone.norm', 'backbone.norm_pre') if f'{norm}.weight' in state), None)
    if final is None or not found.settings.normalizes_positions or f'{last}.weight' not in own:
        return state, ''
    if f'{last}.weight' in state:
        return state, ''
    renamed = {name.replace(f'{final}.', f'{last}.'): tensor for name, tensor in state.items()}
    return renamed, '; norm3 starts from the final norm, which these weights have for positions as well'


def _check_final_norm(own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], found: Weights) -> None:
    """Check that a classifier normalizes before or after the pooling as its weights do.

    Raises:
        UserError: if it does not.
    """
    places = [detect_structure(state).norm_before_pooling for state in (own, loaded)]
    if None not in places and places[0] != places[1]:
        raise UserError(
            f'{found.path} ({found.source}) is of a network with its final norm {"before" if places[1] else "after"} '
            f'the pooling: set model.backbone.norm_before_pooling={places[1]}'
        )


def _check_only_classes_differ(
    own: Mapping[str, Tensor],
    loaded: Mapping[str, Tensor],
    unequal: Iterable[str],
    class_shapes: Mapping[str, ClassShape],
    found: Weights,
) -> None:
    """Check that no number of classes but the model's explains each shape that differs from the model's.

    Raises:
        UserError: with the first differences.
    """
    unexplained = [n for n in unequal if n not in class_shapes or class_shapes[n].classes_in(loaded[n].shape) is None]
    if unexplained:
        differences = _differences(*({name: state[name] for name in unexplained} for state in (own, loaded)))
        raise UserError(
            f'{found.path} ({found.source}) does not fit this model, and not for its number of classes: '
            f'{_first(differences)}: take a config of these sizes, or the backbone alone, as '
            f'`convnext-dense convert_weights {found.path} backbone.pth --to official` writes it'
        )


def _depends_on_classes(name: str, class_shapes: Mapping[str, ClassShape]) -> bool:
    """Whether a tensor's shape depends on the number of classes; any of a head may, if no rules are known."""
    return name in class_shapes if class_shapes else part_of(name) not in ('backbone', 'neck', *NORM_PARTS)


def _compare_classes(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Say how the classes of a file differ from those of the data."""
    same = [str(name) for name in theirs if name in set(ours)]
    if len(same) == len(theirs) == len(ours):
        return f'it is for the same {len(theirs)} classes in another order, which are learned anew'
    if not same:
        return f'it is for {len(theirs)} other classes'
    named = ', '.join(same[:NAMED_CLASSES]) + (', ...' if len(same) > NAMED_CLASSES else '')
    return f'it is for {len(theirs)} classes, {len(same)} of them named as in the data and learned anew: {named}'


def check_is_convnext(weights: Weights) -> None:
    """Check that the backbone is a complete ConvNeXt of some size and has no other weights.

    Raises:
        UserError: with the first differences by name and shape.
    """
    backbone = {name.removeprefix('backbone.'): t for name, t in weights.state.items() if name.startswith('backbone.')}
    with torch.device('meta'):
        differences = _differences(_build_network(backbone, detect_arch(weights.state)).state_dict(), backbone)
    if differences:
        raise UserError(f'{weights.path} ({weights.source}) is no ConvNeXt as it is known here: {_first(differences)}')


def _mismatch(own: Mapping[str, Tensor], other: Mapping[str, Tensor], differences: list[str]) -> str:
    """Say why weights do not fit a model: their first differences, and the backbones if these are two ConvNeXts."""
    ours, theirs, first = _network_name(own), _network_name(other), _first(differences)
    if ours is None or theirs is None or ours == theirs:
        return first
    fix = f'take weights of {ours}, or a config of {theirs}'
    if detect_arch(own) == detect_arch(other):
        arguments = _different_arguments(detect_structure(own), detect_structure(other))
        fix = f'set {" and ".join(arguments)}' if arguments else fix
    return f'its backbone is {theirs}, that of the config {ours} ({first}): {fix}'


def _different_arguments(own: Structure, other: Structure) -> list[str]:
    """Return the settings of a config that make its backbone one of another structure."""
    found = []
    for key in ('stem', 'kernel_size', 'norm', 'norm_before_pooling'):
        ours, theirs = getattr(own, key), getattr(other, key)
        if ours != theirs and not (key == 'norm_before_pooling' and None in (ours, theirs)):
            choices = [theirs] if theirs is not None else WITHOUT_BIAS
            found.append(' or '.join(f'model.backbone.{key}={choice!r}' for choice in choices))
    return found


def _network_name(state_dict: Mapping[str, Tensor]) -> str | None:
    """Name the ConvNeXt that the weights of a model's backbone are of; None if they are not of one as known here.

    Other networks can have names like a ConvNeXt's, as those of the roadmap do.
    """
    backbone = {name.removeprefix('backbone.'): t for name, t in state_dict.items() if part_of(name) == 'backbone'}
    arch = detect_arch(state_dict)
    try:
        with torch.device('meta'):
            network = _build_network(backbone, arch)
    except UserError:  # there is no isotropic network of this size
        return None
    known = {name: t for name, t in network.state_dict().items() if part_of(f'backbone.{name}') == 'backbone'}
    if _differences(known, backbone):
        return None
    if isinstance(network, IsotropicConvNeXt):
        return f'{arch} {_isotropic_name(backbone)}'
    structure = str(detect_structure(state_dict))
    return f'{arch} with {structure}' if structure else str(arch)


def _build_network(backbone: Mapping[str, Tensor], arch: Arch) -> nn.Module:
    """Build the ConvNeXt that these weights of a backbone seem to be of."""
    scaled = float(any(name.endswith('.gamma') and '.grn.' not in name for name in backbone))
    if 'stem.weight' in backbone:
        return IsotropicConvNeXt(_isotropic_name(backbone), layer_scale_init_value=scaled)
    final = any(f'{norm}.weight' in backbone for norm in ('norm', 'norm_pre'))
    indices = None if final else [s for s in STAGES if f'norm{s}.weight' in backbone]
    depths, dims = ([max(1, n) for n in numbers] for numbers in arch.size)
    structure = detect_structure({f'backbone.{name}': tensor for name, tensor in backbone.items()})
    return ConvNeXt(
        dict(depths=depths, dims=dims),
        arch.version,
        structure.in_channels,
        indices,
        layer_scale_init_value=scaled,
        stem=structure.stem,
        norm=structure.norm or WITHOUT_BIAS[0],
        kernel_size=structure.kernel_size,
        norm_before_pooling=bool(structure.norm_before_pooling),
    )


def _isotropic_name(backbone: Mapping[str, Tensor]) -> str:
    """The size of an isotropic network, for which there is no network if it is not a published one."""
    blocks = len({name.split('.')[1] for name in backbone if name.startswith('blocks.')})
    sizes = {size: name for name, size in ISOTROPIC_ARCHS.items()}
    return sizes.get(IsotropicSettings(blocks, len(backbone['stem.weight'])), 'of these weights')


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
