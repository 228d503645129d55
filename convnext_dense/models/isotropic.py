"""Isotropic ConvNeXt: like ViT, it has one resolution from the first block to the last (paper, section 3.3)."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..archs import ISOTROPIC_ARCHS
from ..errors import UserError
from ..registry import MODELS
from .backbone import drop_paths, pad_to_side
from .convnext import Block
from .freezing import freeze, gradients_where_needed
from .layers import init_conv_and_linear

PATCH = 16  # pixels a side


@MODELS.register_module()
class IsotropicConvNeXt(BaseModule):
    """The isotropic backbone, for classification. Parameters carry the official names.

    Args:
        arch: a name of :data:`~convnext_dense.archs.ISOTROPIC_ARCHS`.
        drop_path_rate: stochastic depth of the last block, in [0, 1); it rises linearly from 0.
        layer_scale_init_value: initial value of LayerScale; 0 omits LayerScale, as in the official small and base.
        frozen_stages: -1 trains everything, 0 freezes the stem, 1 the whole backbone.
        init_cfg: initialization config of mmengine's ``BaseModule``.

    Inputs:
        A float tensor (N, 3, H, W). A side shorter than 16 is padded with zeros at the bottom or right.

    Outputs:
        A tensor (N, dim): the last block's output, averaged over all positions and normalized.

    Raises:
        UserError: (a ValueError) for an unknown arch or a rate out of range.
    """

    total_stride = PATCH
    num_stages = 1

    def __init__(
        self,
        arch: str,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 0.0,
        frozen_stages: int = -1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if arch not in ISOTROPIC_ARCHS:
            raise UserError(f'unknown isotropic arch {arch!r}: take one of {", ".join(ISOTROPIC_ARCHS)}')
        depth, dim = ISOTROPIC_ARCHS[arch]
        self.depths, self.dims = (depth,), (dim,)
        self.stem = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)
        rates = drop_paths(drop_path_rate, depth)
        self.blocks = nn.Sequential(*(Block(dim, rate, layer_scale_init_value, version=1) for rate in rates))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.apply(init_conv_and_linear)
        if not -1 <= frozen_stages <= 1:
            raise UserError(f'frozen_stages {frozen_stages} is out of range: -1 (none), 0 (the stem) or 1 (all)')
        self.frozen_stages = frozen_stages
        freeze(self._frozen_parts())

    def forward(self, x: Tensor) -> Tensor:
        x = pad_to_side(x, PATCH).contiguous(memory_format=torch.channels_last)
        for part in (self.stem, self.blocks):
            with gradients_where_needed(part, x) if self.training else nullcontext():
                x = part(x)  # (N, dim, H / 16, W / 16)
        return self.norm(x.mean(dim=(2, 3)))

    def train(self, mode: bool = True) -> IsotropicConvNeXt:
        """Set training mode; what is frozen stays in evaluation mode, without stochastic depth."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def _frozen_parts(self) -> list[nn.Module]:
        parts: list[nn.Module] = [self.stem, self.blocks, self.norm]
        return parts[: (0, 1, len(parts))[self.frozen_stages + 1]]

    def num_layers(self, scheme: str) -> int:
        """Return the number of blocks; there is one stage, so ``stage_wise`` does not apply."""
        if scheme == 'stage_wise':
            raise UserError('the isotropic ConvNeXt has one stage: take scheme layer_wise or single')
        return self.depths[0]

    def layer_id(self, name: str, scheme: str, num_layers: int) -> int:
        """Return a parameter's layer id for lr decay, by ViT's rule: 0 for the stem, then an id for each block."""
        part, block = name.split('.')[:2]
        if part == 'blocks':
            return int(block) + 1
        return 0 if part == 'stem' else num_layers + 1
