"""Low-rank adapters (LoRA, arXiv 2106.09685) on the pointwise layers of a backbone, by the library PEFT.

An adapted layer computes ``W x + b + alpha / rank * B A x``: W (out, in) and b keep their values, A (rank, in) and B
(out, rank) are trained. B starts from zeros, so that an adapted model begins as the model that it adapts. In the names
of parameters the layer itself is ``pwconv1.base_layer``, and its adapters are ``pwconv1.lora_A.default`` and
``pwconv1.lora_B.default``; :func:`plain_name` is the name in the model without adapters.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..counting import counted
from ..errors import UserError

TARGETS = r'(stages|blocks)\..*\.pwconv[12]'
"""Names of the adapted layers in a backbone, as a regular expression."""
_BASE, _ADAPTER = re.compile(r'(\.pwconv[12])\.base_layer\.'), re.compile(r'\.lora_([AB])\.default\.')


class LoraSettings(NamedTuple):
    """Settings of adapters.

    Attributes:
        rank: rows of A and columns of B.
        alpha: the factor on ``B A`` times the rank.
        dropout: probability in [0, 1) that a value of an adapter's input is dropped in training.
    """

    rank: int
    alpha: float
    dropout: float = 0.0

    @property
    def scale(self) -> float:
        """The factor on ``B A``."""
        return self.alpha / self.rank

    @property
    def flags(self) -> str:
        """The command line's arguments that give these settings."""
        options = [f'lora.alpha={self.alpha:g}'] if self.alpha != self.rank else []
        options += [f'lora.dropout={self.dropout:g}'] if self.dropout else []
        return ' '.join([f'--lora {self.rank}', *(['--cfg-options', *options] if options else [])])

    def __str__(self) -> str:
        dropout = f', dropout {self.dropout:g}' if self.dropout else ''
        return f'LoRA of rank {self.rank}, alpha {self.alpha:g}{dropout}'


def lora_settings(lora: Mapping[str, Any] | None) -> LoraSettings | None:
    """Read the key ``lora`` of a config, or of a checkpoint's metadata.

    Args:
        lora: ``rank``, ``alpha`` (by default the rank, for a factor of 1) and ``dropout`` (0), or None.

    Raises:
        UserError: for an unknown key, or a value that is out of range.
    """
    if lora is None:
        return None
    if not isinstance(lora, Mapping):
        raise UserError(f'lora is {lora!r}: give lora.rank, such as --lora 8, or None')
    unknown = [key for key in lora if key not in LoraSettings._fields]
    if unknown:
        near = difflib.get_close_matches(str(unknown[0]), LoraSettings._fields, n=1) or LoraSettings._fields
        raise UserError(f'lora has no {unknown[0]!r}: did you mean {" or ".join(near)}?')
    rank, dropout = lora.get('rank'), lora.get('dropout', 0.0)
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise UserError(f'lora.rank is {rank!r}: take a whole number of at least 1, such as 8')
    alpha = lora.get('alpha')
    alpha = rank if alpha is None else alpha
    if not _is_number(alpha) or not 0 < alpha < float('inf'):
        raise UserError(f'lora.alpha is {alpha!r}: take a number above 0; the factor on the adapters is alpha / rank')
    if not _is_number(dropout) or not 0 <= dropout < 1:
        raise UserError(f'lora.dropout is {dropout!r}: take a number in [0, 1)')
    return LoraSettings(rank, float(alpha), float(dropout))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def insert_adapters(model: nn.Module, settings: LoraSettings) -> str:
    """Replace the pointwise layers of a model's backbone by adapted ones, and freeze all else in the backbone.

    The norms of the backbone's outputs, neck and heads are trained as without adapters.

    Args:
        model: a model with the backbone under ``backbone``, changed in place.
        settings: the adapters'.

    Returns:
        A line for the log.

    Raises:
        UserError: if PEFT is not installed, or the backbone can't be adapted like this.
    """
    if importlib.util.find_spec('peft') is None:
        raise UserError('--lora needs the package peft: pip install peft')
    backbone: Any = getattr(model, 'backbone', None)
    layers = {} if backbone is None else _adapted_layers(backbone)
    _check(model, backbone, layers, settings)

    from peft import LoraConfig, inject_adapter_in_model  # here, because it takes seconds to import

    trained = [p for name, p in backbone.named_parameters() if name.startswith('norm') and p.requires_grad]
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=TARGETS
    )
    inject_adapter_in_model(config, backbone)
    for parameter in trained:
        parameter.requires_grad_(True)
    numbers = [p.numel() for p in model.parameters() if p.requires_grad], [p.numel() for p in model.parameters()]
    learnt, total = map(sum, numbers)
    return (
        f'{settings} on {counted(len(layers), "pointwise layer")}: {learnt:,} of {total:,} parameters train '
        f'({learnt / total:.1%}), norms of the outputs, neck and heads among them'
    )


