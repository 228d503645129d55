"""ConvNeXt, V1 and V2, as a backbone.

V1 is "A ConvNet for the 2020s" (arXiv 2201.03545), V2 is "ConvNeXt V2" (arXiv 2301.00808). Parameters carry the names
of the official releases, so that their checkpoints load without renaming. timm's variants (other stems, norms and
activations, another order in the head) are arguments.

Shapes: N images, C channels, H x W positions. Stages take and return NCHW tensors in torch's ``channels_last`` memory
format, so the NHWC view that a block's LayerNorm and linear layers need is free; the backbone's outputs are in the
memory format in which necks and heads run fastest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from ..archs import ArchSettings, norm_eps_of
from ..errors import UserError
from ..registry import MODELS
from . import fused_mlp
from .backbone import FourStageBackbone, drop_paths
from .layers import ACTIVATIONS, GRN, NORMS
from .visible import Stacked, VisiblePatches, Zeroed, convolve, cut_patches, hide, places_of

LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)
STEMS = ('patch', 'overlap', 'overlap_tiered', 'overlap_act')


class Block(nn.Module):
    """A residual block: 7x7 depthwise conv, LayerNorm, linear layer to 4C, GELU, (GRN in V2), linear layer back to C.

    Args:
        dim: channels C.
        drop_path: probability in [0, 1) that an image skips the block while training.
        layer_scale_init_value: initial value of the per-channel LayerScale; 0 omits LayerScale. V1 only.
        version: 1, or 2 for GRN in place of LayerScale.
        kernel_size: side of the depthwise convolution's kernel, odd.
        new_norm: function from C to the norm over the last dimension.
        new_activation: function that returns the activation.
    """

    def __init__(
        self,
        dim: int,
        drop_path: float,
        layer_scale_init_value: float,
        version: int,
        kernel_size: int = 7,
        new_norm: Callable[[int], nn.Module] = LAYER_NORM,
        new_activation: Callable[[], nn.Module] = nn.GELU,
    ) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)
        self.norm = new_norm(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.act = new_activation()
        self.grn = GRN(4 * dim) if version == 2 else nn.Identity()
        self.pwconv2 = nn.Linear(4 * dim, dim)
        has_layer_scale = version == 1 and layer_scale_init_value > 0
        self.gamma = nn.Parameter(torch.full((dim,), layer_scale_init_value)) if has_layer_scale else None
        self.drop_path = drop_path

    def forward(self, x: Tensor, places: Stacked | Zeroed | None = None) -> Tensor:  # (N, C, H, W) -> (N, C, H, W)
        """Run the block, on the visible positions alone where ``places`` tells them."""
        fused = fused_mlp.forward(self, x, places)  # None where the fast path does not apply
        if fused is not None:
            return fused
        y = convolve(self.dwconv, x, places)  # (N, C, H, W)
        y = self.norm(y.permute(0, 2, 3, 1))  # (N, H, W, C)
        y = hide(self.act(self.pwconv1(y)), places)  # (N, H, W, 4C)
        y = hide(self.pwconv2(self.grn(y)), places)  # (N, H, W, C)
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
            An empty tuple is for masked pre-training: the last stage, without a norm.
        drop_path_rate: stochastic depth of the last block, in [0, 1); it rises linearly from 0.
        layer_scale_init_value: initial value of LayerScale; 0 omits LayerScale. V1 only. 1e-6 in the
            ImageNet recipes, 1.0 in the detection and segmentation configs.
        frozen_stages: -1 trains everything; 0 freezes the stem, k > 0 the stem and the first k
            stages, with the downsample layers before them, which then run without gradients. 4 freezes with
            ``out_indices=None`` the norm too; otherwise the norms of the outputs train. (In mmpretrain 0 freezes
            nothing: 0 there is -1 here.)
        with_cp: recompute each block in the backward pass (gradient checkpointing), which saves memory and costs time.
        stem: ``'patch'``, a 4x4 convolution with stride 4, or one of timm's overlapping stems, two 3x3 convolutions
            with stride 2, which round the size of the first stage up: ``'overlap'``; ``'overlap_tiered'``, with half
            the channels between them; ``'overlap_act'``, with the activation between them.
        norm: kind of all norms: ``'layer_norm'``, or timm's ``'rms_norm'`` and ``'simple_norm'``, without a bias.
        kernel_size: side of the depthwise convolutions' kernels, odd; one number, or one for each stage.
        norm_before_pooling: for ``out_indices=None``: normalize the last stage at each position, before the average,
            as timm's ``convnext_tiny_hnf`` does.
        norm_eps: eps of all norms. None, as for the next two, follows the weights that are loaded; without any it is
            1e-6, and 1e-5 in xxlarge.
        final_norm_eps: eps of the norm ``norm`` or ``norm_pre`` of ``out_indices=None``, 1e-12 in transformers'
            networks; without weights that of the other norms.
        activation: a name of :data:`~convnext_dense.models.layers.ACTIVATIONS`; without weights exact GELU.
        init_cfg: initialization config of mmengine's ``BaseModule``.

    Inputs:
        A float tensor (N, in_channels, H, W). H and W may be any; a side shorter than 32 is padded with
        zeros to 32 at the bottom or right, so that the last stage is not empty.

        With ``out_indices=()`` there may be a second input, the :class:`~convnext_dense.models.visible.VisiblePatches`
        of the images, whose sides must be multiples of 32. Other patches are hidden from all layers but an overlapping
        stem, which sees three pixels of them around each visible one.

    Outputs:
        A tuple of tensors (N, dims[i], H // s, W // s), with stride s = 4, 8, 16, 32 for stages 0 to 3,
        each after a norm of its own (``norm{i}``), which ImageNet checkpoints do not contain. With
        ``out_indices=None`` one tensor (N, dims[3]), after the norm of ImageNet checkpoints, ``norm`` or ``norm_pre``.
        With ``out_indices=()`` one tensor (N, dims[3], H // 32, W // 32), which is zero where patches are hidden.

    Raises:
        UserError: (a ValueError) for an unknown arch, an index out of range, a wrong number of channels, or any other
            argument that does not exist or is out of range.
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
        stem: str = 'patch',
        norm: str = 'layer_norm',
        kernel_size: int | Sequence[int] = 7,
        norm_before_pooling: bool = False,
        norm_eps: float | None = None,
        final_norm_eps: float | None = None,
        activation: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(arch, in_channels, out_indices, frozen_stages, with_cp, init_cfg)
        _check_choice('version', version, (1, 2))
        _check_choice('stem', stem, STEMS)
        _check_choice('norm', norm, NORMS)
        _check_choice('activation', activation, (None, *ACTIVATIONS))
        _check_eps('norm_eps', norm_eps)
        _check_eps('final_norm_eps', final_norm_eps)
        if norm_before_pooling and out_indices is not None:
            raise UserError(
                'norm_before_pooling is for out_indices=None, the features of a classifier: leave it out, each of '
                'several outputs has a norm of its own'
            )
        self.in_config = {'norm_eps': norm_eps, 'final_norm_eps': final_norm_eps, 'activation': activation}
        self.norm_eps = norm_eps or norm_eps_of(ArchSettings(self.depths, self.dims))
        self.final_norm_eps = final_norm_eps or self.norm_eps
        self.activation, self.norm_kind, self.stem_kind = activation or 'gelu', norm, stem
        new_norm, new_norm_2d = (partial(kind, eps=self.norm_eps) for kind in NORMS[norm])
        new_activation = ACTIVATIONS[self.activation]

        self.downsample_layers.append(new_stem(stem, in_channels, self.dims[0], new_norm_2d, new_activation))
        for before, after in pairwise(self.dims):
            downsample = nn.Sequential(new_norm_2d(before), nn.Conv2d(before, after, kernel_size=2, stride=2))
            self.downsample_layers.append(downsample)

        rates = iter(drop_paths(drop_path_rate, sum(self.depths)))
        for depth, dim, kernel in zip(self.depths, self.dims, _kernel_sizes(kernel_size), strict=True):
            parts = (kernel, new_norm, new_activation)
            blocks = (Block(dim, next(rates), layer_scale_init_value, version, *parts) for _ in range(depth))
            self.stages.append(nn.Sequential(*blocks))

        new_final_norm = partial(NORMS[norm][norm_before_pooling], eps=self.final_norm_eps)
        self.finish(new_norm_2d, new_final_norm, norm_before_pooling)

    def forward(self, x: Tensor, visible: VisiblePatches | None = None) -> Tensor | tuple[Tensor, ...]:
        return super().forward(x) if visible is None else self._forward_visible(x, visible)

    def _forward_visible(self, images: Tensor, visible: VisiblePatches) -> Tensor:
        if self.out_indices != ():
            raise UserError('visible patches are for a backbone with out_indices=(): its last stage, without a norm')
        self.check_channels(images)
        places = [places_of(visible, stage, *images.shape[2:]) for stage in range(self.num_stages)]
        stem = self.downsample_layers[0]
        with self._autograd_of(stem, images):
            if visible.stacked and self.stem_kind == 'patch':  # no patch of the stem lies in two of the image
                x = stem(cut_patches(images, visible.indices).contiguous(memory_format=torch.channels_last))
            else:
                x = places[0].stack(stem(images.contiguous(memory_format=torch.channels_last)))
        for i, (downsample, stage) in enumerate(zip(self.downsample_layers, self.stages, strict=True)):
            if i:
                with self._autograd_of(downsample, x):
                    x = hide(downsample(x).permute(0, 2, 3, 1), places[i]).permute(0, 3, 1, 2)
            with self._autograd_of(stage, x):
                x = self.run_blocks(stage, x, places[i])
        return places[-1].spread(x)

    def new_output_norm(self, stage: int) -> nn.Module:
        """Return a new norm for a stage's output, of the kind and eps of the other norms."""
        return NORMS[self.norm_kind][1](self.dims[stage], eps=self.norm_eps)

    def follow(self, norm_eps: float, final_norm_eps: float, activation: str) -> None:
        """Compute with the eps of all norms, of the final norm, and the activation that weights were trained with."""
        for name, module in self.named_modules():
            if isinstance(module, nn.LayerNorm | nn.RMSNorm):
                module.eps = final_norm_eps if name in ('norm', 'norm_pre') else norm_eps
        if activation != self.activation:
            for module in [*self.modules()]:
                if isinstance(module, Block):
                    module.act = ACTIVATIONS[activation]()
            if self.stem_kind == 'overlap_act':
                self.downsample_layers[0][1] = ACTIVATIONS[activation]()  # type: ignore[operator]
        self.norm_eps, self.final_norm_eps, self.activation = norm_eps, final_norm_eps, activation


