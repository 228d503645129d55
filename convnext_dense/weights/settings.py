"""Settings of a network that its weights do not contain: eps and kind of its norms, and its activation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from torch import nn

from ..errors import UserError

EPS = 1e-6  # of all norms in the papers' networks
SETTINGS = {
    'norm_eps': 'the norms of {} have eps',
    'final_norm_eps': 'the final norm of {} has eps',
    'activation': 'the activation of {} is',
}
"""Arguments of ConvNeXt that follow the weights, and the words for them."""
POSITIONS: Final = 'normalizes_positions'
"""Attribute of :class:`NetworkSettings`, and key in the meta of converted weights."""


class NetworkSettings(NamedTuple):
    """Settings of the network that weights were trained in.

    Attributes:
        final_norm_eps: eps of the final norm, None if unknown.
        note: known or assumed settings, for the line that reports the loaded weights; may be empty.
        norm_eps: eps of all other norms, None if unknown.
        activation: a name of :data:`~convnext_dense.models.layers.ACTIVATIONS`, None if unknown.
        norm: a name of :data:`~convnext_dense.models.layers.NORMS`, None if unknown.
        assumed: True if these are the defaults of the library that wrote the file, where nothing tells them.
        normalizes_positions: True if the final norm is for the last stage's positions as well as for their mean.
    """

    final_norm_eps: float | None = None
    note: str = ''
    norm_eps: float | None = None
    activation: str | None = None
    norm: str | None = None
    assumed: bool = False
    normalizes_positions: bool = False


def described(settings: NetworkSettings) -> str:
    """Describe settings in words."""
    kind = {'rms_norm': 'RMSNorm, ', 'simple_norm': 'SimpleNorm, '}.get(settings.norm or '', '')
    norm_eps = settings.norm_eps or EPS
    final = settings.final_norm_eps or norm_eps
    if norm_eps == final != EPS:
        eps = f'eps {final:g} in all norms'
    else:
        eps = f"{'' if norm_eps == EPS else f'norm eps {norm_eps:g}, '}final norm's eps {final:g}"
    return f'{kind}{eps} and {"exact GELU" if settings.activation == "gelu" else settings.activation}'


def settings_for_meta(model: nn.Module) -> dict[str, Any]:
    """Return the settings of a model's backbone for the metadata of its checkpoints."""
    backbone: Any = getattr(model, 'backbone', None)
    final = next((getattr(backbone, name) for name in ('norm', 'norm_pre') if hasattr(backbone, name)), None)
    settings: dict[str, Any] = dict.fromkeys((*SETTINGS, 'norm'))
    settings['final_norm_eps'] = final.eps if isinstance(final, nn.LayerNorm | nn.RMSNorm) else None
    if hasattr(backbone, 'follow'):
        settings |= {'norm_eps': backbone.norm_eps, 'activation': backbone.activation, 'norm': backbone.norm_kind}
    return settings


def set_network_settings(model: nn.Module, settings: NetworkSettings, path: Path) -> str:
    """Give a model's backbone the eps and the activation that its weights were trained with.

    Returns:
        The known or assumed settings, for the line that reports the loaded weights; may be empty.

    Raises:
        UserError: if the model's config sets another one, or the backbone can't compute with them.
    """
    backbone: Any = getattr(model, 'backbone', None)
    wanted: dict[str, Any] = {key: getattr(settings, key) for key in SETTINGS}
    if not hasattr(backbone, 'follow'):
        usual = wanted['norm_eps'] in (None, EPS) and wanted['activation'] in (None, 'gelu')
        if backbone is not None and not usual:
            kind = type(backbone).__name__
            raise UserError(
                f'{path} is of a network with {described(settings)}, which {kind} does not compute: take other weights'
            )
        if isinstance(getattr(backbone, 'norm', None), nn.LayerNorm) and wanted['final_norm_eps'] is not None:
            backbone.norm.eps = wanted['final_norm_eps']
        return settings.note
    if settings.norm not in (None, backbone.norm_kind):
        raise UserError(
            f'the norms of {path} are of kind {settings.norm}, those of this model {backbone.norm_kind}: '
            f'set model.backbone.norm={settings.norm!r}'
        )
    in_config = {key: value for key, value in backbone.in_config.items() if value is not None}
    if backbone.out_indices is not None:
        in_config.pop('final_norm_eps', None)  # there is none
    differing = [key for key, value in in_config.items() if wanted[key] not in (None, value)]
    if differing and not settings.assumed:
        key = differing[0]
        raise UserError(
            f'{SETTINGS[key].format(path)} {_number(wanted[key])}, this model {_number(in_config[key])}: '
            f'leave model.backbone.{key} out'
        )
    wanted |= in_config
    norm_eps = wanted['norm_eps'] or backbone.norm_eps
    backbone.follow(norm_eps, wanted['final_norm_eps'] or norm_eps, wanted['activation'] or backbone.activation)
    if differing:
        kept = ' and '.join(f'{key} {_number(in_config[key])}' for key in differing)
        return f'{kept} as in the config, of which the file tells nothing'
    if settings.norm is None and backbone.norm_kind != 'layer_norm':
        notes = (settings.note, f'the file does not tell whether its norms are {backbone.norm_kind} as in the config')
        return '; '.join(filter(None, notes))
    return settings.note


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f'{value:g}'
