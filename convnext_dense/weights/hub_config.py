"""Settings of a network that its weights do not contain: the eps of its norms, and its activation.

They are read from the ``config.json`` next to the weights in Hugging Face repositories, including timm's. Networks
that :class:`~convnext_dense.models.ConvNeXt` can't compute exactly are rejected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ..errors import UserError
from .fetch import HUB_CONFIG, HUB_FILES
from .formats import HF, HF_DINOV3, TIMM, TIMM_FEATURES

EPS = 1e-6  # of all our norms; that of the final norm can be set


class NetworkSettings(NamedTuple):
    """Settings of the network that weights were trained in.

    Attributes:
        final_norm_eps: eps of the final norm, None if unknown.
        note: known or assumed settings, for the line that reports the loaded weights; may be empty.
    """

    final_norm_eps: float | None
    note: str


def network_settings(path: Path, source: str, meta: Mapping) -> NetworkSettings:
    """Read the settings of the network of some weights.

    Args:
        path: the weights file; its folder may have a ``config.json``.
        source: format of the weights, as in :class:`~.formats.ConvertedWeights`.
        meta: the checkpoint's metadata; its ``final_norm_eps`` is the eps that the weights were trained with.

    Raises:
        UserError: if the activation is not exact GELU, the eps in the blocks is not 1e-6, or the network is not a
            ConvNeXt.
    """
    if source not in (HF.name, HF_DINOV3.name, TIMM.name, TIMM_FEATURES.name):
        eps = meta.get('final_norm_eps')
        return NetworkSettings(eps, '') if isinstance(eps, float) else NetworkSettings(None, '')
    config = path.with_name(HUB_CONFIG)
    if path.name not in HUB_FILES or not config.is_file():
        return NetworkSettings(None, f"final norm's eps {EPS:g} and exact GELU assumed, without a {HUB_CONFIG}")
    try:
        content = json.loads(config.read_text())
        block_eps, eps, gelu = _read_timm(content) if 'architecture' in content else _read_hf(content)
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise UserError(
            f'{config} is not the config of a ConvNeXt, so that {path} cannot be used: take other weights'
        ) from None
    if not gelu:
        raise UserError(
            f'{path} is for a network whose activation is not exact GELU (see {config}): take other weights'
        )
    if block_eps != EPS:
        raise UserError(
            f'{path} is for a network with norms of eps {block_eps:g}, not {EPS:g} (see {config}): take other weights'
        )
    return NetworkSettings(eps, f"final norm's eps {eps:g} and exact GELU, from {HUB_CONFIG}")


def final_norm_eps(model: nn.Module) -> float | None:
    """Return the eps of the final norm of a model's backbone; None if it has none, or no LayerNorm."""
    norm = getattr(getattr(model, 'backbone', None), 'norm', None)
    return norm.eps if isinstance(norm, nn.LayerNorm) else None


def set_final_norm_eps(model: nn.Module, settings: NetworkSettings, path: Path) -> None:
    """Give the backbone's final norm, if there is one, the eps that the weights were trained with.

    Raises:
        UserError: if the model's config sets another eps.
    """
    own, wanted = final_norm_eps(model), settings.final_norm_eps
    if own is None or wanted is None or own == wanted:
        return
    if own != EPS:
        raise UserError(
            f'the final norm of {path} has eps {wanted:g}, this model {own:g}: leave model.backbone.final_norm_eps out'
        )
    model.backbone.norm.eps = wanted  # type: ignore[union-attr]


def _read_hf(content: dict) -> tuple[float, float, bool]:
    """Read a transformers config; its defaults are exact GELU, and eps 1e-12, in DINOv3's 1e-6 for all norms.

    That of a ``UperNetForSemanticSegmentation`` has the backbone's inside.

    Returns:
        Eps of the blocks' norms, eps of the final norm, and True if the activation is exact GELU.
    """
    if content['model_type'] == 'upernet':
        content = content['backbone_config']
    if content['model_type'] not in ('convnext', 'convnextv2', 'dinov3_convnext'):
        raise ValueError
    gelu = content.get('hidden_act', 'gelu') == 'gelu'
    if content['model_type'] == 'dinov3_convnext':
        eps = float(content.get('layer_norm_eps', 1e-6))
        return eps, eps, gelu
    return EPS, float(content.get('layer_norm_eps', 1e-12)), gelu


def _read_timm(content: dict) -> tuple[float, float, bool]:
    """Read a timm config by building its network; returns the same values as :func:`_read_hf`."""
    import timm
    import torch

    name, arguments = content['architecture'], content.get('model_args') or {}
    if not timm.models.is_model(name):
        raise ValueError
    # only these two of the file's arguments are passed on: others could name files to load
    known = {key: arguments[key] for key in ('norm_eps', 'act_layer') if key in arguments}
    with torch.device('meta'):
        network = timm.models.model_entrypoint(name)(**known)
    norms = {module.eps for module in network.modules() if isinstance(module, nn.LayerNorm)}
    activations = [type(block.mlp.act) for stage in network.stages for block in stage.blocks]
    if len(norms) != 1:
        raise ValueError
    eps = norms.pop()
    return eps, eps, set(activations) <= {nn.GELU, timm.layers.GELU}
