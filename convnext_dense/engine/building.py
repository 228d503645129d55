"""Build models from a config, with one-line errors for mistakes in the config."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import nn

from ..checkpoints.files import find
from ..compat.mmengine_checkpoint_loader import initialize_with, read_checkpoints_with
from ..compat.mmseg_loss_advice import without_loss_advice
from ..data.foreign import innermost
from ..errors import UserError, describe_error
from ..models.backbone import FourStageBackbone
from ..models.isotropic import IsotropicConvNeXt
from ..models.lora import insert_adapters, lora_settings
from ..registry import MODELS
from ..weights.class_counts import ClassShape, set_head_classes, stated_stuff
from ..weights.extraction import with_merged_adapters
from ..weights.fetch import fetch_weights
from ..weights.loading import load_pretrained
from ..weights.reader import read_checkpoint
from .unknown_types import explain_unknown

REGION_ASSIGNER = 'convnext_dense.MaxIoUAssigner'
"""The assigner that takes no background from ignore regions."""


@contextmanager
def config_errors(part: str, cfg: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Context that converts errors of building a part of the config to a UserError that names the part.

    Args:
        part: the part's key, or several in a text.
        cfg: the whole config, in which the place of a type that does not exist is found.

    Raises:
        UserError: instead of the errors that wrong arguments and names cause.
    """
    try:
        yield
    except UserError:
        raise
    except (
        *(TypeError, ValueError, KeyError, AttributeError, AssertionError),
        *(NotImplementedError, FileNotFoundError, ImportError),
    ) as error:
        explained = explain_unknown(error, cfg or {}, re.findall(r'\w+', part))
        raise UserError(explained or f"the config's {part} can't be built: {describe_error(error)}") from error


def read_checkpoints_safely() -> None:
    """Make mmengine read the checkpoints in a model's ``init_cfg`` without running code that they contain.

    A backbone of this package, or a model with one, takes them as ``pretrained``: in any format, strictly and with the
    settings of their network.
    """
    read_checkpoints_with(lambda source: with_merged_adapters(read_checkpoint(fetch_weights(source))))
    initialize_with(_initialize)


def _initialize(module: nn.Module, source: str, prefix: str | None) -> bool:
    """Load the weights of an ``init_cfg`` into a backbone of this package, or a model with one.

    Returns:
        False for another module, which is unchanged.

    Raises:
        UserError: if the weights can't be read or do not fit.
    """
    model = module if hasattr(module, 'backbone') else nn.ModuleDict({'backbone': module})
    if not isinstance(model.backbone, FourStageBackbone | IsotropicConvNeXt):
        return False
    known = (None,) if model is module else (None, '', 'backbone', 'backbone.')
    if prefix not in known:
        kind = type(module).__name__
        raise UserError(f'init_cfg of {kind}: leave out prefix={prefix!r}, since names in {source} are found without')
    print_log(load_pretrained(model, find(source)), 'current')
    return True


def describe_unused_regions(model: Any, dataset: Any) -> str | None:
    """Describe that a model learns something of what its data ignore, or return None if it does not.

    A detector with other assigners learns what is in the ignore regions as background. A head that finds the masks of
    all pixels by queries learns that pixels without a class are in none of them.

    Args:
        model: the model's config.
        dataset: the training data, whose ``ignore_regions`` is their number, also inside wrappers.
    """
    if isinstance(model, dict) and any(_masks_pixels(model.get(head)) for head in ('decode_head', 'panoptic_head')):
        return 'pixels without a class are learned as being in no mask, as mmdet and mmseg do for heads with queries'
    regions = sum(getattr(part, 'ignore_regions', 0) for part in innermost(dataset))
    kinds = [assigner['type'] for assigner in _values_of(model, 'assigner') if isinstance(assigner, dict)]
    assigners = [kind if isinstance(kind, str) else f'{kind.__module__}.{kind.__name__}' for kind in kinds]
    others = [name for name in assigners if not name.startswith('convnext_dense.')]
    if not regions or (assigners and not others):
        return None
    which = f'its assigners ({", ".join(dict.fromkeys(others))}) do' if others else 'it does'
    return (
        f'the training data have {regions} ignore regions, and what is in them is learned as background: {which} not '
        f'know them; {REGION_ASSIGNER} does, where a detector can take one'
    )


