"""The roadmap of "A ConvNet for the 2020s" (arXiv 2201.03545, section 2): a ResNet becomes a ConvNeXt step by step.

From top to bottom: the decisions that the paper takes, the steps that take them one by one, and a network that is
built from any set of them. Two tracks lead from ResNet-50 to ConvNeXt-T and from ResNet-200 to ConvNeXt-B.

:mod:`convnext_dense.paper` has each step's published accuracy and GFLOPs. Where the paper leaves a detail open, this
file holds what reproduces its GFLOPs, or else what is simplest:

- Until "separate downsampling" the first block of a stage halves the sides as in ResNet: its spatial convolution has
  stride 2, and so has a 1x1 convolution on its shortcut.
- "Separate downsampling" also brings the norm after global average pooling (the paper counts it in), the norms of the
  stages' outputs that dense prediction uses, and LayerScale (which the paper lists with the recipe, not as a step).
- "Fewer activations" leaves none in the stem, as in ConvNeXt. "Fewer norms" keeps those of the stem and the shortcuts.
- Convolutions have a bias from "BN -> LN" on: BatchNorm would cancel it, LayerNorm does not.
- All steps start from ConvNeXt's weight initialization, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import stochastic_depth

from ..errors import UserError
from ..models.convnext import ConvNeXt, LayerNorm, Pointwise, init_conv_and_linear
from ..registry import MODELS

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {'relu': nn.ReLU, 'gelu': nn.GELU}
NORMS: dict[str, Callable[[int], nn.Module]] = {'bn': nn.BatchNorm2d, 'ln': LayerNorm}  # of (N, C, H, W)
VECTOR_NORMS: dict[str, Callable[[int], nn.Module]] = {  # of (N, C)
    'bn': nn.BatchNorm1d,
    'ln': partial(nn.LayerNorm, eps=1e-6),
}


@dataclass(frozen=True)
class Design:
    """The design decisions; the defaults are those of ResNet-50.

    Raises:
        UserError: (a ValueError) for a value of the wrong kind or out of range, and for two decisions that
            contradict each other, by name.
    """

    depths: tuple[int, int, int, int] = (3, 4, 6, 3)  # blocks per stage
    width: int = 64  # channels after the stem; they double from stage to stage
    patchify_stem: bool = False  # a 4x4 convolution of stride 4, for 7x7 of stride 2 and max pooling
    depthwise: bool = False  # the block's spatial convolution has one group per channel
    inverted_bottleneck: bool = False  # wide within a block and narrow between blocks, for the other way round
    depthwise_first: bool = False  # the spatial convolution opens the block, for its place between the 1x1 ones
    kernel_size: int = 3  # of the spatial convolution
    activation: str = 'relu'  # or 'gelu'
    fewer_activations: bool = False  # one per block, before its last 1x1 convolution, and none elsewhere
    fewer_norms: bool = False  # one per block, after its spatial convolution
    norm: str = 'bn'  # or 'ln'
    separate_downsampling: bool = False  # norm and 2x2 convolution of stride 2 between stages; norms of the outputs
    layer_scale_init_value: float = 0.0  # 0 is no LayerScale

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            if not isinstance(value, (float, int) if kind is float else kind):
                raise UserError(f'{field.name} must be of type {kind.__name__}, not {value!r}')
        if self.width < 1:
            raise UserError(f'width must be positive, not {self.width}')
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise UserError(f'kernel_size must be odd and positive, not {self.kernel_size}')
        for name, kinds in (('activation', ACTIVATIONS), ('norm', NORMS)):
            if getattr(self, name) not in kinds:
                raise UserError(f'unknown {name} {getattr(self, name)!r}: take one of {", ".join(kinds)}')
        for decision, needed in (
            ('inverted_bottleneck', 'depthwise'),  # a full convolution on the wide middle would dwarf all else
            ('depthwise_first', 'inverted_bottleneck'),  # it moves up to where channels are few
        ):
            if getattr(self, decision) and not getattr(self, needed):
                raise UserError(f'{decision}=True contradicts {needed}=False: change one of the two')

    @property
    def dims(self) -> tuple[int, int, int, int]:
        """Channels between the blocks of the four stages."""
        first = self.width if self.inverted_bottleneck else 4 * self.width
        return first, 2 * first, 4 * first, 8 * first

    @property
    def bias(self) -> bool:
        """Whether convolutions have one."""
        return self.norm == 'ln'

    def new_norm(self, channels: int) -> nn.Module:
        return NORMS[self.norm](channels)

    def new_activation(self) -> nn.Module:
        return ACTIVATIONS[self.activation]()


class Step(NamedTuple):
    """One change."""

    name: str
    title: str  # for tables
    changes: dict[str, Any]  # decisions, over the last step before it that was kept
    kept: bool = True  # False: an alternative that the paper tried and left


def _track(resnet: dict[str, Any], stage_ratio: dict[str, Any], width: int) -> tuple[Step, ...]:
    return (
        # Section 2.1: the network stays, ConvNeXt's training recipe replaces ResNet's.
        Step('baseline', 'ResNet', resnet),
        Step('modern_recipe', 'modern training recipe', {}),
        # Section 2.2, macro design: Swin's share of blocks per stage, and its patches that do not overlap.
        Step('stage_ratio', 'stage ratio', stage_ratio),
        Step('patchify_stem', 'patchify stem', dict(patchify_stem=True)),
        # Section 2.3, ResNeXt-ify: mix positions and channels apart, and spend on width what that saves.
        Step('depthwise_conv', 'depthwise conv', dict(depthwise=True)),
        Step('width', f'width {width}', dict(width=width)),
        # Section 2.4: like a Transformer's MLP, a block widens its input by 4.
        Step('inverted_bottleneck', 'inverted bottleneck', dict(inverted_bottleneck=True)),
        # Section 2.5, large kernels: the depthwise convolution moves up to where channels are few, as a Transformer's
        # attention precedes its MLP. That makes larger ones cheap: the paper tries four sizes and keeps 7.
        Step('depthwise_conv_up', 'depthwise conv moved up', dict(depthwise_first=True)),
        Step('kernel_5', 'kernel 5', dict(kernel_size=5), kept=False),
        Step('kernel_7', 'kernel 7', dict(kernel_size=7)),
        Step('kernel_9', 'kernel 9', dict(kernel_size=9), kept=False),
        Step('kernel_11', 'kernel 11', dict(kernel_size=11), kept=False),
        # Section 2.6, micro design: what a Transformer has of each, and where.
        Step('gelu', 'ReLU -> GELU', dict(activation='gelu')),
        Step('fewer_activations', 'fewer activations', dict(fewer_activations=True)),
        Step('fewer_norms', 'fewer norms', dict(fewer_norms=True)),
        Step('layer_norm', 'BN -> LN', dict(norm='ln')),
        Step(
            'separate_downsampling',
            'separate downsampling',
            dict(separate_downsampling=True, layer_scale_init_value=1e-6),
        ),
    )


TRACKS: dict[str, tuple[Step, ...]] = {
    'resnet50': _track(dict(depths=(3, 4, 6, 3)), dict(depths=(3, 3, 9, 3)), width=96),
    # Here the stage ratio alone would nearly halve the MACs: the paper widens the network in the same step.
    'resnet200': _track(dict(depths=(3, 24, 36, 3)), dict(depths=(3, 3, 27, 3), width=84), width=128),
}

CONFIGS = {'resnet50': 'r50', 'resnet200': 'r200'}  # how their names start


def config_of(track: str, step: str) -> str:
    """The config of a track's step, such as ``'configs/roadmap/r50_12_gelu.py'``."""
    index = [known.name for known in TRACKS[track]].index(step)
    return f'configs/roadmap/{CONFIGS[track]}_{index:02d}_{step}.py'


