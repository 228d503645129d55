"""Parameters, multiply-accumulates and activations of a model, by module.

MACs are multiply-accumulates of convolutions, linear layers and matrix products; vision papers, ConvNeXt's included,
call them FLOPs. Activations are the output elements of the same operators, counted as in fvcore and "Designing Network
Design Spaces" (arXiv 2003.13678). Both come from torch's ``FlopCounterMode``. On the meta device nothing is computed,
and no weights, data or memory are needed.

    with torch.device('meta'):
        model = MODELS.build(...)
    count(model, (224, 224)).macs
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from ..engine.building import build_trained_model
from ..engine.dry_run import check_parts_fit
from ..errors import UserError, describe_error
from ..io.image_size import ImageSize
from ..tasks import task_of
from ..tasks.base import run_whole_model
from .sizes_alone import SizesAlone


class Cost(NamedTuple):
    """Cost of a module and all its submodules for one image."""

    params: int
    macs: int
    activations: int


class Complexity(NamedTuple):
    """Cost of a model for one image."""

    params: int
    trained: int  # parameters that are not frozen
    macs: int
    activations: int
    input_shape: tuple[int, int, int, int]  # 1, channels, height, width
    rule: str  # description of the parts that were run
    by_module: dict[str, Cost]  # by name, parents first; without modules that cost nothing
    not_counted: dict[str, int]  # calls of operators without a counting rule, by kind


def count_config(cfg: Config, shape: ImageSize | None = None) -> Complexity:
    """Count a config's model by the rule of its task, the same rule as for the published numbers.

    Args:
        cfg: a config from :func:`convnext_dense.config.read.read_config`.
        shape: height and width in pixels. None: in classification the config's own resolution, in detection
            800 x 1280, in segmentation the crop's height by four times that height.

    Raises:
        UserError: if the model can't be built, or the rule does not apply to the shape or the model.
    """
    with torch.device('meta'):
        model = build_trained_model(cfg)
    task = task_of(cfg)
    height, width = shape or task.counted_shape(cfg)
    if not (isinstance(height, int) and isinstance(width, int)):
        raise UserError(f'{height} x {width} is not an image size: give height and width as integers')
    size = ImageSize(height, width)
    try:
        return count(model, size, task.run_counted)
    except UserError as error:
        if error.__cause__ is None:  # the shape is refused, or the kind of model
            raise
        needs_values = 'meta' in str(error.__cause__)
        if needs_values:
            with suppress(UserError), SizesAlone():  # deformable attention needs the values of sizes
                return count(model, size, task.run_counted)
        model = build_trained_model(cfg)
        if not needs_values:
            check_parts_fit(model, task, size)
            raise
    try:
        return count(model, size, task.run_counted)  # with all values
    except UserError as error:
        if error.__cause__ is not None:
            check_parts_fit(model, task, size)
        raise


def count(
    model: nn.Module, shape: tuple[int, int], run: Callable[[nn.Module, Tensor], str] = run_whole_model
) -> Complexity:
    """Count a model for one image; sets the model to evaluation mode.

    Args:
        model: a model on any device; on the meta device counting computes nothing.
        shape: height and width of the image in pixels.
        run: function that runs the part of the model whose MACs are counted and returns its description: the whole
            model, or a task's :meth:`~convnext_dense.tasks.Task.run_counted`. Parameters are always those of the whole
            model.

    Raises:
        UserError: if the shape is smaller than the backbone's stride, or the rule does not apply to the model.
    """
    backbone = getattr(model, 'backbone', model)
    stride = getattr(backbone, 'total_stride', 1)
    if min(shape) < stride:
        raise UserError(
            f'an image of {ImageSize(*shape)} is smaller than the stride of the backbone: '
            f'take at least {stride} x {stride}'
        )
    input_shape = (1, getattr(backbone, 'in_channels', 3), *shape)
    device = next(model.parameters()).device
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    counted = _Counted(model.eval(), run)
    not_counted = _NotCounted()
    activations = FlopCounterMode(display=False, custom_mapping=dict.fromkeys(flop_registry, _elements))
    macs = FlopCounterMode(display=False)
    for parameter in learned:  # the counter fails on modules that are given parameters of others
        parameter.requires_grad = False
    try:
        with torch.no_grad(), not_counted, activations, macs:
            rule = counted(torch.zeros(input_shape, device=device))
    except UserError:
        raise
    except Exception as error:  # mismatched parts of a config can fail in any way
        raise UserError(
            f'the model does not run on an image of {ImageSize(*shape)}: {_where(error, model)}{describe_error(error)}'
        ) from error
    finally:
        for parameter in learned:
            parameter.requires_grad = True
    costs = {}
    macs_of, activations_of = (_totals(counted, counter) for counter in (macs, activations))
    for name, module in model.named_modules():
        path = f'model.{name}'.rstrip('.')
        cost = Cost(sum(p.numel() for p in module.parameters()), macs_of[path] // 2, activations_of[path])
        if any(cost):
            costs[name] = cost
    total = costs.pop('')
    return Complexity(
        params=total.params,
        trained=sum(p.numel() for p in learned),
        macs=total.macs,
        activations=total.activations,
        input_shape=input_shape,
        rule=rule,
        by_module=costs,
        not_counted=dict(not_counted.calls.most_common()),
    )


def _where(error: BaseException, model: nn.Module) -> str:
    """Name the innermost module of a model that raised an error, with what it is; empty if none did."""
    names, found = {module: name for name, module in model.named_modules() if name}, ''
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_locals.get('self')
        if isinstance(module, nn.Module) and module in names:
            kind = str(module) if not any(module.children()) else type(module).__name__
            found = f'model.{names[module]}, which is {kind}: '
    return found


class _Counted(nn.Module):
    """Wrapper of the counted part of a forward pass, so that the counter sees the names of all modules."""

    def __init__(self, model: nn.Module, run: Callable[[nn.Module, Tensor], str]) -> None:
        super().__init__()
        self.model = model
        self.run = run

    def forward(self, image: Tensor) -> str:
        return self.run(self.model, image)


def _totals(counted: nn.Module, counter: FlopCounterMode) -> dict[str, int]:
    """Return the counter's total for each module by name; uncalled modules, such as lists, sum their children."""
    counts, root = counter.get_flop_counts(), type(counted).__name__
    totals: dict[str, int] = {}

    def total(name: str, module: nn.Module) -> int:
        of_children = sum(total(f'{name}.{child}'.lstrip('.'), part) for child, part in module.named_children())
        own = counts.get(f'{root}.{name}')
        totals[name] = of_children if own is None else sum(own.values())
        return totals[name]

    total('', counted)
    return totals


