"""UPerNet in transformers, which is a port of mmseg's ``UPerHead`` and ``FCNHead`` with other names.

What mmseg sets and the port has fixed is checked, and refused where it differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...errors import UserError
from .model import HubModel

POOL_SCALES = (1, 2, 3, 6)  # mmseg's default
PARTS = ('backbone', 'decode_head', 'auxiliary_head')
AUXILIARY_INDEX = 2  # the stage that the port's auxiliary head reads
NORMS = ('BN', 'SyncBN')


def upernet_config(model: HubModel, backbone: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a ``UperNetForSemanticSegmentation`` with this backbone.

    Raises:
        UserError: if the segmentor is another one.
    """
    _check(model)
    head = model.settings.get('decode_head') or {}
    config = {
        'model_type': 'upernet',
        'backbone_config': dict(backbone),
        'hidden_size': len(model.state['decode_head.bottleneck.conv.weight']),
        'pool_scales': list(head.get('pool_scales', POOL_SCALES)),
        'use_auxiliary_head': has_auxiliary_head(model),
        'dtype': backbone['dtype'],
    }
    if config['use_auxiliary_head']:
        state, auxiliary = model.state, model.settings.get('auxiliary_head') or {}
        loss = auxiliary.get('loss_decode')
        convs = {name.split('.')[2] for name in state if name.startswith('auxiliary_head.convs.')}
        config |= {
            'auxiliary_in_channels': _in_channels(model),
            'auxiliary_channels': state['auxiliary_head.conv_seg.weight'].shape[1],
            'auxiliary_num_convs': len(convs),
            'auxiliary_concat_input': 'auxiliary_head.conv_cat.conv.weight' in state,
            'auxiliary_loss_weight': loss.get('loss_weight', 0.4) if isinstance(loss, Mapping) else 0.4,
        }
    return config


def upernet_head(model: HubModel) -> dict[str, Tensor]:
    """Return the weights of the heads in the names of transformers."""
    parts = PARTS[1:] if has_auxiliary_head(model) else PARTS[1:2]
    return {
        re.sub(r'\.bn\.', '.batch_norm.', name).replace('.conv_seg.', '.classifier.'): tensor
        for name, tensor in model.state.items()
        if name.startswith(tuple(f'{part}.' for part in parts))
    }


def has_auxiliary_head(model: HubModel) -> bool:
    """Whether the auxiliary head, which only training uses, is there and of the kind that transformers has."""
    settings = model.settings.get('auxiliary_head') or {}
    if not isinstance(settings, Mapping) or 'auxiliary_head.conv_seg.weight' not in model.state:
        return False
    default = dict(in_index=AUXILIARY_INDEX, align_corners=False, kernel_size=3, dilation=1)
    as_there = all(settings.get(key, value) == value for key, value in default.items())
    kernel = model.state.get('auxiliary_head.convs.0.conv.weight')
    return as_there and _has_batch_norm(settings) and kernel is not None and tuple(kernel.shape[2:]) == (3, 3)


def upernet_notes(model: HubModel) -> list[str]:
    """Say what was assumed, and what is left out."""
    notes = []
    if not model.settings.get('decode_head'):
        notes.append(
            f'pool_scales {", ".join(map(str, POOL_SCALES))} assumed, as mmseg has them: the work dir of a run tells'
        )
    if 'auxiliary_head.conv_seg.weight' in model.state and not has_auxiliary_head(model):
        notes.append('the auxiliary head is left out: transformers has none of its kind, and only training needs it')
    return notes


def _in_channels(model: HubModel) -> int:
    return model.state['auxiliary_head.convs.0.conv.weight'].shape[1]


def _has_batch_norm(settings: Mapping[str, Any]) -> bool:
    norm = dict(settings.get('norm_cfg') or {'type': 'BN'})
    norm.pop('requires_grad', None)
    activation = settings.get('act_cfg') or {'type': 'ReLU'}
    return norm.pop('type', None) in NORMS and not norm and activation.get('type') == 'ReLU'


def _check(model: HubModel) -> None:
    path, state = model.weights.path, model.state
    instead = '--backbone pushes its backbone alone'
    if others := {name.split('.')[0] for name in state} - {*PARTS}:
        raise UserError(f'transformers has no UPerNet with {", ".join(sorted(others))}, as {path} has: {instead}')
    head = model.settings.get('decode_head') or {}
    kind = head.get('type', 'UPerHead') if isinstance(head, Mapping) else 'a cascade of heads'
    if kind.rpartition('.')[2] != 'UPerHead' or 'decode_head.fpn_bottleneck.conv.weight' not in state:
        kind = kind if kind.rpartition('.')[2] != 'UPerHead' else 'another head'
        raise UserError(f'of segmentors transformers has UPerNet, and {path} has {kind} as decode_head: {instead}')
    stages = model.output_stages
    expected = dict(in_index=list(range(len(stages))), align_corners=False)
    for key, value in expected.items():
        own = head.get(key, value)
        if (list(own) if isinstance(own, tuple) else own) != value:
            raise UserError(f"transformers' UPerNet has {key}={value}, and {path} {own}: {instead}")
    classes = head.get('num_classes', model.num_classes)
    if classes != model.num_classes:
        raise UserError(
            f"transformers' UPerNet has an output channel for each class, and {path} {model.num_classes} for "
            f'{classes} classes: {instead}'
        )
    if not _has_batch_norm(head):
        raise UserError(f"transformers' UPerNet has BatchNorm and ReLU, and {path} other layers: {instead}")
    pools = {name.split('.')[2] for name in state if name.startswith('decode_head.psp_modules.')}
    if len(pools) != len(head.get('pool_scales', POOL_SCALES)):
        raise UserError(
            f'{path} has {len(pools)} pooled maps of unknown sizes: push the work dir of its run, whose config has '
            'them as pool_scales'
        )