def design_of(track: str, step: str) -> Design:
    """All decisions taken up to a step of a track.

    Raises:
        UserError: (a ValueError) if there is no such track or step, with those that there are.
    """
    if track not in TRACKS:
        raise UserError(f'the roadmap has no track {track!r}: take one of {", ".join(TRACKS)}')
    kept = Design()
    for known in TRACKS[track]:
        design = replace(kept, **known.changes)
        if known.name == step:
            return design
        if known.kept:
            kept = design
    names = ', '.join(known.name for known in TRACKS[track])
    raise UserError(f'the roadmap has no step {step!r}: take one of {names}')


class RoadmapBlock(nn.Module):
    """A residual block anywhere between ResNet's bottleneck and ConvNeXt's block.

    Its layers carry the names of ConvNeXt's; ``dwconv`` is the spatial convolution, which is a full one at first.

    Args:
        in_dim: channels of the input.
        dim: channels C of the output.
        stride: 1, or 2 to halve the sides.
        drop_path: probability in [0, 1) that an image skips the block while training.
        design: the decisions.
    """

    def __init__(self, in_dim: int, dim: int, stride: int, drop_path: float, design: Design) -> None:
        super().__init__()
        hidden = 4 * dim if design.inverted_bottleneck else dim // 4
        spatial = in_dim if design.depthwise_first else hidden
        self.dwconv = nn.Conv2d(
            *(spatial, spatial, design.kernel_size, stride, design.kernel_size // 2),
            groups=spatial if design.depthwise else 1,
            bias=design.bias,
        )
        self.norm = design.new_norm(spatial)
        self.pwconv1 = Pointwise(in_dim, hidden, design.bias)
        self.norm1 = nn.Identity() if design.fewer_norms else design.new_norm(hidden)
        self.pwconv2 = Pointwise(hidden, dim, design.bias)
        self.norm2 = nn.Identity() if design.fewer_norms else design.new_norm(dim)
        self.activation = design.new_activation()
        self.other_activation = nn.Identity() if design.fewer_activations else design.new_activation()
        scale = design.layer_scale_init_value
        self.gamma = nn.Parameter(torch.full((dim,), scale)) if scale > 0 else None
        self.drop_path = drop_path
        self.depthwise_first = design.depthwise_first
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_dim != dim:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(kernel_size=1, stride=stride),  # no averaging: it picks every stride-th position
                Pointwise(in_dim, dim, design.bias),
                design.new_norm(dim),
            )

    def forward(self, x: Tensor) -> Tensor:  # (N, in_dim, H, W) -> (N, C, H / stride, W / stride)
        if self.depthwise_first:
            y = self.other_activation(self.norm(self.dwconv(x)))
            y = self.activation(self.norm1(self.pwconv1(y)))
        else:
            y = self.other_activation(self.norm1(self.pwconv1(x)))
            y = self.activation(self.norm(self.dwconv(y)))
        y = self.norm2(self.pwconv2(y))
        if self.gamma is not None:
            y = y * self.gamma.view(-1, 1, 1)
        return self.other_activation(self.shortcut(x) + stochastic_depth(y, self.drop_path, 'row', self.training))


