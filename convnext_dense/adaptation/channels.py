"""Channels of neck and heads, changed where they are those of the backbone's features, and only there."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from .levels import STRIDES, Level, consumers, places_of
from .notes import NotAdaptable, Notes
from .shapes import IMAGE_SIDE, feature_shapes

Shape = tuple[int, int, int]


def connect(
    model: dict[str, Any], levels: Sequence[Level], stages: Sequence[int], dims: Sequence[int], notes: Notes
) -> list[int]:
    """Change a model's neck and heads to take the features of a ConvNeXt, and check that the neck does.

    Args:
        model: the model with scopes; it is changed.
        levels: the feature maps of its old backbone.
        stages: the stage that replaces each of the first of them.
        dims: channels of the four stages.
        notes: get a line for each change.

    Returns:
        The stages that neck or heads take: the ``out_indices`` of the new backbone.

    Raises:
        NotAdaptable: if what neck or heads take is not what the old backbone gives, or the new neck does not run.
    """
    old = [level.channels for level in levels]
    new = [dims[stage] for stage in stages]
    neck = model.get('neck')
    _leave_out_unused(model, len(levels), notes)
    if neck is None:
        used = _places_of_heads(model, len(stages))
        _connect_heads(model, old, new, notes)
        _renumber(model, used, len(stages), notes)
        return [stages[place] for place in used]
    parts = list(neck) if isinstance(neck, list | tuple) else [neck]
    before = feature_shapes(parts, [_shape(level.channels, level.stride) for level in levels], 'its neck')
    original = copy.deepcopy(parts[0])
    try:
        used, after = _try_neck(parts, old, new, stages, len(before), notes, trims=True)
    except NotAdaptable:
        if not original.get('start_level'):
            raise
        parts[0].clear()
        parts[0].update(original)
        used, after = _try_neck(parts, old, new, stages, len(before), notes, trims=False)
    _connect_heads(model, [one[0] for one in before], [one[0] for one in after], notes)
    return [stages[place] for place in used]


def why_unused(model: dict[str, Any]) -> str | None:
    """Say which parameters of an adapted model get no gradient, which training on several GPUs has to know of."""
    neck = model.get('neck')
    first = neck[0] if isinstance(neck, list | tuple) else neck
    if max(model['backbone']['out_indices']) < len(STRIDES) - 1:
        return 'nothing takes the last stage of the backbone, which stays as it is'
    if first and first.get('start_level'):
        return f'the neck leaves out the first {first["start_level"]} of the features that it is given'
    return None


def _try_neck(
    parts: list[dict[str, Any]],
    old: Sequence[int],
    new: Sequence[int],
    stages: Sequence[int],
    count: int,
    notes: Notes,
    trims: bool,
) -> tuple[list[int], list[Shape]]:
    """Change the first part of a neck, and run all; return the places of the levels that it uses, and its outputs."""
    tried = Notes()
    used = _connect_neck(parts[0], old, new, tried, trims)
    inputs = [_shape(new[place], STRIDES[stages[place]]) for place in used]
    kinds = ' and '.join(str(part['type']) for part in parts)
    what = f'the neck {kinds} on features of {[one[0] for one in inputs]} channels'
    outputs = feature_shapes(parts, inputs, what)
    if len(outputs) != count:
        raise NotAdaptable(f'{what} returns {len(outputs)} levels, and the heads take {count}')
    notes.changed += tried.changed
    return used, outputs


def _shape(channels: int, stride: int) -> Shape:
    return channels, IMAGE_SIDE // stride, IMAGE_SIDE // stride


def _connect_neck(
    neck: dict[str, Any], old: Sequence[int], new: Sequence[int], notes: Notes, trims: bool
) -> list[int]:
    """Change the channels that a neck takes, and return the places of the levels that it uses.

    A neck that begins above the first levels gets none of these: the norm that a ConvNeXt has for each output would
    never be trained.
    """
    given = neck.get('in_channels')
    if isinstance(given, int):
        if given != old[-1] or len(new) < len(old):
            raise NotAdaptable(f'neck.in_channels is {given}, and the last feature map of its backbone has {old[-1]}')
        _set(neck, 'neck', 'in_channels', new[-1], notes)
        return [len(new) - 1]
    is_reversed = isinstance(given, list | tuple) and list(given) == list(reversed(old)) != list(old)
    if not isinstance(given, list | tuple) or not (is_reversed or list(given) == list(old)):
        raise NotAdaptable(f'neck.in_channels is {given}, and the feature maps of its backbone have {list(old)}')
    start = neck.get('start_level', 0) if trims and len(new) == len(old) and not is_reversed else 0
    used = list(range(start, len(new)))
    if start:
        neck['start_level'] = 0
        if neck.get('end_level', -1) > 0:
            neck['end_level'] -= start
        notes.changed.append(
            f'neck.start_level: 0, in the source {start}: the backbone returns only what the neck uses'
        )
    taken = [new[place] for place in (reversed(used) if is_reversed else used)]
    outputs = neck.get('out_channels')
    if isinstance(outputs, list | tuple) and len(outputs) > len(given) and list(outputs[: len(given)]) == list(given):
        _set(neck, 'neck', 'out_channels', [*taken, *outputs[len(given) :]], notes)  # it hands its inputs on
    _set(neck, 'neck', 'in_channels', taken, notes)
    return used


def _places_of_heads(model: dict[str, Any], count: int) -> list[int]:
    """Return the places of the features that heads take without a neck: those of mmdet all, or the last one."""
    places: set[int] = set()
    for _, head in consumers(model):
        places.update(places_of(head, count))
        if head.get('c1_in_channels'):  # DeepLabV3+ also takes the first feature map
            places.add(0)
    if places:
        return sorted(places)
    several = any(isinstance(part.get('in_channels'), list | tuple) for part in _heads(model).values())
    return list(range(count)) if several else [count - 1]


def _leave_out_unused(model: dict[str, Any], count: int, notes: Notes) -> None:
    """Leave out the features that mmseg's ``EncHead`` is given without using them, as it does by default."""
    for name, head in consumers(model):
        places = places_of(head, count)
        if head.get('type') == 'mmseg.EncHead' and not head.get('add_lateral') and len(places) > 1:
            _set(head, name, 'in_channels', head['in_channels'][-1:], notes)
            _set(head, name, 'in_index', places[-1:], notes)