def _masks_pixels(head: Any) -> bool:
    """Check whether a head's config is of one that finds the masks of all pixels, not of objects alone."""
    return isinstance(head, dict) and 'pixel_decoder' in head and head.get('num_stuff_classes', 1) > 0


def _values_of(value: Any, key: str) -> Iterator[Any]:
    """Yield all values of a key in a nested config."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _values_of(part, key)


def build_model(cfg: Config) -> nn.Module:
    """Build the config's model without a runner; one process may build models of several tasks.

    Raises:
        UserError: if the model can't be built.
    """
    read_checkpoints_safely()
    with config_errors('model', cfg), without_loss_advice(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(copy.deepcopy(cfg.model))  # some heads of mmdet change their config


def build_trained_model(cfg: Config) -> nn.Module:
    """Build the config's model as a run trains it: with the LoRA adapters that its key ``lora`` asks for.

    Raises:
        UserError: if the model can't be built, or not be adapted.
    """
    model = build_model(cfg)
    settings = lora_settings(cfg.get('lora'))
    if settings is not None:
        insert_adapters(model, settings)
    return model


TRIED_CLASSES = 5  # more than one or two, for which some heads have another form


def class_shapes(cfg: Config, channel_per_class: bool = False) -> dict[str, ClassShape]:
    """Find the weights of a config's model whose shapes depend on its number of classes.

    The model is built for two numbers of classes, without memory for its weights.

    Args:
        cfg: the config; its own numbers of classes do not matter.
        channel_per_class: build a head with one channel for two classes as one with a channel for each. Otherwise its
            model can't be built for other numbers.

    Returns:
        The rule of the shape by the tensor's name; empty if the config has no numbers of classes, or its model
        can't be built for others.
    """
    shapes = _varying_shapes(cfg, channel_per_class, [(TRIED_CLASSES, 0), (TRIED_CLASSES + 1, 0)])
    if stated_stuff(cfg.model):  # a part that learns stuff alone has rows for it
        tried = [(2 * TRIED_CLASSES + more, TRIED_CLASSES + more) for more in (0, 1)]
        shapes = {**_varying_shapes(cfg, channel_per_class, tried), **shapes}
    return shapes


def _varying_shapes(cfg: Config, channel_per_class: bool, tried: Sequence[tuple[int, int]]) -> dict[str, ClassShape]:
    """Find the shapes that differ between two numbers of classes, each with the number of those that are stuff.

    The rules are for the number of things, or where both have stuff for that of stuff.
    """
    shapes = []
    for count, stuff in tried:
        changed = copy.deepcopy(cfg)
        set_head_classes(changed.model, count, stuff)
        if channel_per_class:
            _give_each_class_a_channel(changed.model)
        try:
            with torch.random.fork_rng(devices=[]), torch.device('meta'), warnings.catch_warnings():
                warnings.simplefilter('ignore')
                shapes.append({name: tensor.shape for name, tensor in build_model(changed).state_dict().items()})
        except (UserError, RuntimeError):
            return {}
    one, other = shapes
    return {
        name: ClassShape.between(shape, TRIED_CLASSES, other[name])
        for name, shape in one.items()
        if name in other and len(other[name]) == len(shape) and other[name] != shape
    }


def _give_each_class_a_channel(part: object) -> None:
    """Take the ``out_channels=1`` of mmseg's heads for two classes out of a nested config."""
    if isinstance(part, dict):
        if 'num_classes' in part and part.get('out_channels') == 1:
            del part['out_channels']
        part = list(part.values())
    if isinstance(part, list | tuple):
        for item in part:
            _give_each_class_a_channel(item)
