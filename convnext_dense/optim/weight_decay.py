"""Which parameters the weight decay pulls at."""

from __future__ import annotations

from typing import Any, cast

from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS, OPTIMIZERS
from torch import Tensor, nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class WeightDecayConstructor:
    """Builds the optimizer with two parameter groups, ``decay`` and ``no_decay``.

    As in the official recipe, weight decay leaves alone every bias and 1-D parameter (norms, LayerScale), and
    GRN's, which have four dimensions. Frozen parameters are left out.

    Args:
        optim_wrapper_cfg: config of the optimizer wrapper, with the optimizer's under ``optimizer``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        if paramwise_cfg:
            raise ValueError(f'WeightDecayConstructor takes no paramwise_cfg, got {paramwise_cfg}')
        self.optimizer_cfg = optim_wrapper_cfg.pop('optimizer')
        self.optim_wrapper_cfg = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapper:
        bare = cast(nn.Module, model.module) if is_model_wrapper(model) else model
        groups: dict[str, list[Tensor]] = {'decay': [], 'no_decay': []}
        for name, parameter in bare.named_parameters():
            if parameter.requires_grad:
                groups['no_decay' if is_exempt(name, parameter) else 'decay'].append(parameter)
        params: list[dict[str, Any]] = [
            {'params': tensors, 'group_name': name} for name, tensors in groups.items() if tensors
        ]
        for group in params:
            if group['group_name'] == 'no_decay':
                group['weight_decay'] = 0.0
        optimizer = OPTIMIZERS.build(dict(self.optimizer_cfg, params=params))
        return OPTIM_WRAPPERS.build(dict(self.optim_wrapper_cfg), default_args=dict(optimizer=optimizer))


def is_exempt(name: str, parameter: Tensor) -> bool:
    """Whether weight decay leaves a parameter alone."""
    return parameter.ndim <= 1 or name.endswith(('.bias', '.gamma', '.grn.beta'))