def new_stem(
    kind: str,
    in_channels: int,
    channels: int,
    new_norm: Callable[[int], nn.Module],
    new_activation: Callable[[], nn.Module],
) -> nn.Sequential:
    """Build a stem of a kind in :data:`STEMS`, which divides height and width by four; its norm is its last layer."""
    if kind == 'patch':
        return nn.Sequential(nn.Conv2d(in_channels, channels, kernel_size=4, stride=4), new_norm(channels))
    between = _divisible_by_8(channels // 2) if kind == 'overlap_tiered' else channels
    convs = [
        nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
        for before, after in ((in_channels, between), (between, channels))
    ]
    activation = [new_activation()] if kind == 'overlap_act' else []
    return nn.Sequential(convs[0], *activation, convs[1], new_norm(channels))


def _divisible_by_8(channels: int) -> int:
    """Round to a multiple of 8, never by more than a tenth down, as timm's ``make_divisible`` does."""
    rounded = max(8, (channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _kernel_sizes(kernel_size: int | Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size,) * 4
    if len(sizes) != 4 or any(type(size) is not int or size < 1 or size % 2 == 0 for size in sizes):
        raise UserError(f'kernel_size {kernel_size!r}: take an odd number, or four of them, one for each stage')
    return sizes


def _check_choice(name: str, value: object, choices: Collection[object]) -> None:
    known = [repr(choice) for choice in choices if choice is not None]
    if value not in tuple(choices):
        raise UserError(f'ConvNeXt {name} {value!r} does not exist: take {", ".join(known[:-1])} or {known[-1]}')


def _check_eps(name: str, eps: object) -> None:
    if eps is not None and (isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1):
        raise UserError(f'ConvNeXt {name} {eps!r} is out of range: take a number above 0 and below 1, or None')
