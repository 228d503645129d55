"""The roadmap of "A ConvNet for the 2020s" (arXiv 2201.03545, section 2), from ResNet to ConvNeXt in steps.

This module defines the design decisions and the steps that change them, as plain data: importing it imports neither
torch nor mmengine. Two tracks lead from ResNet-50 to ConvNeXt-T and from ResNet-200 to ConvNeXt-B.
:mod:`convnext_dense.roadmap.network` builds a network from any set of decisions, and :mod:`convnext_dense.paper` has
each step's published accuracy and GFLOPs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from ..errors import UserError

ACTIVATIONS = ('relu', 'gelu')
NORMS = ('bn', 'ln')  # BatchNorm, LayerNorm


@dataclass(frozen=True)
class Design:
    """Design decisions; the defaults are those of ResNet-50.

    Raises:
        UserError: (a ValueError) for a value of the wrong type or out of range, and for two decisions that
            contradict each other.
    """

    depths: tuple[int, int, int, int] = (3, 4, 6, 3)  # blocks per stage
    width: int = 64  # channels after the stem; they double from stage to stage
    patchify_stem: bool = False  # a 4x4 convolution of stride 4, instead of 7x7 of stride 2 and max pooling
    depthwise: bool = False  # the block's spatial convolution has one group per channel
    inverted_bottleneck: bool = False  # wide within a block and narrow between blocks, instead of the reverse
    depthwise_first: bool = False  # the spatial convolution comes first in the block, not between the 1x1 convolutions
    kernel_size: int = 3  # of the spatial convolution
    activation: str = 'relu'  # or 'gelu'
    fewer_activations: bool = False  # one per block, before its last 1x1 convolution, and none elsewhere
    fewer_norms: bool = False  # one per block, after its spatial convolution
    norm: str = 'bn'  # or 'ln'
    separate_downsampling: bool = False  # norm and 2x2 convolution of stride 2 between stages; norms of the outputs
    layer_scale_init_value: float = 0.0  # 0 is no LayerScale

    def __post_init__(self) -> None:
        for field in fields(self):
            value, wanted = getattr(self, field.name), type(field.default)
            if not isinstance(value, (float, int) if wanted is float else wanted):
                raise UserError(f'{field.name} must be of type {wanted.__name__}, not {value!r}')
        if self.width < 1:
            raise UserError(f'width must be positive, not {self.width}')
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise UserError(f'kernel_size must be odd and positive, not {self.kernel_size}')
        for name, known in (('activation', ACTIVATIONS), ('norm', NORMS)):
            if getattr(self, name) not in known:
                raise UserError(f'unknown {name} {getattr(self, name)!r}: take one of {", ".join(known)}')
        for decision, needed in (
            ('inverted_bottleneck', 'depthwise'),  # a full convolution at the wide middle would cost far too much
            ('depthwise_first', 'inverted_bottleneck'),  # the block's input must be its narrow end
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
        """True if convolutions and linear layers have a bias."""
        return self.norm == 'ln'


class Step(NamedTuple):
    """One change of the network or of its training."""

    name: str
    title: str  # for tables
    changes: dict[str, Any]  # decisions that replace those of the previous kept step
    kept: bool = True  # False: an alternative that the paper tried but did not keep


def _track(resnet: dict[str, Any], stage_ratio: dict[str, Any], width: int) -> tuple[Step, ...]:
    return (
        # Section 2.1: the same network; ConvNeXt's training recipe replaces ResNet's.
        Step('baseline', 'ResNet', resnet),
        Step('modern_recipe', 'modern training recipe', {}),
        # Section 2.2, macro design: Swin's ratio of blocks per stage, and its patches that do not overlap.
        Step('stage_ratio', 'stage ratio', stage_ratio),
        Step('patchify_stem', 'patchify stem', dict(patchify_stem=True)),
        # Section 2.3, ResNeXt-ify: mix positions and channels separately, and spend the saved compute on width.
        Step('depthwise_conv', 'depthwise conv', dict(depthwise=True)),
        Step('width', f'width {width}', dict(width=width)),
        # Section 2.4: like a Transformer's MLP, a block widens its input by 4.
        Step('inverted_bottleneck', 'inverted bottleneck', dict(inverted_bottleneck=True)),
        # Section 2.5, large kernels: the depthwise convolution moves up to the narrow end of the block, as a
        # Transformer's attention precedes its MLP. That makes larger kernels cheap: of four sizes the paper keeps 7.
        Step('depthwise_conv_up', 'depthwise conv moved up', dict(depthwise_first=True)),
        Step('kernel_5', 'kernel 5', dict(kernel_size=5), kept=False),
        Step('kernel_7', 'kernel 7', dict(kernel_size=7)),
        Step('kernel_9', 'kernel 9', dict(kernel_size=9), kept=False),
        Step('kernel_11', 'kernel 11', dict(kernel_size=11), kept=False),
        # Section 2.6, micro design: activations and norms as in a Transformer.
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

ENDS = {'resnet50': ('ResNet-50', 'ConvNeXt-T'), 'resnet200': ('ResNet-200', 'ConvNeXt-B')}
CONFIG_PREFIXES = {'resnet50': 'r50', 'resnet200': 'r200'}


def config_of(track: str, step: str) -> str:
    """Return the path of a step's config, such as ``'configs/roadmap/r50_12_gelu.py'``."""
    index = [known.name for known in TRACKS[track]].index(step)
    return f'configs/roadmap/{CONFIG_PREFIXES[track]}_{index:02d}_{step}.py'


def design_of(track: str, step: str, **decisions: Any) -> Design:
    """Return the design of a step of a track, with some decisions replaced.

    Args:
        track: a name of :data:`TRACKS`.
        step: name of a step of the track.
        decisions: fields of :class:`Design` to replace; lists become tuples.

    Raises:
        UserError: (a ValueError) for an unknown track, step or decision; the message lists the known ones.
    """
    if track not in TRACKS:
        raise UserError(f'the roadmap has no track {track!r}: take one of {", ".join(TRACKS)}')
    names = [known.name for known in TRACKS[track]]
    if step not in names:
        raise UserError(f'the roadmap has no step {step!r}: take one of {", ".join(names)}')
    index = names.index(step)
    design = Design()
    for known in TRACKS[track][:index]:
        if known.kept:
            design = replace(design, **known.changes)
    design = replace(design, **TRACKS[track][index].changes)

    fields_of_design = [field.name for field in fields(Design)]
    for name in decisions:
        if name not in fields_of_design:
            raise UserError(f'the roadmap has no decision {name!r}: take one of {", ".join(fields_of_design)}')
    # configs and command lines write tuples as lists
    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in decisions.items()}
    return replace(design, **values)
