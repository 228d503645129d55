"""Base class of four-stage backbones: the code that ConvNeXt and the roadmap's networks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..archs import ARCHS, ArchSettings
from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE
from .freezing import freeze, gradients_where_needed
from .layers import init_conv_and_linear
from .memory_format import format_for_heads


class FourStageBackbone(BaseModule):
    """Base class: four stages of blocks, each after a downsample layer, and a norm for each output.

    A subclass's ``__init__`` calls this one, fills the two module lists, and ends with :meth:`finish`.

    Args:
        arch: a name of :data:`~convnext_dense.archs.ARCHS`, or a mapping with ``depths`` and ``dims``.
        in_channels, out_indices, frozen_stages, with_cp, init_cfg: see
            :class:`~convnext_dense.models.ConvNeXt`.

    Attributes:
        depths: blocks of each stage.
        dims: channels of each stage's output.
        downsample_layers: four modules; the first is the stem.
        stages: four ``nn.Sequential`` of blocks.

    Raises:
        UserError: (a ValueError) for an unknown arch or an index out of range.
    """

    total_stride = TOTAL_STRIDE
    num_stages = 4

    def __init__(
        self,
        arch: str | dict,
        in_channels: int,
        out_indices: int | Sequence[int] | None,
        frozen_stages: int,
        with_cp: bool,
        init_cfg: dict | None,
    ) -> None:
        super().__init__(init_cfg)
        self.depths, self.dims = _arch_settings(arch)
        if not -1 <= frozen_stages <= 4:
            raise UserError(f'frozen_stages {frozen_stages} is out of range: -1 (none) to 4 (all)')
        self.in_channels = in_channels
        self.out_indices = None if out_indices is None else _stage_indices(out_indices)
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp
        self.downsample_layers, self.stages = nn.ModuleList(), nn.ModuleList()

    def finish(
        self,
        new_norm: Callable[[int], nn.Module],
        new_final_norm: Callable[[int], nn.Module],
        norm_before_pooling: bool = False,
    ) -> None:
        """Add the norms of the outputs, initialize all weights, and freeze the first ``frozen_stages`` stages.

        Args:
            new_norm: function from C to the norm of a stage's output (N, C, H, W).
            new_final_norm: function from C to the norm of the averaged last stage (N, C), or of the last stage
                (N, C, H, W) before the average.
            norm_before_pooling: True for the latter, whose name is ``norm_pre`` as in timm.
        """
        self.norm_before_pooling = norm_before_pooling
        if self.out_indices is None:
            self.add_module('norm_pre' if norm_before_pooling else 'norm', new_final_norm(self.dims[-1]))
        else:
            for i in sorted(set(self.out_indices)):
                self.add_module(f'norm{i}', new_norm(self.dims[i]))
        self.apply(init_conv_and_linear)
        freeze(self._frozen_parts())

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        self.check_channels(x)
        x = pad_to_side(x, TOTAL_STRIDE).contiguous(memory_format=torch.channels_last)
        outputs = {}
        for i, (downsample, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            with self._autograd_of(downsample, x):
                x = downsample(x)  # (N, dims[i], H / s, W / s)
            with self._autograd_of(stage, x):
                x = self.run_blocks(stage, x)
            if self.out_indices is not None and i in self.out_indices:
                outputs[i] = getattr(self, f'norm{i}')(x)
        if self.out_indices is None:
            return self.norm_pre(x).mean(dim=(2, 3)) if self.norm_before_pooling else self.norm(x.mean(dim=(2, 3)))
        if not self.out_indices:
            return x
        memory_format = format_for_heads(x.device, self.training)
        return tuple(outputs[i].contiguous(memory_format=memory_format) for i in self.out_indices)

    def check_channels(self, x: Tensor) -> None:
        """Check the channels of images (N, C, H, W).

        Raises:
            UserError: if they are not those of the backbone.
        """
        if x.shape[1] != self.in_channels:
            raise UserError(
                f'the input has {x.shape[1]} channels, this {type(self).__name__} takes {self.in_channels}: '
                'convert the images, or build the backbone with in_channels to match'
            )

    def run_blocks(self, stage: nn.Module, x: Tensor, *places: object) -> Tensor:
        """Run a stage's blocks, with gradient checkpointing if it is on; ``places`` are further inputs of each."""
        recompute = self.with_cp and self.training and torch.is_grad_enabled()
        if not recompute and not places:
            return stage(x)
        for block in stage.children():
            x = checkpoint(block, x, *places, use_reentrant=False) if recompute else block(x, *places)
        return x

    def train(self, mode: bool = True) -> FourStageBackbone:
        """Set training mode; frozen stages stay in evaluation mode, without stochastic depth."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def num_layers(self, scheme: str) -> int:
        """Return the largest layer id of a block: 6 for tiny, 12 if stage 2 has 27 blocks; for ``single`` all blocks.

        Args:
            scheme: see :meth:`layer_id`.
        """
        return sum(self.depths) if scheme == 'single' else 3 + math.ceil(self.depths[2] / 3)

    def layer_id(self, name: str, scheme: str, num_layers: int) -> int:
        """Return the layer id of a parameter for layer-wise lr decay, by the official rules.

        Args:
            name: the parameter's name in this module.
            scheme: ``'layer_wise'`` (stage 2 in groups of three blocks), ``'stage_wise'``, or ``'single'`` (block by
                block, as in V2's fine-tuning).
            num_layers: the result of :meth:`num_layers`; the norms of the outputs have id ``num_layers + 1``.
        """
        part, stage, block = [*name.split('.'), '', ''][:3]
        if part not in ('downsample_layers', 'stages'):
            return num_layers + 1
        i = int(stage)
        if scheme == 'single':
            return sum(self.depths[:i]) + 1 + (int(block) if part == 'stages' else 0)
        if part == 'downsample_layers':
            return 0 if scheme == 'stage_wise' else (0, 2, 3, num_layers)[i]
        return i + 1 if scheme == 'stage_wise' else (1, 2, 3 + int(block) // 3, num_layers)[i]

    def _frozen_parts(self) -> list[nn.Module]:
        if self.frozen_stages < 0:
            return []
        stages = max(1, self.frozen_stages)
        is_whole = self.out_indices is None and self.frozen_stages == self.num_stages
        norms = [part for name, part in self.named_children() if name.startswith('norm')] if is_whole else []
        return [*self.downsample_layers[:stages], *self.stages[: self.frozen_stages], *norms]

    def _autograd_of(self, part: nn.Module, x: Tensor) -> AbstractContextManager:
        return gradients_where_needed(part, x) if self.training else nullcontext()


def drop_paths(drop_path_rate: float, blocks: int) -> list[float]:
    """Return each block's drop probability, which rises linearly from 0 to ``drop_path_rate``.

    Raises:
        UserError: (a ValueError) for a rate outside [0, 1).
    """
    if not 0 <= drop_path_rate < 1:
        raise UserError(f'drop_path_rate {drop_path_rate} is outside [0, 1)')
    return [drop_path_rate * i / max(1, blocks - 1) for i in range(blocks)]


def pad_to_side(x: Tensor, min_side: int) -> Tensor:
    """Pad (N, C, H, W) with zeros at the bottom and right where a side is shorter than ``min_side``."""
    missing = [max(0, min_side - side) for side in x.shape[-2:]]
    return F.pad(x, (0, missing[1], 0, missing[0])) if any(missing) else x


def _arch_settings(arch: str | dict) -> ArchSettings:
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise UserError(f'unknown arch {arch!r}: take one of {", ".join(ARCHS)}, or give depths and dims')
        return ARCHS[arch]
    if not isinstance(arch, dict) or set(arch) != {'depths', 'dims'}:
        raise UserError(f'arch must be one of {", ".join(ARCHS)}, or dict(depths=..., dims=...), not {arch!r}')
    for key, values in arch.items():
        if len(values) != 4 or any(not isinstance(v, int) or v < 1 for v in values):
            raise UserError(f'arch {key} must be four positive integers, not {values!r}')
    return ArchSettings(tuple(arch['depths']), tuple(arch['dims']))


def _stage_indices(out_indices: int | Sequence[int]) -> tuple[int, ...]:
    indices = (out_indices,) if isinstance(out_indices, int) else tuple(out_indices)
    for i in indices:
        if isinstance(i, bool) or not isinstance(i, int) or not -4 <= i <= 3:
            raise UserError(f'out_indices {out_indices!r}: {i!r} is out of range, there are stages 0 to 3')
    return tuple(i % 4 for i in indices)