def _check(model: nn.Module, backbone: Any, layers: Mapping[str, nn.Linear], settings: LoraSettings) -> None:
    if not layers:
        kind = type(model if backbone is None else backbone).__name__
        raise UserError(
            f'{kind} has no pointwise layers pwconv1 and pwconv2, which LoRA adapts: take a config of a ConvNeXt'
        )
    frozen = getattr(backbone, 'frozen_stages', -1)
    if frozen >= 0:
        raise UserError(
            f'model.backbone.frozen_stages={frozen} (--freeze sets it) freezes layers that LoRA adapts: '
            'leave it at -1, LoRA itself keeps the other weights of the backbone'
        )
    inside = (name for name, module in backbone.named_modules() if isinstance(module, _BatchNorm))
    changing = next((name for name in inside if not name.startswith('norm')), None)
    if changing is not None and not getattr(backbone, 'norm_eval', False):
        raise UserError(
            f'model.backbone has BatchNorms ({changing}), whose statistics change where LoRA keeps all but its '
            'adapters: take a backbone with LayerNorms, or set model.backbone.norm_eval=True where it has that'
        )
    name, narrowest = min(layers.items(), key=lambda item: min(item[1].weight.shape))
    width = min(narrowest.weight.shape)
    if settings.rank > width:
        raise UserError(
            f'LoRA of rank {settings.rank} is no smaller than the layer that it adapts: backbone.{name} has {width} '
            f'channels: take a rank of at most {width}, such as {min(8, width)}'
        )


def _adapted_layers(backbone: nn.Module) -> dict[str, nn.Linear]:
    return {
        name: layer
        for name, layer in backbone.named_modules()
        if re.fullmatch(TARGETS, name) and isinstance(layer, nn.Linear)
    }


def adapters_of(model: nn.Module) -> LoraSettings | None:
    """Return the settings of a model's adapters; None if it has none."""
    configs = getattr(getattr(model, 'backbone', None), 'peft_config', None)
    if not isinstance(configs, dict):
        return None
    config = configs['default']
    return LoraSettings(config.r, float(config.lora_alpha), float(config.lora_dropout))


# -- names and weights of adapted models


def has_adapters(names: Iterable[str]) -> bool:
    """Whether there are adapters among the names of a model's tensors."""
    return any(_ADAPTER.search(name) for name in names)


def plain_name(name: str) -> str:
    """Return the name that a tensor of an adapted layer has in the model without adapters."""
    return _BASE.sub(r'\1.', name)


def plain_state(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's weights without its adapters, by the names that they have in the model without adapters."""
    return {plain_name(name): tensor for name, tensor in model.state_dict().items() if not _ADAPTER.search(name)}


@torch.no_grad()
def load_plain(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights of the model without adapters, some or all; adapters change nothing afterwards."""
    names = {plain_name(name): name for name in model.state_dict() if not _ADAPTER.search(name)}
    model.load_state_dict({names.get(name, name): tensor for name, tensor in state.items()}, strict=False)
    for name, parameter in model.named_parameters():
        match = _ADAPTER.search(name)
        if match and match[1] == 'B':
            parameter.zero_()


def split_adapters(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]:
    """Split the weights of an adapted model.

    Returns:
        The weights of the model without adapters, and A (rank, in) and B (out, rank) by the name of their layer.
    """
    plain = {plain_name(name): tensor for name, tensor in state.items() if not _ADAPTER.search(name)}
    layers = [_ADAPTER.split(name)[0] for name in state if '.lora_A.default.' in name]
    return plain, {
        layer: (state[f'{layer}.lora_A.default.weight'], state[f'{layer}.lora_B.default.weight']) for layer in layers
    }


def merge_adapters(
    plain: Mapping[str, Tensor], adapters: Mapping[str, tuple[Tensor, Tensor]], scale: float
) -> dict[str, Tensor]:
    """Add adapters to the weights that they adapt: ``W + scale * B A``.

    Args:
        plain: weights by name, not changed.
        adapters: A (rank, in) and B (out, rank) by the name of their layer.
        scale: alpha / rank.
    """
    merged = dict(plain)
    for layer, (a, b) in adapters.items():
        weight = plain[f'{layer}.weight']
        merged[f'{layer}.weight'] = weight + scale * (b @ a).to(weight.dtype)
    return merged
