"""``--freeze stem|N|backbone``: the setting of a config's backbone by which its first parts, or all, are frozen."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ..errors import UserError
from ..models.freezing import has_frozen_backbone
from ..registry import MODELS

SETTING = 'model.backbone.frozen_stages'
STAGES = 4  # of a backbone that does not say how many it has
STEM, BACKBONE = 'stem', 'backbone'


def freeze(cfg: Config, part: str, options: Collection[str] = ()) -> None:
    """Have a config's backbone freeze its stem, its first stages, or all of it.

    Args:
        cfg: the config, which is changed.
        part: ``'stem'``; a number N for the stem and the first N stages, with the downsample layers before them; or
            ``'backbone'`` for everything but the norms of its outputs.
        options: keys that the command line sets.

    Raises:
        UserError: if the model has no backbone, or one that can't be frozen or has fewer stages; if an option sets the
            same.
    """
    flag = f'--freeze {part}'
    if SETTING in options:
        raise UserError(f'{flag} and --cfg-options {SETTING}=... both say what is frozen: leave out one')
    backbone = cfg.model.get('backbone')
    if not isinstance(backbone, MutableMapping):
        raise UserError(f'{flag}: {cfg.model.type} has no backbone')
    kind = _class_of(backbone, cfg)
    if kind is None:
        return  # building the model names what is near
    parameters = inspect.signature(kind).parameters.values()
    if not any(one.name == 'frozen_stages' or one.kind is one.VAR_KEYWORD for one in parameters):
        raise UserError(
            f'{flag}: {backbone["type"]} has no frozen_stages, by which backbones are frozen: take one '
            'that has, or give its parameters the lr 0 with optim_wrapper.paramwise_cfg.custom_keys'
        )
    stages = _count_stages(backbone, kind)
    number = {STEM: 0, BACKBONE: stages}.get(part)
    number = int(part) if number is None else number
    if number > stages or (stages == 1 and part not in (STEM, BACKBONE)):
        one = 'one stage, which is all of it' if stages == 1 else f'{stages} stages'
        raise UserError(f'{flag}: {backbone["type"]} has {one}: take --freeze stem or --freeze backbone')
    backbone['frozen_stages'] = number


def freezes_backbone(cfg: Config) -> bool:
    """Whether a config's ``frozen_stages`` are all stages of its backbone."""
    backbone = cfg.model.get('backbone')
    if not isinstance(backbone, MutableMapping):
        return False
    number, kind = backbone.get('frozen_stages'), _class_of(backbone, cfg)
    return isinstance(number, int) and kind is not None and number >= _count_stages(backbone, kind)


def _class_of(backbone: Mapping[str, Any], cfg: Config) -> Any:
    """Return the class of a config's backbone; None if none is registered by that name."""
    kind = backbone['type']
    if not isinstance(kind, str):
        return kind
    with (
        DefaultScope.overwrite_default_scope(cfg.get('default_scope')),
        MODELS.switch_scope_and_registry(None) as registry,
    ):
        return registry.get(kind)


def _count_stages(backbone: Mapping[str, Any], kind: Any) -> int:
    depths = backbone.get('depths')
    stages = backbone.get('num_stages') or (len(depths) if isinstance(depths, list | tuple) else STAGES)
    number: int = getattr(kind, 'num_stages', stages)
    return number


def check_frozen(model: nn.Module, cfg: Config, part: str) -> None:
    """Check that what :func:`freeze` asks for is frozen, and for a part of the backbone that the rest is not.

    Args:
        model: the model, which is in training mode afterwards: some backbones freeze their parts no earlier.
        cfg: its config.
        part: see :func:`freeze`.

    Raises:
        UserError: if it is otherwise: some backbones of other libraries count other stages, or keep some parts.
    """
    model.train()
    backbone, whole = model.get_submodule('backbone'), has_frozen_backbone(model)
    trained = [name for name, parameter in backbone.named_parameters() if parameter.requires_grad]
    setting = f'{cfg.model.backbone.type} with frozen_stages={cfg.model.backbone.frozen_stages}'
    if part == BACKBONE and not whole:
        fault = f'still trains {", ".join(trained[:3])}'
    elif len(trained) == len(list(backbone.parameters())):
        fault = 'freezes nothing'
    elif part == STEM and whole:
        fault = 'freezes all of it'
    else:
        return
    raise UserError(f'--freeze {part}: {setting} {fault}: set {SETTING} as its documentation says')
