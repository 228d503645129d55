"""Parameter groups for layer-wise lr decay, with no weight decay for biases, norms and scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..errors import UserError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS

SCHEMES = ('layer_wise', 'stage_wise', 'single')
RULES = ('decay_rate', 'scheme', 'num_layers', 'norm_decay_mult', 'bias_decay_mult', 'custom_keys')
CUSTOM = ('lr_mult', 'decay_mult')
NORMS = (_NormBase, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


class Group(NamedTuple):
    """Parameters with the same lr and weight decay."""

    layer_id: int | None  # None where the lr does not decay with depth
    lr_scale: float
    lr: float
    weight_decay: float
    name: str
    parameters: dict[str, Tensor]  # by name


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor:
    """Optimizer constructor that makes a parameter group for each pair of lr and weight decay.

    A parameter's lr is ``lr_scale = decay_rate^(num_layers + 1 - layer_id)`` times the optimizer's. The layer ids come
    from the backbone, a module anywhere in the model with ``layer_id(name, scheme, num_layers)`` and
    ``num_layers(scheme)``; necks, heads and the norms of the backbone's outputs have ``num_layers + 1``, so scale 1.
    Biases, other 1-D parameters, and the parameters of LayerScale and GRN (recognized by name) have no weight decay.
    Frozen parameters are in no group. These are the official rules (github.com/facebookresearch/ConvNeXt:
    ``optim_factory.py`` and the optimizer constructors for detection and segmentation).

    Args:
        optim_wrapper_cfg: config of the optimizer wrapper, with the optimizer's config under ``optimizer``.
        paramwise_cfg: all keys are optional:

            - ``decay_rate``, in (0, 1]; without it all layers have the same lr.
            - ``scheme``: ``'layer_wise'``, ``'stage_wise'`` or ``'single'`` (an id for each block).
            - ``num_layers``: must equal the backbone's own number, the default. Only ``stage_wise`` takes any number
              from the number of stages up: a larger one lowers the backbone's lr.
            - ``norm_decay_mult``, ``bias_decay_mult``: factors on the weight decay of norms and of all other biases;
              0 by default.
            - ``custom_keys``: ``{part of a name: dict(lr_mult=..., decay_mult=...)}``. The longest key that a name
              contains applies; ``lr_mult`` multiplies ``lr_scale``, ``decay_mult`` overrides the other rules.

    Raises:
        UserError: (a ValueError) if a rule is unknown or out of range, or the model has no layer ids.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        self.optimizer_cfg = dict(optim_wrapper_cfg.pop('optimizer'))
        self.optim_wrapper_cfg = optim_wrapper_cfg
        self.rules = dict(paramwise_cfg or {})

    def __call__(self, model: nn.Module) -> OptimWrapper:
        groups = parameter_groups(model, self.optimizer_cfg, self.rules)
        MMLogger.get_current_instance().info(_summary(groups))
        params = [
            {
                'params': list(group.parameters.values()),
                'group_name': group.name,
                'layer_id': group.layer_id,
                'lr_scale': group.lr_scale,
                'lr': group.lr,
                'weight_decay': group.weight_decay,
            }
            for group in groups
        ]
        optimizer = OPTIMIZERS.build(dict(self.optimizer_cfg, params=params))
        return OPTIM_WRAPPERS.build(dict(self.optim_wrapper_cfg), default_args=dict(optimizer=optimizer))


def parameter_groups(model: nn.Module, optimizer: dict, rules: dict) -> list[Group]:
    """Sort the trained parameters into groups, from the stem to the heads.

    Args:
        model: a model, with or without a distributed wrapper.
        optimizer: the optimizer's config, with ``lr`` and, unless it is 0, ``weight_decay``.
        rules: see ``paramwise_cfg`` of :class:`LayerDecayConstructor`.

    Raises:
        UserError: see :class:`LayerDecayConstructor`.
    """
    _check_rules(rules)
    if 'lr' not in optimizer:
        raise UserError('optim_wrapper.optimizer has no lr: set one')
    if is_model_wrapper(model):
        model = model.module  # type: ignore[assignment]
    lr, decay = optimizer['lr'], optimizer.get('weight_decay', 0.0)
    layer_id_of, num_layers = _layer_ids(model, rules)
    custom_keys = rules.get('custom_keys') or {}
    unused = set(custom_keys)
    groups: dict[tuple, Group] = {}
    for name, parameter, owner in _parameters(model):
        layer_id = layer_id_of(name)
        scale = 1.0 if layer_id is None else rules['decay_rate'] ** (num_layers + 1 - layer_id)
        decay_mult = _decay_mult(name, parameter, owner, rules)
        lr_mult = 1.0
        matching = [key for key in custom_keys if key in name]
        if matching:
            custom = custom_keys[max(matching, key=len)]
            lr_mult = custom.get('lr_mult', 1.0)
            decay_mult = custom.get('decay_mult', decay_mult)
            unused -= set(matching)
        if not parameter.requires_grad:
            continue
        key = (-1 if layer_id is None else layer_id, scale * lr_mult, decay * decay_mult)
        if key not in groups:
            label = '' if layer_id is None else f'layer_{layer_id}_'
            label += 'decay' if decay_mult else 'no_decay'
            label += f'_x{decay_mult:g}' if decay_mult not in (0, 1) else ''
            label += f'_lr_x{lr_mult:g}' if lr_mult != 1 else ''
            groups[key] = Group(layer_id, key[1], lr * key[1], key[2], label, {})
        groups[key].parameters[name] = parameter
    if unused:
        raise UserError(f'paramwise_cfg.custom_keys: no parameter has {sorted(unused)[0]!r} in its name')
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], key[1], -key[2]))]


