"""ConvNeXt, V1 and V2, as a backbone.

V1 is "A ConvNet for the 2020s" (arXiv 2201.03545), V2 is "ConvNeXt V2" (arXiv 2301.00808). Parameters carry the names
of the official releases, so that their checkpoints load without renaming.

Shapes: N images, C channels, H x W positions. Stages take and return NCHW tensors in torch's ``channels_last`` memory
format, so the NHWC view that a block's LayerNorm and linear layers need is free; the backbone's outputs are in the
memory format in which necks and heads run fastest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from ..errors import UserError
from ..registry import MODELS
from . import fused_mlp
from .backbone import FourStageBackbone, drop_paths
from .layers import GRN, LayerNorm2d


class Block(nn.Module):
    """A residual block: 7x7 depthwise conv, LayerNorm, linear layer to 4C, GELU, (GRN in V2), linear layer back to C.

    Args:
        dim: channels C.
        drop_path: probability in [0, 1) that an image skips the block while training.
        layer_scale_init_value: initial value of the per-channel LayerScale; 0 omits LayerScale. V1 only.
        version: 1, or 2 for GRN in place of LayerScale.
    """

    def __init__(self, dim: int, drop_path: float, layer_scale_init_value: float, version: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.grn = GRN(4 * dim) if version == 2 else nn.Identity()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        has_layer_scale = version == 1 and layer_scale_init_value > 0
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale_init_value)) if has_layer_scale else None
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        fused = fused_mlp.forward(self, x)  # None where the fast path does not apply
        if fused is not None:
            return fused
        y = self.dwconv(x)  # (N, C, H, W)
        y = self.norm(y.permute(0, 2, 3, 1))  # (N, H, W, C)
        y = F.gelu(self.pwconv1(y))  # (N, H, W, 4C)
        y = self.pwconv2(self.grn(y))  # (N, H, W, C)
        y = y if self.gamma is None else y * self.gamma  # (N, H, W, C)
        return x + stochastic_depth(y.permute(0, 3, 1, 2), self.drop_path, 'row', self.training)  # (N, C, H, W)


@MODELS.register_module()
class ConvNeXt(FourStageBackbone):
    """The ConvNeXt backbone.

    Args:
        arch: a name of :data:`~convnext_dense.archs.ARCHS`, or a mapping with ``depths`` and ``dims``, four positive
            integers each.
        version: 1, or 2 for blocks with GRN and without LayerScale.
        in_channels: channels of the input images.
        out_indices: stages whose outputs are returned, 0 to 3, or -4 to -1 counted from the last; one number is a
            tuple of one. ``None`` is for classification: the last stage, averaged over all positions and normalized.
        drop_path_rate: stochastic depth of the last block, in [0, 1); it rises linearly from 0.
        layer_scale_init_value: initial value of LayerScale; 0 omits LayerScale. V1 only. 1e-6 in the
            ImageNet recipes, 1.0 in the detection and segmentation configs.
        frozen_stages: -1 trains everything; 0 freezes the stem, k > 0 the stem and the first k
            stages, with the downsample layers before them, which then run without gradients. 4 freezes with
            ``out_indices=None`` the norm too; otherwise the norms of the outputs train. (In mmpretrain 0 freezes
            nothing: 0 there is -1 here.)
        with_cp: recompute each block in the backward pass (gradient checkpointing), which saves memory and costs time.
        final_norm_eps: eps of the LayerNorm ``norm``; Hugging Face's networks use 1e-12.
        init_cfg: initialization config of mmengine's ``BaseModule``.

    Inputs:
        A float tensor (N, in_channels, H, W). H and W may be any; a side shorter than 32 is padded with
        zeros to 32 at the bottom or right, so that the last stage is not empty.

    Outputs:
        A tuple of tensors (N, dims[i], H // s, W // s), with stride s = 4, 8, 16, 32 for stages 0 to 3,
        each after a LayerNorm of its own (``norm{i}``), which ImageNet checkpoints do not contain. With
        ``out_indices=None`` one tensor (N, dims[3]), after the LayerNorm ``norm`` of ImageNet checkpoints.

    Raises:
        UserError: (a ValueError) for an unknown arch, an index out of range, a wrong number of channels.
    """

    def __init__(
        self,
        arch: str | dict = 'tiny',
        version: int = 1,
        in_channels: int = 3,
        out_indices: int | Sequence[int] | None = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        frozen_stages: int = -1,
        with_cp: bool = False,
        final_norm_eps: float = 1e-6,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(arch, in_channels, out_indices, frozen_stages, with_cp, init_cfg)
        if version not in (1, 2):
            raise UserError(f'ConvNeXt version {version!r} does not exist: take 1 or 2')

        stem = nn.Sequential(nn.Conv2d(in_channels, self.dims[0], kernel_size=4, stride=4), LayerNorm2d(self.dims[0]))
        self.downsample_layers.append(stem)
        for before, after in pairwise(self.dims):
            downsample = nn.Sequential(LayerNorm2d(before), nn.Conv2d(before, after, kernel_size=2, stride=2))
            self.downsample_layers.append(downsample)

        rates = iter(drop_paths(drop_path_rate, sum(self.depths)))
        for depth, dim in zip(self.depths, self.dims, strict=True):
            blocks = (Block(dim, next(rates), layer_scale_init_value, version) for _ in range(depth))
            self.stages.append(nn.Sequential(*blocks))

        self.finish(LayerNorm2d, partial(nn.LayerNorm, eps=final_norm_eps))
