"""The optimizer of an adapted config: the packaged recipe's in place of SGD, the source's own if it is AdamW."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.config import Config

from ..engine.building import build_model
from ..engine.total_batch import lr_for_batch
from ..errors import UserError
from .notes import Notes
from .packaged import Recipe
from .sources import SourceConfig

CONSTRUCTOR = 'convnext_dense.LayerDecayConstructor'
OF_CONVNEXT = 'LearningRateDecayOptimizerConstructor'
"""The constructor of mmdet and mmseg for ConvNeXt's own recipes."""
GPUS = {'mmdet': 8, 'mmseg': 4}
"""GPUs of a source that does not say how many it is for, as its library's documentation has it."""


class AdaptedOptimizer(NamedTuple):
    """The optimizer of an adapted config."""

    wrapper: dict[str, Any]
    total_batch: int
    """Images of an optimizer step, for which its lr is."""
    lr_factor: float
    """Its lr as a share of the source's, for what the source's schedule states as an lr."""
    is_replaced: bool
    """True if it is the packaged recipe's."""


def adapt_optimizer(source: SourceConfig, recipe: Recipe, model: Mapping[str, Any], notes: Notes) -> AdaptedOptimizer:
    """Return the optimizer of the new config.

    A source with AdamW, as those with heads of transformers have, keeps its lr, weight decay and multipliers. An
    optimizer for ResNets, or for the layers of another backbone, becomes the packaged recipe's with layer-wise decay.

    Args:
        source: the source.
        recipe: the packaged recipe for the architecture.
        model: the adapted model, whose parameters the multipliers are for.
        notes: gets a line for each change.
    """
    given = source.cfg['optim_wrapper']
    total = find_total_batch(source, notes)
    constructor = str(given.get('constructor') or '').rpartition('.')[2]
    own_layers = constructor == OF_CONVNEXT
    kept = {key: given[key] for key in ('clip_grad', 'loss_scale') if given.get(key)}
    optimizer = dict(given['optimizer'])
    if str(optimizer['type']).rpartition('.')[2] == 'AdamW' and (own_layers or not constructor):
        rules = dict(given.get('paramwise_cfg') or {})
        paramwise = _layer_decay(rules) if own_layers else _multipliers(rules, _parameter_names(source, model), notes)
        wrapper = {
            'type': given.get('type', 'OptimWrapper'),
            'constructor': CONSTRUCTOR,
            'paramwise_cfg': paramwise,
            'optimizer': optimizer,
            **kept,
        }
        return AdaptedOptimizer(wrapper, total, 1.0, is_replaced=False)
    wrapper = recipe.cfg.optim_wrapper.to_dict()
    own, at = wrapper['optimizer'], recipe.cfg.train_cfg.total_batch_size
    if total != at:
        own['lr'] = float(f'{lr_for_batch(own, total, at):.3g}')
    kept.pop('loss_scale', None)
    name = str(optimizer['type']).rpartition('.')[2] + (f' with {constructor}' if constructor else '')
    rate = wrapper['paramwise_cfg']['decay_rate']
    notes.changed.append(
        f'{name} becomes AdamW with layer-wise lr decay of {rate}, from {recipe.name}: lr {own["lr"]:g} for '
        f'{total} images' + (f' ({recipe.cfg.optim_wrapper.optimizer.lr:g} for {at})' if total != at else '')
    )
    return AdaptedOptimizer({**wrapper, **kept}, total, own['lr'] / optimizer['lr'], is_replaced=True)


def find_total_batch(source: SourceConfig, notes: Notes) -> int:
    """Return the images of an optimizer step of a source.

    They are the GPUs and images of each in the name of its file, such as ``8xb2``, or what it states for scaling its
    lr, which some sources inherit without a change.
    """
    cfg = source.cfg
    stated = (cfg.get('auto_scale_lr') or {}).get('base_batch_size')
    accumulated = int(cfg['optim_wrapper'].get('accumulative_counts', 1))
    per_gpu = int(cfg['train_dataloader'].get('batch_size', 1))
    named = re.search(r'_(\d+)xb(\d+)', source.file.stem)
    if named:
        total = int(named[1]) * int(named[2]) * accumulated
        if stated and stated != total:
            notes.changed.append(
                f'the lr is for {total} images, {named[1]} GPUs with {named[2]} each as the file is named, where the '
                f'source has auto_scale_lr.base_batch_size={stated}'
            )
        return total
    if stated:
        return int(stated)
    gpus = GPUS[source.package]
    notes.undecided.append(
        f'the source does not say how many images its lr is for: {gpus * per_gpu * accumulated} are {gpus} GPUs with '
        f'{per_gpu} each (train_cfg.total_batch_size)'
    )
    return gpus * per_gpu * accumulated