@MODELS.register_module()
class RoadmapNet(ConvNeXt):
    """A network of the roadmap: ConvNeXt's skeleton and names, around the parts that the decisions ask for.

    The last step of ``resnet50`` is ConvNeXt-T, that of ``resnet200`` ConvNeXt-B, weight for weight. The first steps
    are ResNets, whose 1x1 convolutions are stored as (out, in) matrices.

    Args:
        track: a name of :data:`TRACKS`.
        step: a step of it; ``baseline`` and ``modern_recipe`` are the same network.
        in_channels: as ConvNeXt's, like the arguments below it.
        out_indices: ``None`` is for classification: the last stage, averaged over all positions; normalized, as the
            outputs of stages are, from ``separate_downsampling`` on.
        drop_path_rate: stochastic depth of the last block, in [0, 1).
        frozen_stages: -1 to 4.
        norm_eval: BatchNorm keeps its statistics while the rest is trained, for detectors and segmentors that start
            from a trained backbone and see few images at once; as in mmdet's ResNet, where it is the default.
        with_cp: recompute each block in the backward pass; BatchNorm's statistics then see each batch twice.
        init_cfg: mmengine's.
        decisions: any fields of :class:`Design`, in place of the step's own.

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
        out_indices: Sequence[int] | None = (0, 1, 2, 3),
        drop_path_rate: float = 0.0,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
        **decisions: Any,
    ) -> None:
        design = _with_decisions(design_of(track, step), decisions)
        with torch.device('meta'):  # ConvNeXt's own layers cost nothing there; ours take their place below
            super().__init__(
                dict(depths=design.depths, dims=design.dims),
                in_channels=in_channels,
                out_indices=out_indices,
                drop_path_rate=drop_path_rate,
                frozen_stages=frozen_stages,
                with_cp=with_cp,
                init_cfg=init_cfg,
            )
        self.norm_eval = norm_eval
        rates: list[Any] = [block.drop_path for stage in self.stages for block in stage.children()]
        separate = design.separate_downsampling

        self.downsample_layers, self.stages = nn.ModuleList(), nn.ModuleList()
        before = design.width
        for i, (depth, dim) in enumerate(zip(self.depths, self.dims, strict=True)):
            if i == 0:
                self.downsample_layers.append(_stem(in_channels, design))
            elif separate:
                convolution = nn.Conv2d(before, dim, kernel_size=2, stride=2, bias=design.bias)
                self.downsample_layers.append(nn.Sequential(design.new_norm(before), convolution))
                before = dim
            else:
                self.downsample_layers.append(nn.Identity())
            stage = nn.Sequential()
            for b in range(depth):
                stride = 2 if i > 0 and b == 0 and not separate else 1
                stage.append(RoadmapBlock(before, dim, stride, rates.pop(0), design))
                before = dim
            self.stages.append(stage)

        if self.out_indices is None:
            self.add_module('norm', VECTOR_NORMS[design.norm](self.dims[-1]) if separate else nn.Identity())
        else:
            for i in sorted(set(self.out_indices)):
                self.add_module(f'norm{i}', design.new_norm(self.dims[i]) if separate else nn.Identity())
        self.apply(init_conv_and_linear)
        self._freeze()

    def train(self, mode: bool = True) -> RoadmapNet:
        """Set training mode; what is frozen stays in evaluation mode, with ``norm_eval`` every BatchNorm does."""
        super().train(mode)
        for module in self.modules():
            if self.norm_eval and isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


def _stem(in_channels: int, design: Design) -> nn.Sequential:
    """(N, in_channels, H, W) -> (N, width, H / 4, W / 4)"""
    if design.patchify_stem:
        convolution = nn.Conv2d(in_channels, design.width, kernel_size=4, stride=4, bias=design.bias)
    else:
        convolution = nn.Conv2d(in_channels, design.width, kernel_size=7, stride=2, padding=3, bias=design.bias)
    stem = nn.Sequential(convolution, design.new_norm(design.width))
    if not design.fewer_activations:
        stem.append(design.new_activation())
    if not design.patchify_stem:
        stem.append(nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
    return stem


def _with_decisions(design: Design, decisions: dict[str, Any]) -> Design:
    known = [field.name for field in fields(Design)]
    for name in decisions:
        if name not in known:
            raise UserError(f'the roadmap decides nothing named {name!r}: take one of {", ".join(known)}')
    # configs and command lines write tuples as lists
    taken: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in decisions.items()}
    return replace(design, **taken)