def _elements(*_: Any, out_shape: Any = None, **__: Any) -> int:
    return out_shape.numel() if isinstance(out_shape, torch.Size) else 0


class _NotCounted(TorchDispatchMode):
    """Counter of calls to operators for which FlopCounterMode has no rule, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func.overloadpacket
        is_view = func.is_view or torch.Tag.inplace_view in func.tags or packet is torch.ops.aten._unsafe_view
        is_view = is_view or (packet is torch.ops.aten._to_copy and (kwargs or {}).get('device') is not None)
        takes_tensors = any(isinstance(arg, Tensor) for arg in tree_leaves(args))
        if takes_tensors and not is_view and packet not in flop_registry:
            self.calls[_kind(func)] += 1
        return func(*args, **(kwargs or {}))


KINDS = {
    'norm': 'normalization',
    'pool': 'pooling',
    'grid_sampler': 'sampling (deformable attention)',
    'upsample': 'interpolation',
    'unsafe_index': 'interpolation',  # nearest neighbor
    'clone': 'copy',
    'copy': 'copy',
    'cat': 'copy',
    'pad': 'copy',
}
"""Kinds of operators by parts of their names."""


def _kind(func: Any) -> str:
    name = func.overloadpacket.__name__
    for word, kind in KINDS.items():
        if word in name:
            return kind
    return 'elementwise' if torch.Tag.pointwise in func.tags else name.strip('_')