def _renumber(model: dict[str, Any], used: list[int], count: int, notes: Notes) -> None:
    """Let ``in_index`` of mmseg's heads count the features that are used, of which the backbone returns no others."""
    if len(used) == count:
        return
    for name, head in consumers(model):
        if 'in_index' in head:
            index, places = head['in_index'], [used.index(place) for place in places_of(head, count)]
            _set(head, name, 'in_index', places if isinstance(index, list | tuple) else places[0], notes)


def _connect_heads(model: dict[str, Any], old: Sequence[int], new: Sequence[int], notes: Notes) -> None:
    """Change the channels of the heads where those of the feature maps that they take change."""
    for name, head in consumers(model):
        several = isinstance(head['in_channels'], list | tuple)
        places = places_of(head, len(old))
        before = list(head['in_channels']) if several else [head['in_channels']]
        if before != [old[place] for place in places] and any(old[place] for place in places):
            raise NotAdaptable(
                f'{name}.in_channels is {head["in_channels"]}, and the feature maps {places} have '
                f'{[old[place] for place in places]}'
            )
        taken = [new[place] for place in places]
        _set(head, name, 'in_channels', taken if several else taken[0], notes)
        if head.get('num_convs') == 0 and head.get('channels') == before[0]:  # mmseg's FCNHead classifies its input
            _set(head, name, 'channels', taken[0], notes)
        if head.get('c1_in_channels'):
            _set(head, name, 'c1_in_channels', new[0], notes)
    if list(old) == list(new):
        return
    for name, head in _heads(model).items():
        given = head.get('in_channels')
        if isinstance(given, list | tuple) and list(given) == list(old):
            _set(head, name, 'in_channels', list(new), notes)
        elif isinstance(given, int) and set(old) == {given} and len(set(new)) == 1:
            _set(head, name, 'in_channels', new[0], notes)
        elif isinstance(given, int) and given == old[-1]:
            _set(head, name, 'in_channels', new[-1], notes)
        elif given is not None:
            raise NotAdaptable(f'{name}.in_channels is {given}, and the feature maps that it takes have {list(old)}')
    if len(old) == len(new) == 1 and isinstance(model.get('roi_head'), dict):
        _connect_pooled(model['roi_head'], 'roi_head', old[0], new[0], notes)


def _connect_pooled(part: dict[str, Any], name: str, old: int, new: int, notes: Notes) -> None:
    """Change the channels of RoI extractors, and of the heads of a RoI head, which take what those pool."""
    for key, value in part.items():
        for place, one in enumerate(value) if isinstance(value, list | tuple) else [(None, value)]:
            if not isinstance(one, dict) or not key.endswith(('_head', 'roi_extractor')):
                continue
            channels = 'in_channels' if key.endswith('_head') else 'out_channels'
            if one.get(channels) == old:
                _set(one, f'{name}.{key}' + ('' if place is None else f'[{place}]'), channels, new, notes)


def _heads(model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parts of a model of mmdet that take the features, with their keys; pooled ones go by the pooling."""
    of_mmseg = ('decode_head', 'auxiliary_head')
    heads = {name: part for name, part in model.items() if name.endswith('_head') and name not in of_mmseg}
    return {name: part for name, part in heads.items() if isinstance(part, dict)}


def _set(part: dict[str, Any], name: str, key: str, value: Any, notes: Notes) -> None:
    before = part.get(key)
    if isinstance(before, tuple):
        value = tuple(value)
    if before != value:
        part[key] = value
        notes.changed.append(f'{name}.{key}: {_short(value)}, in the source {_short(before)}')


def _short(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
