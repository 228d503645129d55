"""Frozen parts of models: no gradients, evaluation mode, and no activations kept for a backward pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

SHOWN = 8  # parts of a model, at most, in a line of the log
OUTPUT_NORM = re.compile(r'norm\d\.')
"""Beginning of the names of the norms of a backbone's outputs, which no weights of classifiers have."""


def freeze(parts: Iterable[nn.Module]) -> None:
    """Freeze modules: their parameters get no gradients, and drop path and BatchNorm are as in evaluation."""
    for part in parts:
        part.requires_grad_(False)
        part.eval()


def gradients_where_needed(part: nn.Module, x: Tensor) -> AbstractContextManager:
    """Context in which a module runs on x without autograd if nothing that it computes can need a gradient.

    Autograd would keep no activations of such a module either, but the fast kernels for inference have no gradients
    and are not taken while it is on.
    """
    needed = x.requires_grad or any(parameter.requires_grad for parameter in part.parameters())
    return nullcontext() if needed or not torch.is_grad_enabled() else torch.no_grad()


def has_frozen_backbone(model: nn.Module) -> bool:
    """Whether a model has a backbone of which nothing trains, except norms of its outputs."""
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, nn.Module):
        return False
    parameters = list(backbone.named_parameters())
    inner = [parameter for name, parameter in parameters if not OUTPUT_NORM.match(name)]
    return bool(inner) and not any(parameter.requires_grad for parameter in inner)


def frozen_parts(model: nn.Module) -> list[str]:
    """Name the largest parts of a model all of whose parameters are frozen."""
    return list(_parts(model, trained=False))


def shortened(names: Sequence[str]) -> str:
    """Name some parts in a line, at most :data:`SHOWN`, and how many more there are."""
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return f'{", ".join(names[:SHOWN])}{more}'


def describe_frozen(model: nn.Module) -> str | None:
    """Return a line for the log about what is frozen and what trains; None if all parameters train."""
    frozen = frozen_parts(model)
    if not frozen:
        return None
    counts = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    trained = sum(count for count, trains in counts if trains)
    return (
        f'{shortened(frozen)} frozen: {trained:,} of {sum(count for count, _ in counts):,} parameters train '
        f'({shortened([*_parts(model, trained=True)]) or "none"})'
    )


def _parts(module: nn.Module, trained: bool, name: str = '') -> Iterator[str]:
    """Yield the names of a module's largest parts whose parameters are all trained, or all frozen."""
    states = {parameter.requires_grad for parameter in module.parameters()}
    if states == {trained} and name:
        yield name
    elif trained in states:
        start = f'{name}.' if name else ''
        for own, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad == trained:
                yield f'{start}{own}'
        for child, part in module.named_children():
            yield from _parts(part, trained, f'{start}{child}')
