"""What weights can't tell about their network: the eps of its norms, and its GELU.

A config.json beside them does, as Hugging Face's repositories have it, timm's among them. What our network can't
compute is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ..errors import UserError
from .fetch import HUB_CONFIG, HUB_FILES
from .formats import HF, TIMM, TIMM_FEATURES

EPS = 1e-6  # of all our norms; the final one's can be set


class Variant(NamedTuple):
    final_norm_eps: float | None  # None if not known
    note: str  # for the line that says what was loaded: what is known, or assumed


def variant_of(path: Path, source: str, meta: Mapping) -> Variant:
    """What is said beside some weights.

    Args:
        path: the file with the weights.
        source: their format, as :class:`~.formats.Converted` has it.
        meta: of a checkpoint of ours; ``final_norm_eps`` is what they were trained with, or had before they were
            converted.

    Raises:
        UserError: if the network is another than ours could be.
    """
    if source not in (HF.name, TIMM.name, TIMM_FEATURES.name):
        eps = meta.get('final_norm_eps')
        return Variant(eps, '') if isinstance(eps, float) else Variant(None, '')
    config = path.with_name(HUB_CONFIG)
    if path.name not in HUB_FILES or not config.is_file():
        return Variant(None, f"final norm's eps {EPS:g} and exact GELU assumed, since no {HUB_CONFIG} says it")
    try:
        content = json.loads(config.read_text())
        block_eps, eps, gelu = _of_timm(content) if 'architecture' in content else _of_hf(content)
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise UserError(
            f'{config} is no config of a ConvNeXt: {path} is not read without knowing its network'
        ) from None
    if not gelu:
        raise UserError(
            f'{path} is of a network with another activation than exact GELU, as {config} says: take others'
        )
    if block_eps != EPS:
        raise UserError(f'{path} is of a network whose norms have eps {block_eps:g}, not {EPS:g}, as {config} says')
    return Variant(eps, f"final norm's eps {eps:g} and exact GELU, as {HUB_CONFIG} says")


def final_norm_eps(model: nn.Module) -> float | None:
    """The eps of the final norm of a model's backbone; None where it has none, or no LayerNorm."""
    norm = getattr(getattr(model, 'backbone', None), 'norm', None)
    return norm.eps if isinstance(norm, nn.LayerNorm) else None


def check_final_norm(model: nn.Module, variant: Variant, path: Path) -> None:
    """
    Raises:
        UserError: if the final norm of a model's backbone, where it has one, has another eps than the weights' own.
    """
    own, wanted = final_norm_eps(model), variant.final_norm_eps
    if own is not None and wanted is not None and own != wanted:
        raise UserError(
            f'the final norm of {path} has eps {wanted:g}, this model {own:g}: '
            f'add --cfg-options model.backbone.final_norm_eps={wanted:g}'
        )


def _of_hf(content: dict) -> tuple[float, float, bool]:
    """Eps of the blocks' norms and of the final one, and whether its activation is ours. transformers' defaults are
    eps 1e-12 and GELU."""
    if content['model_type'] not in ('convnext', 'convnextv2'):
        raise ValueError
    return EPS, float(content.get('layer_norm_eps', 1e-12)), content.get('hidden_act', 'gelu') == 'gelu'


def _of_timm(content: dict) -> tuple[float, float, bool]:
    """The same of timm's network, looked up in the network itself."""
    import timm
    import torch

    name, arguments = content['architecture'], content.get('model_args') or {}
    if not timm.models.is_model(name):
        raise ValueError
    # of the file's own arguments only these two count: the others could name files to load
    known = {key: arguments[key] for key in ('norm_eps', 'act_layer') if key in arguments}
    with torch.device('meta'):
        network = timm.models.model_entrypoint(name)(**known)
    norms = {module.eps for module in network.modules() if isinstance(module, nn.LayerNorm)}
    activations = [type(block.mlp.act) for stage in network.stages for block in stage.blocks]
    if len(norms) != 1:
        raise ValueError
    eps = norms.pop()
    return eps, eps, set(activations) <= {nn.GELU, timm.layers.GELU}
