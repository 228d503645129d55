"""The isotropic ConvNeXt: ViT's layout, one resolution from the first block to the last (the paper's section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..errors import UserError
from ..registry import MODELS
from .convnext import Block, init_conv_and_linear

PATCH = 16  # pixels a side


class IsotropicSize(NamedTuple):
    depth: int  # blocks
    dim: int  # channels


ISOTROPIC_SIZES: dict[str, IsotropicSize] = {
    'small': IsotropicSize(18, 384),
    'base': IsotropicSize(18, 768),
    'large': IsotropicSize(36, 1024),
}


@MODELS.register_module()
class IsotropicConvNeXt(BaseModule):
    """The isotropic backbone, for classification. Parameters carry the official names.

    Args:
        arch: a name of :data:`ISOTROPIC_SIZES`.
        drop_path_rate: stochastic depth of the last block, in [0, 1); it rises linearly from 0.
        layer_scale_init_value: start of LayerScale, 0 to leave it out, as the official small and base do.
        init_cfg: mmengine's.

    Inputs:
        A float tensor (N, 3, H, W). A side shorter than 16 is padded with zeros at its end.

    Outputs:
        A tensor (N, dim): the last block's, averaged over all positions and normalized.

    Raises:
        UserError: (a ValueError) for an unknown arch or a rate out of range.
    """

    total_stride = PATCH

    def __init__(
        self,
        arch: str,
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if arch not in ISOTROPIC_SIZES:
            raise UserError(f'unknown isotropic arch {arch!r}: take one of {", ".join(ISOTROPIC_SIZES)}')
        if not 0 <= drop_path_rate < 1:
            raise UserError(f'drop_path_rate {drop_path_rate} is outside [0, 1)')
        depth, dim = ISOTROPIC_SIZES[arch]
        self.depths, self.dims = (depth,), (dim,)
        self.stem = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)
        rates = [drop_path_rate * i / (depth - 1) for i in range(depth)]
        self.blocks = nn.Sequential(*(Block(dim, rate, layer_scale_init_value, version=1) for rate in rates))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.apply(init_conv_and_linear)

    def forward(self, x: Tensor) -> Tensor:
        missing = [max(0, PATCH - side) for side in x.shape[-2:]]
        if any(missing):
            x = F.pad(x, (0, missing[1], 0, missing[0]))
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        return self.norm(x.mean(dim=(2, 3)))

    def num_layers(self, scheme: str) -> int:
        """The number of blocks; there is one stage, so ``stage_wise`` does not apply."""
        if scheme == 'stage_wise':
            raise UserError('the isotropic ConvNeXt has one stage: take scheme layer_wise or single')
        return self.depths[0]

    def layer_id(self, name: str, scheme: str, num_layers: int) -> int:
        """0 for the stem, then one for each block, as ViT's rule counts them."""
        part, block = name.split('.')[:2]
        if part == 'blocks':
            return int(block) + 1
        return 0 if part == 'stem' else num_layers + 1
