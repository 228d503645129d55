"""Networks of the roadmap, from ResNet to ConvNeXt, built from the design decisions of a step or any other ones.

Where the paper leaves a detail open, the choice here reproduces its GFLOPs, or else is the simplest:

- Before "separate downsampling", the first block of a stage halves height and width as in ResNet: its spatial
  convolution has stride 2, and so has a 1x1 convolution on its shortcut.
- "Separate downsampling" also adds the norm after global average pooling (which the paper includes), the norms of the
  stages' outputs for dense prediction, and LayerScale (which the paper lists with the recipe, not as a step).
- "Fewer activations" removes that of the stem, as in ConvNeXt. "Fewer norms" keeps those of the stem and shortcuts.
- Convolutions have a bias from "BN -> LN" on: BatchNorm would cancel it, LayerNorm would not.
- All steps start from ConvNeXt's weight initialization, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from ..models import fused_mlp
from ..models.backbone import FourStageBackbone, drop_paths
from ..models.layers import LayerNorm2d
from ..registry import MODELS
from .steps import Design, design_of

NEW_ACTIVATION: dict[str, Callable[[], nn.Module]] = {'relu': nn.ReLU, 'gelu': nn.GELU}
NEW_NORM: dict[str, Callable[[int], nn.Module]] = {'bn': nn.BatchNorm2d, 'ln': LayerNorm2d}  # of (N, C, H, W)
NEW_POOLED_NORM: dict[str, Callable[[int], nn.Module]] = {  # of (N, C)
    'bn': nn.BatchNorm1d,
    'ln': partial(nn.LayerNorm, eps=1e-6),
}


class RoadmapBlock(nn.Module):
    """A residual block at any step between ResNet's bottleneck and ConvNeXt's block.

    Its layers have the same names as ConvNeXt's; ``dwconv`` is the spatial convolution, which is not depthwise in the
    first steps. 1x1 convolutions are linear layers over the last dimension, as in ConvNeXt.

    Args:
        in_dim: channels of the input.
        dim: channels C of the output.
        stride: 1, or 2 to halve height and width.
        drop_path: probability in [0, 1) that an image skips the block while training.
        design: the design decisions.
    """

    def __init__(self, in_dim: int, dim: int, stride: int, drop_path: float, design: Design) -> None:
        super().__init__()
        new_norm, new_activation = NEW_NORM[design.norm], NEW_ACTIVATION[design.activation]
        hidden = 4 * dim if design.inverted_bottleneck else dim // 4
        spatial = in_dim if design.depthwise_first else hidden
        self.dwconv = nn.Conv2d(
            *(spatial, spatial, design.kernel_size, stride, design.kernel_size // 2),
            groups=spatial if design.depthwise else 1,
            bias=design.bias,
        )
        self.norm = new_norm(spatial)
        self.pwconv1 = nn.Linear(in_dim, hidden, design.bias)
        self.norm1 = nn.Identity() if design.fewer_norms else new_norm(hidden)
        self.pwconv2 = nn.Linear(hidden, dim, design.bias)
        self.norm2 = nn.Identity() if design.fewer_norms else new_norm(dim)
        self.activation = new_activation()
        self.other_activation = nn.Identity() if design.fewer_activations else new_activation()
        scale = design.layer_scale_init_value
        self.gamma = nn.Parameter(torch.full((dim,), scale)) if scale > 0 else None
        self.drop_path = drop_path
        self.depthwise_first = design.depthwise_first
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_dim != dim:
            self.shortcut = Shortcut(
                nn.AvgPool2d(kernel_size=1, stride=stride),  # kernel 1: picks every stride-th position
                nn.Linear(in_dim, dim, design.bias),
                new_norm(dim),
            )

    def forward(self, x: Tensor) -> Tensor:  # (N, in_dim, H, W) -> (N, C, H / stride, W / stride)
        if self.depthwise_first:
            y = self.other_activation(self.norm(self.dwconv(x)))
            y = self.activation(self.norm1(linear_nchw(self.pwconv1, y)))
        else:
            y = self.other_activation(self.norm1(linear_nchw(self.pwconv1, x)))
            y = self.activation(self.norm(self.dwconv(y)))
        y = self.norm2(linear_nchw(self.pwconv2, y))
        if self.gamma is not None:
            y = y * self.gamma.view(-1, 1, 1)
        return self.other_activation(self.shortcut(x) + stochastic_depth(y, self.drop_path, 'row', self.training))


class Shortcut(nn.Sequential):
    """Shortcut of a block whose output and input shapes differ: pooling, linear layer, norm."""

    def forward(self, x: Tensor) -> Tensor:  # (N, in_dim, H, W) -> (N, C, H / stride, W / stride)
        pool, linear, norm = self
        return norm(linear_nchw(linear, pool(x)))


def linear_nchw(layer: nn.Module, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H, W)
    """Apply a linear layer over the last dimension to the channels of an NCHW tensor."""
    return fused_mlp.linear(layer, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@MODELS.register_module()
class RoadmapNet(FourStageBackbone):
    """A network of the roadmap: ConvNeXt's stages and names, with the layers of a step's design decisions.

    The last step of ``resnet50`` is ConvNeXt-T, that of ``resnet200`` ConvNeXt-B, weight for weight. The first steps
    are ResNets whose 1x1 convolutions are stored as (out, in) matrices.

    Args:
        track: a name of :data:`~convnext_dense.roadmap.steps.TRACKS`.
        step: name of a step of the track; ``baseline`` and ``modern_recipe`` are the same network.
        in_channels: channels of the input images.
        out_indices: stages whose outputs are returned. ``None`` is for classification: the last stage, averaged over
            all positions. Outputs are normalized from ``separate_downsampling`` on.
        drop_path_rate: stochastic depth of the last block, in [0, 1).
        frozen_stages: -1 to 4, as in ConvNeXt.
        norm_eval: keep BatchNorm in evaluation mode during training, for detectors and segmentors with a pre-trained
            backbone and small batches; mmdet's ResNet has the same option, on by default.
        with_cp: recompute each block in the backward pass; BatchNorm's statistics are then updated twice per batch.
        init_cfg: initialization config of mmengine's ``BaseModule``.
        decisions: fields of :class:`~convnext_dense.roadmap.steps.Design` that replace the step's own.

    Inputs:
        A float tensor (N, in_channels, H, W).

    Outputs:
        A tuple of tensors (N, dims[i], H / s, W / s), with stride s = 4, 8, 16, 32 for stages 0 to 3. Halving an odd
        side rounds up as in ResNet, and down as in ConvNeXt with a patchify stem or separate downsampling. With
        ``out_indices=None`` one tensor (N, dims[3]).

    Raises:
        UserError: (a ValueError) for an unknown track, step or decision, for decisions that contradict each other,
            and wherever ConvNeXt raises one.
    """

    def __init__(
        self,
        track: str,
        step: str,
        in_channels: int = 3,
        out_indices: int | Sequence[int] | None = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
        **decisions: Any,
    ) -> None:
        design = design_of(track, step, **decisions)
        arch = dict(depths=design.depths, dims=design.dims)
        super().__init__(arch, in_channels, out_indices, frozen_stages, with_cp, init_cfg)
        self.norm_eval = norm_eval
        rates = iter(drop_paths(drop_path_rate, sum(self.depths)))
        new_norm, separate = NEW_NORM[design.norm], design.separate_downsampling

        in_dim = design.width
        for i, (depth, dim) in enumerate(zip(self.depths, self.dims, strict=True)):
            if i == 0:
                self.downsample_layers.append(_stem(in_channels, design))
            elif separate:
                convolution = nn.Conv2d(in_dim, dim, kernel_size=2, stride=2, bias=design.bias)
                self.downsample_layers.append(nn.Sequential(new_norm(in_dim), convolution))
                in_dim = dim
            else:
                self.downsample_layers.append(nn.Identity())
            stage = nn.Sequential()
            for b in range(depth):
                stride = 2 if i > 0 and b == 0 and not separate else 1
                stage.append(RoadmapBlock(in_dim, dim, stride, next(rates), design))
                in_dim = dim
            self.stages.append(stage)

        if separate:
            self.finish(new_norm, NEW_POOLED_NORM[design.norm])
        else:
            self.finish(nn.Identity, nn.Identity)

    def train(self, mode: bool = True) -> RoadmapNet:
        """Set training mode; frozen stages, and with ``norm_eval`` all BatchNorms, stay in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if self.norm_eval and isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _stem(in_channels: int, design: Design) -> nn.Sequential:
    """Build the stem: (N, in_channels, H, W) -> (N, width, H / 4, W / 4)."""
    if design.patchify_stem:
        convolution = nn.Conv2d(in_channels, design.width, kernel_size=4, stride=4, bias=design.bias)
    else:
        convolution = nn.Conv2d(in_channels, design.width, kernel_size=7, stride=2, padding=3, bias=design.bias)
    stem = nn.Sequential(convolution, NEW_NORM[design.norm](design.width))
    if not design.fewer_activations:
        stem.append(NEW_ACTIVATION[design.activation]())
    if not design.patchify_stem:
        stem.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
    return stem
