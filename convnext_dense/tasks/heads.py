"""The heads of models of several kinds: their class weights, their NMS, and their rows in weights from elsewhere."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .sizes import dotted

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor, nn

NMS = ('nms', 'soft_nms', 'nms_rotated', 'nms_quadri')
"""Kinds of NMS that mmcv has."""


NEEDED = {'PAAHead': ('sklearn', 'scikit-learn')}
"""Heads whose loss needs a package that is installed on demand: the module and the package."""


def check_needed_packages(model: nn.Module) -> None:
    """Check that the packages are there which heads need in training.

    Raises:
        UserError: if one is not.
    """
    kinds = {base.__name__ for module in model.modules() for base in type(module).__mro__}
    for kind in sorted(kinds & NEEDED.keys()):
        module, package = NEEDED[kind]
        if importlib.util.find_spec(module) is None:
            raise UserError(f'{kind} computes its loss with {package}, which is not installed: pip install {package}')


def check_class_weights(model: nn.Module) -> None:
    """Check the lengths of the class weights in a model's losses.

    Raises:
        UserError: if a loss has not one weight for each output of its head.
    """
    for name, head in model.named_modules():
        classes = getattr(head, 'num_classes', None)
        if classes is None:
            continue
        for part, loss in head.named_modules():
            weights = getattr(loss, 'class_weight', None)
            if not part.startswith('loss') or weights is None or not hasattr(weights, '__len__'):
                continue
            has_background = hasattr(head, 'fc_cls') or hasattr(head, 'cls_embed')
            background = has_background and not getattr(loss, 'use_sigmoid', False)
            outputs = getattr(head, 'out_channels', classes) + background
            if len(weights) != outputs:
                of = f'{classes} classes{" and the background" if background else ""}'
                raise UserError(
                    f'model.{name}.{part}.class_weight has {len(weights)} weights for {of}: give {outputs}, '
                    'in the order of the classes'
                )


def check_ignored_labels(settings: Mapping[str, Any]) -> None:
    """Check that the labels which a model ignores, or pads label maps with, are those of pixels without a class.

    Args:
        settings: the model's config.

    Raises:
        UserError: if it ignores others.
    """
    from ..io.images import UNLABELED

    for keys, value in _ignored_labels(settings):
        reads_labels = any(part in str(key) for key in keys for part in ('head', 'loss', 'data_preprocessor'))
        if value != UNLABELED and (reads_labels or value >= 0):
            raise UserError(
                f'{dotted(("model", *keys))} is {value}: pixels without a class have the label {UNLABELED}, so '
                'leave it out; a class that is not to be learned gets the class_weight 0 in the loss'
            )


def _ignored_labels(settings: Any, keys: tuple = ()) -> Iterator[tuple[tuple, int]]:
    """Yield the labels that settings of a model have it ignore, or pad with, with their keys.

    What no setting states is a part's own affair: a loss of torch inside another one ignores -100, which never occurs.
    """
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key in ('ignore_index', 'seg_pad_val', 'seg_pad_value') and isinstance(value, int):
                yield (*keys, key), value
            yield from _ignored_labels(value, (*keys, key))
    elif isinstance(settings, list | tuple):
        for index, value in enumerate(settings):
            yield from _ignored_labels(value, (*keys, index))


def count_head_rows(state_dict: Mapping[str, Tensor], ending: str) -> int | None:
    """Return the number of rows of the weight whose name ends with ``ending``, or None if there is no such weight."""
    rows = [len(tensor) for name, tensor in state_dict.items() if f'.{name}'.endswith(f'.{ending}')]
    return rows[-1] if rows else None


def check_nms(settings: Mapping[str, Any]) -> None:
    """Check that each NMS in the settings of a model exists, which mmcv looks up when the model first predicts.

    Args:
        settings: a model's config.

    Raises:
        UserError: for the first that does not.
    """
    for keys, kind in _nms_types(settings):
        known = vars(importlib.import_module('mmcv.ops.nms'))
        if not callable(known.get(kind)):
            names = [name for name in NMS if name in known]
            near = difflib.get_close_matches(kind, names, n=1) or names
            raise UserError(f'there is no {kind!r} (NMS) for {dotted(keys)}: did you mean {" or ".join(near)}?')


def _nms_types(settings: Any, keys: tuple = ('model',)) -> Iterator[tuple[tuple, str]]:
    """Yield the types of parts with the key ``nms``, with their keys."""
    if isinstance(settings, Mapping):
        if keys[-1] == 'nms' and isinstance(settings.get('type'), str):
            yield keys, settings['type']
        for key, part in settings.items():
            yield from _nms_types(part, (*keys, key))
    elif isinstance(settings, list | tuple):
        for index, part in enumerate(settings):
            yield from _nms_types(part, (*keys, index))


def classifies_pixels(cfg: Config) -> bool:
    """Check whether the heads learn a class of each pixel, unlike those that find masks and classify them."""
    heads = cfg.model.get('decode_head') or []
    return not any('loss_mask' in head for head in (heads if isinstance(heads, list | tuple) else [heads]))
