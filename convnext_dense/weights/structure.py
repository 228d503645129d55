"""The arguments of a ConvNeXt that its weights show, by their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .formats import STAGES

if TYPE_CHECKING:
    from torch import Tensor

WITHOUT_BIAS = ('rms_norm', 'simple_norm')  # norms with the same parameters


class Structure(NamedTuple):
    """Arguments of :class:`~convnext_dense.models.ConvNeXt` beside version, depths and dims.

    Attributes:
        stem, kernel_size, in_channels: as there, with a kernel size for each stage.
        norm: ``'layer_norm'``, or None for norms without a bias, which are RMSNorm or SimpleNorm.
        norm_before_pooling: True or False by the name of the final norm, None if there is none.
    """

    stem: str
    kernel_size: tuple[int, ...]
    in_channels: int
    norm: str | None
    norm_before_pooling: bool | None

    def __str__(self) -> str:
        """Name what differs from the ConvNeXt of the papers; empty if nothing does."""
        parts = [
            f'stem {self.stem}' if self.stem != 'patch' else '',
            f'kernel_size {self.kernel_size}' if set(self.kernel_size) != {7} else '',
            'norms without a bias' if self.norm is None else '',
            'norm before the pooling' if self.norm_before_pooling else '',
        ]
        return ', '.join(filter(None, parts))


def detect_structure(state_dict: Mapping[str, Tensor]) -> Structure:
    """Detect the arguments from weights in our names, which are those of a ConvNeXt with four stages."""
    stem = {
        int(found[1]): tensor
        for name, tensor in state_dict.items()
        if (found := re.fullmatch(r'backbone\.downsample_layers\.0\.(\d+)\.weight', name)) and tensor.ndim == 4
    }
    first = stem.get(0)
    kernels = [state_dict.get(f'backbone.stages.{s}.0.dwconv.weight') for s in STAGES]
    block_norm = 'backbone.stages.0.0.norm'
    final_norms = {name: f'backbone.{name}.weight' in state_dict for name in ('norm', 'norm_pre')}
    return Structure(
        stem=_stem_kind(stem),
        kernel_size=tuple(7 if kernel is None else kernel.shape[-1] for kernel in kernels),
        in_channels=3 if first is None else first.shape[1],
        norm=None if f'{block_norm}.weight' in state_dict and f'{block_norm}.bias' not in state_dict else 'layer_norm',
        norm_before_pooling=final_norms['norm_pre'] if any(final_norms.values()) else None,
    )


def _stem_kind(convolutions: Mapping[int, Tensor]) -> str:
    """Return the kind of a stem from the weights of its convolutions by their numbers."""
    if 2 in convolutions:
        return 'overlap_act'
    if 1 not in convolutions:
        return 'patch'
    return 'overlap' if len(convolutions[0]) == len(convolutions[1]) else 'overlap_tiered'
