"""The feature maps that a model takes from its backbone, and the stages of a ConvNeXt that replace them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .notes import NotAdaptable, Notes
from .shapes import IMAGE_SIDE, feature_shapes

STRIDES = (4, 8, 16, 32)
"""Strides of the stages of a ConvNeXt."""


NOT_OF_SHAPES = ('init_cfg', 'pretrained', 'dcn', 'stage_with_dcn', 'plugins')
"""Settings of a backbone that its feature maps' sizes don't depend on: weights, and parts that may need more ops."""


class Level(NamedTuple):
    """A feature map of a backbone."""

    channels: int
    stride: int


def find_levels(model: Mapping[str, Any]) -> list[Level]:
    """Return the feature maps of a model's backbone: it is built without its pre-training, and run.

    A backbone of another package than mmdet and mmseg is not built: neck and heads tell the channels, and the strides
    are taken for those of the last stages of a network that ends with 32.

    Raises:
        NotAdaptable: if it returns something else than feature maps, or neck and heads don't tell.
    """
    backbone = model['backbone']
    if str(backbone['type']).partition('.')[0] not in ('mmdet', 'mmseg'):
        return _levels_of_consumers(model)
    plain = {key: value for key, value in backbone.items() if key not in NOT_OF_SHAPES}
    if (plain.get('norm_cfg') or {}).get('type') in ('BN', 'SyncBN'):
        plain['norm_cfg'] = {'type': 'BN'}  # NAS-FCOS has an eps of 0, which PyTorch no longer takes
    shapes = feature_shapes([plain], [(3, IMAGE_SIDE, IMAGE_SIDE)], f'its backbone {backbone["type"]}')
    return [Level(channels, round(IMAGE_SIDE / height)) for channels, height, _ in shapes]


def choose_stages(levels: Sequence[Level], model: Mapping[str, Any], notes: Notes) -> list[int]:
    """Choose the stage of a ConvNeXt for each level: the one of its stride, if all levels have strides of their own.

    For the levels of a dilated network, of which several have one stride, they are the last stages in order, which is
    said. Levels that are coarser than any stage are left out, at the end, if the neck makes up for them.

    Raises:
        NotAdaptable: if there is no such choice.
    """
    strides = [level.stride for level in levels]
    kind = str(model['backbone']['type']).rpartition('.')[2]
    if len(levels) > 1 and len(set(strides)) == 1:
        raise NotAdaptable(
            f'its method is its backbone: all {len(levels)} outputs of {kind} have stride {strides[0]}, and its neck '
            'and heads are made for that'
        )
    within = [stride for stride in strides if stride <= STRIDES[-1]]
    if len(within) < len(strides) and within == strides[: len(within)]:
        neck = _first_neck(model) or {}
        if 'num_outs' not in neck or not isinstance(neck.get('in_channels'), list | tuple):
            raise NotAdaptable(f'{kind} gives features of strides {strides}, and a ConvNeXt none beyond 32')
        notes.changed.append(
            f'the neck takes {len(within)} levels rather than {len(strides)}: a ConvNeXt has none beyond stride 32, '
            'and the neck makes the coarser ones itself'
        )
        strides = within
    is_map = (
        str(model['type']).startswith('mmseg.') and len(strides) == 1
    )  # of the whole network: strides don't matter
    if set(strides) <= set(STRIDES) and strides == sorted(set(strides)) and not is_map:
        return [STRIDES.index(stride) for stride in strides]
    if strides != sorted(strides) or len(strides) > len(STRIDES):
        raise NotAdaptable(
            f'its method is its backbone: {kind} gives features of strides {strides}, a ConvNeXt of 4, 8, 16 and 32'
        )
    if str(model['type']).startswith('mmdet.'):
        raise NotAdaptable(f'its heads are made for features of strides {strides}, a ConvNeXt gives 4, 8, 16 and 32')
    stages = list(range(len(STRIDES) - len(strides), len(STRIDES)))
    if [STRIDES[i] for i in stages] == strides:
        return stages
    what = 'the feature map has stride' if len(stages) == 1 else 'the features have strides'
    notes.changed.append(
        f'{what} {_listed([STRIDES[i] for i in stages])}, in the source {_listed(strides)}, so that the predictions '
        'are coarser: no stage of a ConvNeXt is dilated'
    )
    return stages


def consumers(model: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of mmseg's heads that take features of the backbone or neck by their place, with their keys."""
    for name in ('decode_head', 'auxiliary_head'):
        part = model.get(name)
        for place, head in enumerate(part) if isinstance(part, list | tuple) else [(None, part)]:
            if isinstance(head, dict):
                yield from _consumers_in(head, name if place is None else f'{name}[{place}]', True)


def _consumers_in(head: dict[str, Any], name: str, is_head: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    if 'in_channels' in head and (is_head or 'in_index' in head):
        yield name, head
    for key, value in head.items():
        if isinstance(value, dict):
            yield from _consumers_in(value, f'{name}.{key}', False)


def places_of(head: Mapping[str, Any], count: int) -> list[int]:
    """Return the places of the features that a head takes, among ``count``: all, if it has channels for them."""
    several = isinstance(head['in_channels'], list | tuple)
    index = head.get('in_index', list(range(len(head['in_channels']))) if several else -1)
    return [one % count for one in (index if isinstance(index, list | tuple) else [index])]


def _first_neck(model: Mapping[str, Any]) -> dict[str, Any] | None:
    neck = model.get('neck')
    return neck[0] if isinstance(neck, list | tuple) else neck


def _levels_of_consumers(model: Mapping[str, Any]) -> list[Level]:
    """Infer the levels from the channels that the neck, or else the heads, take."""
    kind, neck = model['backbone']['type'], _first_neck(model)
    channels = (neck or {}).get('in_channels')
    if neck is None:
        known: dict[int, int] = {}
        for _, head in consumers(model):
            sizes = head['in_channels'] if isinstance(head['in_channels'], list | tuple) else [head['in_channels']]
            known.update(zip(places_of(head, len(STRIDES)), sizes, strict=False))
        channels = [known.get(place, 0) for place in range(len(STRIDES))] if known else None
    if isinstance(channels, int):
        channels = [channels]
    if not isinstance(channels, list | tuple) or len(channels) > len(STRIDES):
        raise NotAdaptable(f'what its backbone {kind} gives to neck and heads is not known without that package')
    return [Level(*one) for one in zip(channels, STRIDES[len(STRIDES) - len(channels) :], strict=True)]


def _listed(numbers: Sequence[int]) -> str:
    return ', '.join(map(str, numbers[:-1])) + f' and {numbers[-1]}' if len(numbers) > 1 else str(numbers[0])
