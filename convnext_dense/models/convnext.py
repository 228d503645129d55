"""ConvNeXt, V1 and V2, as a backbone.

V1 is "A ConvNet for the 2020s" (arXiv 2201.03545), V2 is "ConvNeXt V2"
(arXiv 2301.00808). Parameters carry the names of the official releases, so
their checkpoints load without any renaming.

Shapes: N images, C channels, H x W positions. Tensors are NCHW to the
outside and lie in torch's ``channels_last`` memory format from the stem on,
so the NHWC view that LayerNorm and the pointwise layers want costs nothing;
the outputs are in the format that is best for necks and heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import stochastic_depth

from ..errors import UserError
from ..registry import MODELS
from . import fused_mlp as positionwise


class Size(NamedTuple):
    depths: tuple[int, int, int, int]  # blocks per stage
    dims: tuple[int, int, int, int]  # channels per stage


SIZES: dict[str, Size] = {
    'atto': Size((2, 2, 6, 2), (40, 80, 160, 320)),
    'femto': Size((2, 2, 6, 2), (48, 96, 192, 384)),
    'pico': Size((2, 2, 6, 2), (64, 128, 256, 512)),
    'nano': Size((2, 2, 8, 2), (80, 160, 320, 640)),
    'tiny': Size((3, 3, 9, 3), (96, 192, 384, 768)),
    'small': Size((3, 3, 27, 3), (96, 192, 384, 768)),
    'base': Size((3, 3, 27, 3), (128, 256, 512, 1024)),
    'large': Size((3, 3, 27, 3), (192, 384, 768, 1536)),
    'xlarge': Size((3, 3, 27, 3), (256, 512, 1024, 2048)),
    'huge': Size((3, 3, 27, 3), (352, 704, 1408, 2816)),
}

TOTAL_STRIDE = 32  # of the last stage


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of an NCHW tensor (eps 1e-6, as the paper's)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Pointwise(nn.Linear):
    """A linear layer over the channels of an NCHW tensor; its weight stays an (out, in) matrix."""

    def forward(self, x: Tensor) -> Tensor:  # (N, in, H, W) -> (N, out, H, W)
        return positionwise.pointwise(x, self.weight, self.bias)


class GRN(nn.Module):
    """Global response normalization of V2 (arXiv 2301.00808, section 3.2), with the official parameter shapes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        norms = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)  # (N, C, 1, 1)
        scaled = norms / (norms.mean(dim=1, keepdim=True) + 1e-6)
        gamma, beta = self.gamma.permute(0, 3, 1, 2), self.beta.permute(0, 3, 1, 2)
        return torch.addcmul(beta, x, 1 + gamma * scaled)  # gamma * (x * scaled) + beta + x in one pass


class Block(nn.Module):
    """One residual block: 7x7 depthwise conv, LayerNorm, 4x wider pointwise layer, GELU, (GRN), pointwise layer.

    Args:
        dim: channels C.
        drop_path: probability in [0, 1) that an image skips the block while training.
        layer_scale_init_value: start of the per-channel LayerScale; 0 leaves LayerScale out. V1 only.
        version: 1, or 2 for GRN in place of LayerScale.
    """

    def __init__(self, dim: int, drop_path: float, layer_scale_init_value: float, version: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm(dim)
        self.pwconv1 = Pointwise(dim, 4 * dim)
        self.grn = GRN(4 * dim) if version == 2 else nn.Identity()
        self.pwconv2 = Pointwise(4 * dim, dim)
        scaled = version == 1 and layer_scale_init_value > 0
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale_init_value)) if scaled else None
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> the same
        y = self.dwconv(x)
        if positionwise.pays(x) and self._has_own_layers():
            drops = self.training and self.drop_path > 0
            learns = torch.is_grad_enabled() and (x.requires_grad or any(p.requires_grad for p in self.parameters()))
            if not drops and not learns:
                return positionwise.residual(self, x, y)
            if not isinstance(self.grn, GRN):
                return positionwise.trained_residual(self, x, y)
        y = self.norm(y)
        y = F.gelu(self.pwconv1(y))  # (N, 4C, H, W)
        y = self.pwconv2(self.grn(y))  # (N, C, H, W)
        if self.gamma is not None:
            y = y * self.gamma.view(-1, 1, 1)
        return x + stochastic_depth(y, self.drop_path, 'row', self.training)

    def _has_own_layers(self) -> bool:
        """Not so where someone replaced or hooked a layer, which must then be called as it is."""
        kinds: dict[nn.Module, tuple[type, ...]] = {
            self.norm: (LayerNorm,),
            self.pwconv1: (Pointwise,),
            self.grn: (GRN, nn.Identity),
            self.pwconv2: (Pointwise,),
        }
        return all(type(layer) in kind and not _is_watched(layer) for layer, kind in kinds.items())