def _parameters(model: nn.Module) -> Iterator[tuple[str, Tensor, nn.Module]]:
    """Yield each parameter once: its name, the parameter, and the module that owns it."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield f'{prefix}.{name}' if prefix else name, parameter, module


def _decay_mult(name: str, parameter: Tensor, owner: nn.Module, rules: dict) -> float:
    if isinstance(owner, NORMS):
        return rules.get('norm_decay_mult', 0.0)
    if name.endswith('bias'):  # also in_proj_bias of attention
        return rules.get('bias_decay_mult', 0.0)
    exempt = parameter.ndim <= 1 or name.endswith(('.gamma', '.grn.beta'))  # LayerScale and GRN
    return 0.0 if exempt else 1.0


def _layer_ids(model: nn.Module, rules: dict) -> tuple[Callable[[str], int | None], int]:
    """Return a function from a parameter's name to its layer id, and the number of layers."""
    if not {'decay_rate', 'scheme', 'num_layers'} & rules.keys():
        return lambda name: None, 0
    absent = [key for key in ('decay_rate', 'scheme') if key not in rules]
    if absent:
        raise UserError(f'paramwise_cfg has no {absent[0]}: layer-wise lr decay takes decay_rate and scheme')
    candidates = ((prefix, module) for prefix, module in model.named_modules() if hasattr(type(module), 'layer_id'))
    prefix, backbone = next(candidates, ('', None))
    if backbone is None:
        raise UserError(
            f'{type(model).__name__} has no layer ids: layer-wise lr decay takes a backbone with a method layer_id, '
            'such as convnext_dense.ConvNeXt; without paramwise_cfg all layers have one lr'
        )
    scheme, fits = rules['scheme'], backbone.num_layers(rules['scheme'])
    num_layers = rules.get('num_layers')
    if num_layers is None:
        num_layers = fits
    elif scheme == 'stage_wise':
        if not isinstance(num_layers, int) or num_layers < 4:
            raise UserError(f'paramwise_cfg.num_layers {num_layers!r} is less than the 4 stages: take {fits}')
    elif num_layers != fits:
        raise UserError(
            f'paramwise_cfg.num_layers {num_layers!r} does not fit depths {tuple(backbone.depths)} with {scheme}: '
            f'take {fits}, or leave it out'
        )
    start = f'{prefix}.' if prefix else ''

    def layer_id(name: str) -> int:
        if not name.startswith(start):
            return num_layers + 1
        return backbone.layer_id(name.removeprefix(start), scheme, num_layers)

    return layer_id, num_layers


def _check_rules(rules: dict[str, Any]) -> None:
    for key in rules:
        if key not in RULES:
            raise UserError(f'paramwise_cfg has no rule {key!r}: it takes {", ".join(RULES)}')
    rate, scheme = rules.get('decay_rate', 1.0), rules.get('scheme', SCHEMES[0])
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
        raise UserError(f'paramwise_cfg.decay_rate {rate!r} is outside (0, 1]')
    if scheme not in SCHEMES:
        raise UserError(f'unknown paramwise_cfg.scheme {scheme!r}: take one of {", ".join(SCHEMES)}')
    for key, custom in (rules.get('custom_keys') or {}).items():
        unknown = sorted(set(custom) - set(CUSTOM))
        if unknown:
            raise UserError(f'paramwise_cfg.custom_keys {key!r} takes {" and ".join(CUSTOM)}, not {unknown[0]!r}')


def _summary(groups: list[Group]) -> str:
    scales = {group.layer_id: group.lr_scale for group in groups if '_lr_x' not in group.name}
    named = ', '.join(f'layer_{i} x {scale:.3g}' for i, scale in scales.items() if i is not None)
    line = f'{len(groups)} parameter groups; the lr in the log is that of '
    if not named:
        return f'{line}all layers'
    return f'{line}neck and heads, and scaled by layer: {named}'
