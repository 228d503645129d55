"""Show the learning rate and weight decay that a config gives each parameter."""

from __future__ import annotations

import argparse
import json

import torch
from rich.console import Console
from rich.table import Table

from ...config.freezing import check_frozen, freeze
from ...config.read import read_config
from ...engine.building import build_trained_model
from ...errors import UserError
from ...models.freezing import frozen_parts, shortened
from ...optim.layer_decay import Group, parameter_groups
from ..arguments import reading_arguments


def run(args: argparse.Namespace) -> None:
    needs_data = args.data is not None
    options = dict(reads='train', **reading_arguments(args))
    cfg = read_config(args.config, args.cfg_options, args.data, needs_data=needs_data, **options)
    if args.freeze is not None:
        freeze(cfg, args.freeze, args.cfg_options or ())
    constructor = cfg.optim_wrapper.get('constructor')
    if constructor != 'convnext_dense.LayerDecayConstructor':
        named = constructor or "mmengine's own constructor"
        raise UserError(
            f'the config builds its optimizer with {named}: take one with convnext_dense.LayerDecayConstructor'
        )
    with torch.device('meta'):
        model = build_trained_model(cfg).train()  # in which some backbones freeze their parts
    if args.freeze is not None:
        check_frozen(model, cfg, args.freeze)
    groups = parameter_groups(model, cfg.optim_wrapper.optimizer, cfg.optim_wrapper.get('paramwise_cfg') or {})
    if args.json:
        print(json.dumps([_as_json(group) for group in groups], indent=1))
        return
    trained = sum(p.numel() for group in groups for p in group.parameters.values())
    frozen = sum(p.numel() for p in model.parameters()) - trained
    console = Console(width=None if Console().is_terminal else 160)
    console.print(_table(groups))
    total = cfg.train_cfg.get('total_batch_size')
    at = f' at a total batch of {total}' if total else ''
    console.print(f'{trained:,} trained parameters, {frozen:,} frozen; lr{at}', highlight=False)
    if frozen:
        console.print(f'frozen, in no group: {shortened(frozen_parts(model))}', highlight=False, soft_wrap=True)
    if args.verbose:
        for group in groups:
            console.print(f'\n[bold]{group.name}[/]', highlight=False)
            for name, parameter in group.parameters.items():
                console.print(f'  {name}  {tuple(parameter.shape)}', highlight=False, soft_wrap=True)


def _table(groups: list[Group]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ('group', 'layer id', 'lr scale', 'lr', 'weight decay', 'tensors', 'parameters'):
        table.add_column(column, justify='left' if column == 'group' else 'right')
    for group in groups:
        table.add_row(
            group.name,
            '-' if group.layer_id is None else str(group.layer_id),
            f'{group.lr_scale:.4g}',
            f'{group.lr:.3e}',
            f'{group.weight_decay:g}',
            str(len(group.parameters)),
            f'{sum(p.numel() for p in group.parameters.values()):,}',
        )
    return table


def _as_json(group: Group) -> dict:
    return {
        'layer_id': group.layer_id,
        'lr_scale': group.lr_scale,
        'lr': group.lr,
        'weight_decay': group.weight_decay,
        'params': list(group.parameters),
    }