def _is_watched(layer: nn.Module) -> bool:
    of_all = torch.nn.modules.module
    hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
    of_all_hooks = (of_all._global_forward_hooks, of_all._global_forward_pre_hooks, of_all._global_backward_hooks)
    return any((*hooks, *of_all_hooks, of_all._global_backward_pre_hooks)) or 'forward' in vars(layer)


@MODELS.register_module()
class ConvNeXt(BaseModule):
    """The ConvNeXt backbone.

    Args:
        arch: a name of :data:`SIZES`, or a mapping with ``depths`` and ``dims``, four positive
            integers each.
        version: 1, or 2 for blocks with GRN and without LayerScale.
        in_channels: channels of the input images.
        out_indices: stages whose outputs are returned, 0 to 3, or -4 to -1 counted from the last.
            ``None`` is for classification: the last stage, averaged over all positions and normalized.
        drop_path_rate: stochastic depth of the last block, in [0, 1); it rises linearly from 0.
        layer_scale_init_value: start of LayerScale, 0 to leave it out. V1 only. 1e-6 in the
            ImageNet recipes, 1.0 in the detection and segmentation configs.
        frozen_stages: -1 trains everything; 0 freezes the stem, k > 0 the stem and the first k
            stages, with the downsample layers before them.
        with_cp: recompute each block in the backward pass, which saves memory and costs time.
        final_norm_eps: of the LayerNorm ``norm``; Hugging Face's networks have 1e-12.
        init_cfg: mmengine's.

    Inputs:
        A float tensor (N, in_channels, H, W). H and W may be any; a side shorter than 32 is padded with
        zeros to 32 at its end, so that the last stage has a position.

    Outputs:
        A tuple of tensors (N, dims[i], H // s, W // s), with stride s = 4, 8, 16, 32 for stages 0 to 3,
        each through a LayerNorm of its own (``norm{i}``), which ImageNet checkpoints do not hold. With
        ``out_indices=None`` one tensor (N, dims[3]), through the LayerNorm ``norm`` of ImageNet checkpoints.

    Raises:
        UserError: (a ValueError) for an unknown arch, an index out of range, a wrong number of channels.
    """

    total_stride = TOTAL_STRIDE

    def __init__(
        self,
        arch: str | dict = 'tiny',
        version: int = 1,
        in_channels: int = 3,
        out_indices: Sequence[int] | None = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        layer_scale_init_value: float = 1e-6,
        frozen_stages: int = -1,
        with_cp: bool = False,
        final_norm_eps: float = 1e-6,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.depths, self.dims = _size(arch)
        if version not in (1, 2):
            raise UserError(f'ConvNeXt version {version!r} does not exist: take 1 or 2')
        if not 0 <= drop_path_rate < 1:
            raise UserError(f'drop_path_rate {drop_path_rate} is outside [0, 1)')
        if not -1 <= frozen_stages <= 4:
            raise UserError(f'frozen_stages {frozen_stages} is out of range: -1 (none) to 4 (all)')
        self.in_channels = in_channels
        self.out_indices = None if out_indices is None else _stage_indices(out_indices)
        self.frozen_stages = frozen_stages
        self.with_cp = with_cp

        self.downsample_layers = nn.ModuleList()
        stem = nn.Sequential(nn.Conv2d(in_channels, self.dims[0], kernel_size=4, stride=4), LayerNorm(self.dims[0]))
        self.downsample_layers.append(stem)
        for before, after in pairwise(self.dims):
            downsample = nn.Sequential(LayerNorm(before), nn.Conv2d(before, after, kernel_size=2, stride=2))
            self.downsample_layers.append(downsample)

        blocks = sum(self.depths)
        rates = (drop_path_rate * i / max(1, blocks - 1) for i in range(blocks))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim, next(rates), layer_scale_init_value, version) for _ in range(depth)))
            for depth, dim in zip(self.depths, self.dims, strict=True)
        )

        if self.out_indices is None:
            self.norm = nn.LayerNorm(self.dims[-1], eps=final_norm_eps)
        else:
            for i in sorted(set(self.out_indices)):
                self.add_module(f'norm{i}', LayerNorm(self.dims[i]))

        self.apply(init_conv_and_linear)
        self._freeze()

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        if x.shape[1] != self.in_channels:
            raise UserError(
                f'the input has {x.shape[1]} channels, this ConvNeXt takes {self.in_channels}: '
                'convert the images, or build the backbone with in_channels to match'
            )
        missing = [max(0, TOTAL_STRIDE - side) for side in x.shape[-2:]]
        if any(missing):
            x = F.pad(x, (0, missing[1], 0, missing[0]))

        x = x.contiguous(memory_format=torch.channels_last)
        outputs = {}
        for i, (downsample, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            x = downsample(x)  # (N, dims[i], H / s, W / s)
            for block in stage.children():
                if self.with_cp and self.training and torch.is_grad_enabled():
                    x = checkpoint(block, x, use_reentrant=False)
                else:
                    x = block(x)
            if self.out_indices is not None and i in self.out_indices:
                outputs[i] = getattr(self, f'norm{i}')(x)
        if self.out_indices is None:
            return self.norm(x.mean(dim=(2, 3)))
        layout = format_for_heads(x.device, self.training)
        return tuple(outputs[i].contiguous(memory_format=layout) for i in self.out_indices)

    def train(self, mode: bool = True) -> ConvNeXt:
        """Set training mode; what is frozen stays in evaluation mode, without stochastic depth."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def num_layers(self, scheme: str) -> int:
        """The largest layer id of a block: 12 for depth 27, 6 for tiny; with ``single`` the number of blocks."""
        return sum(self.depths) if scheme == 'single' else 3 + math.ceil(self.depths[2] / 3)

    def layer_id(self, name: str, scheme: str, num_layers: int) -> int:
        """The depth of a parameter for layer-wise lr decay, by the official rules.

        Args:
            name: of the parameter, in this module.
            scheme: ``'layer_wise'`` (stage 2 in groups of three blocks), ``'stage_wise'``, or ``'single'`` (block by
                block, as in V2's fine-tuning).
            num_layers: of :meth:`num_layers`; the norms of the outputs have ``num_layers + 1``.
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
        return [*self.downsample_layers[:stages], *self.stages[: self.frozen_stages]]

    def _freeze(self) -> None:
        for part in self._frozen_parts():
            part.requires_grad_(False)
            part.eval()


def format_for_heads(device: torch.device, training: bool) -> torch.memory_format:
    """The memory format in which necks and heads compute fastest.

    It is ``channels_last``, but NCHW where a CPU with AVX2 and no AVX-512 trains: there the weight gradients of 3x3
    convolutions on large maps take oneDNN two to three times as long in ``channels_last``.
    """
    on_avx2 = device.type == 'cpu' and positionwise.AVX2_AT_MOST
    return torch.contiguous_format if training and on_avx2 else torch.channels_last


def init_conv_and_linear(module: nn.Module) -> None:
    """The official start: convolutions and linear layers truncated normal with std 0.02, biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear) and not module.weight.is_meta:  # which has no values, and takes long
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _size(arch: str | dict) -> Size:
    if isinstance(arch, str):
        if arch not in SIZES:
            raise UserError(f'unknown arch {arch!r}: take one of {", ".join(SIZES)}, or give depths and dims')
        return SIZES[arch]
    if not isinstance(arch, dict) or set(arch) != {'depths', 'dims'}:
        raise UserError(f'arch must be one of {", ".join(SIZES)}, or dict(depths=..., dims=...), not {arch!r}')
    for key, values in arch.items():
        if len(values) != 4 or any(not isinstance(v, int) or v < 1 for v in values):
            raise UserError(f'arch {key} must be four positive integers, not {values!r}')
    return Size(tuple(arch['depths']), tuple(arch['dims']))


def _stage_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    for i in out_indices:
        if not -4 <= i <= 3:
            raise UserError(f'out_indices {tuple(out_indices)}: {i} is out of range, there are stages 0 to 3')
    return tuple(i % 4 for i in out_indices)
