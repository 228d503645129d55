"""``--freeze backbone``: the setting of a config's backbone by which all of it is frozen."""

from __future__ import annotations

import inspect
from collections.abc import Collection, MutableMapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ..errors import UserError
from ..models.freezing import has_frozen_backbone
from ..registry import MODELS

SETTING = 'model.backbone.frozen_stages'
STAGES = 4  # of a backbone that does not say how many it has


def freeze_backbone(cfg: Config, options: Collection[str] = ()) -> None:
    """Have a config's backbone freeze all its stages.

    Args:
        cfg: the config, which is changed.
        options: keys that the command line sets.

    Raises:
        UserError: if the model has no backbone or one that can't be frozen, or an option sets the same.
    """
    if SETTING in options:
        raise UserError(f'--freeze backbone and --cfg-options {SETTING}=... both say what is frozen: leave out one')
    backbone = cfg.model.get('backbone')
    if not isinstance(backbone, MutableMapping):
        raise UserError(f'--freeze backbone: {cfg.model.type} has no backbone')
    with (
        DefaultScope.overwrite_default_scope(cfg.get('default_scope')),
        MODELS.switch_scope_and_registry(None) as registry,
    ):
        kind: Any = registry.get(backbone['type']) if isinstance(backbone['type'], str) else backbone['type']
    if kind is None:
        return  # building the model names what is near
    parameters = inspect.signature(kind).parameters.values()
    if not any(one.name == 'frozen_stages' or one.kind is one.VAR_KEYWORD for one in parameters):
        raise UserError(
            f'--freeze backbone: {backbone["type"]} has no frozen_stages, by which backbones are frozen: take one '
            'that has, or give its parameters the lr 0 with optim_wrapper.paramwise_cfg.custom_keys'
        )
    depths = backbone.get('depths')
    stages = backbone.get('num_stages') or (len(depths) if isinstance(depths, list | tuple) else STAGES)
    backbone['frozen_stages'] = getattr(kind, 'num_stages', stages)


def check_backbone_frozen(model: nn.Module, cfg: Config) -> None:
    """Check that nothing of a backbone trains but norms of its outputs, after :func:`freeze_backbone`.

    Args:
        model: the model, which is in training mode afterwards: some backbones freeze their parts no earlier.
        cfg: its config.

    Raises:
        UserError: if something does: some backbones of other libraries count other stages, or keep some parts.
    """
    if not has_frozen_backbone(model.train()):
        backbone = model.get_submodule('backbone')
        names = [name for name, parameter in backbone.named_parameters() if parameter.requires_grad]
        raise UserError(
            f'--freeze backbone: {cfg.model.backbone.type} with frozen_stages={cfg.model.backbone.frozen_stages} '
            f'still trains {", ".join(names[:3])}: set {SETTING} as its documentation says'
        )