def _layer_decay(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rules of mmdet's and mmseg's constructor for ConvNeXt in ours, which knows the number of layers."""
    return {'decay_rate': rules['decay_rate'], 'scheme': rules.get('decay_type', 'layer_wise')}


def _multipliers(rules: dict[str, Any], names: Iterable[str] | None, notes: Notes) -> dict[str, Any]:
    """Return mmengine's rules for parameters in ours, whose defaults are others.

    Args:
        rules: the source's ``paramwise_cfg``.
        names: names of the model's parameters; None if they are unknown.
        notes: gets a line for each rule that is left out.
    """
    norms, biases = rules.get('norm_decay_mult', 1.0), rules.get('bias_decay_mult', 1.0)
    kept: dict[str, dict[str, float]] = {}
    dropped = [key for key in rules if key not in ('norm_decay_mult', 'bias_decay_mult', 'custom_keys')]
    absent, of_backbone = [], []
    for key, custom in (rules.get('custom_keys') or {}).items():
        lr, decay = custom.get('lr_mult', 1.0), custom.get('decay_mult', 1.0)
        if key == 'norm' and lr == 1.0:
            norms = decay  # by the kind of module, which finds those with other names too
        elif key.startswith('backbone.'):
            of_backbone.append(key)
            norms = decay if 'norm' in key and decay == 0.0 else norms
        elif key != 'backbone' and names is not None and not any(key in name for name in names):
            absent.append(key)
        else:
            kept[key] = {'lr_mult': lr, 'decay_mult': decay}
    multipliers = {}
    for key, custom in kept.items():
        # the decay of the backbone's norms, biases and scales follows the rules for these
        follows = custom['decay_mult'] == 1.0 and (key == 'backbone' or norms == biases == 1.0)
        shown = {'lr_mult': custom['lr_mult']} if custom['lr_mult'] != 1.0 else {}
        shown |= {} if follows else {'decay_mult': custom['decay_mult']}
        if shown:
            multipliers[key] = shown
    if absent:
        notes.changed.append(f'multipliers of {", ".join(absent)} are left out: no parameter has these names')
    if of_backbone:
        notes.changed.append(
            f"{len(of_backbone)} multipliers of the old backbone's layers are left out: norms have a weight decay of "
            f'{norms:g} times that of weights, in backbone and heads'
        )
    for key in dropped:
        if key != 'bypass_duplicate':  # each parameter is in one group here in any case
            notes.undecided.append(
                f'paramwise_cfg.{key}={rules[key]} is left out: the constructor here has no such rule'
            )
    notes.changed.append("the source's AdamW is kept; LayerScale and GRN of the ConvNeXt have no weight decay")
    paramwise: dict[str, Any] = {'norm_decay_mult': norms, 'bias_decay_mult': biases}
    return {**paramwise, 'custom_keys': multipliers} if multipliers else paramwise


def _parameter_names(source: SourceConfig, model: Mapping[str, Any]) -> list[str] | None:
    """Return the names of a model's parameters, of which the backbone's do not matter; None if it can't be built."""
    smaller = dict(model)
    if isinstance(model.get('backbone'), Mapping):
        smaller['backbone'] = {**model['backbone'], 'arch': 'atto'}
    if not (source.cfg['optim_wrapper'].get('paramwise_cfg') or {}).get('custom_keys'):
        return None
    cfg = Config({'model': smaller, 'default_scope': source.package})
    with torch.random.fork_rng(devices=[]):
        try:
            return [name for name, _ in build_model(cfg).named_parameters()]
        except (UserError, RuntimeError):
            return None
