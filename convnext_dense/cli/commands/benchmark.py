"""Measure speed and memory against other libraries, taking turns in one process."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from ...analysis.environment import environment
from ...benchmark.classifier import classifier
from ...benchmark.defaults import DEFAULTS
from ...benchmark.dense import dense
from ...benchmark.evaluation import evaluation
from ...benchmark.loader import loader, write_photos
from ...benchmark.report import Report
from ...benchmark.setting import Setting
from ...benchmark.timing import Series, ratio
from ...config.machine import fit_to_machine
from ...config.read import read_config
from ...io.image_size import ImageSize
from ...sample_data.create import ensure_sample
from ..band_arguments import band_arguments

CONFIGS = {
    'detector': 'configs/det/cascade_convnext_t_coco.py',
    'segmentor': 'configs/seg/upernet_convnext_t_ade20k.py',
}
PHOTOS = 128  # drawn images for the loader if no data are given


def run(args: argparse.Namespace) -> int:
    shape = ImageSize(args.size[0], args.size[-1]) if args.size else None
    if args.threads:
        torch.set_num_threads(args.threads)
    measurements, dtypes = list(dict.fromkeys(args.what)), list(dict.fromkeys(args.dtype))
    report = Report(args.command_line, _setting(args, measurements, dtypes), environment(), [])
    console = Console(stderr=args.json, width=None if Console(stderr=args.json).is_terminal else 160)
    with Console(stderr=True).status('') as status:
        setting = Setting(torch.device(args.device), dtypes, args.compile, args.seconds, status.update)
        for what in measurements:
            batch = args.batch or DEFAULTS[what][0]
            for series in _measure(what, args, batch, shape or DEFAULTS[what][1], setting):
                report.series.append(series)
                _show(console, series, args.device)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    if args.out:
        console.print(f'written to {report.save(args.out)}', highlight=False, soft_wrap=True)
    return int(any(series.failures() for series in report.series))


def _setting(args: argparse.Namespace, measurements: list[str], dtypes: list[str]) -> dict:
    """Return the arguments for the JSON; batch or size is None if the default of each measurement applies."""
    return {
        'what': measurements,
        'arch': args.arch if {'forward', 'train'} & set(measurements) else None,
        'batch': args.batch,
        'size': args.size,
        'device': args.device,
        'dtypes': dtypes,
        'layout': 'channels_last',  # of our models; each row names its own
        'compiled': args.compile,
        'inference': args.inference,
        **({'bands': list(args.bands)} if args.bands else {}),
    }


def _measure(what: str, args: argparse.Namespace, batch: int, shape: ImageSize, setting: Setting) -> Iterator[Series]:
    if what in ('forward', 'train'):
        yield classifier(what, args.arch, batch, shape, setting)
    elif what == 'eval':
        yield from evaluation(setting, batch, shape)
    elif what == 'loader':
        yield _loader(args.data, batch, shape, setting)
    else:
        cfg = read_config(CONFIGS[what], needs_data=False, **band_arguments(args))
        yield from dense(cfg, batch, shape, setting, training=not args.inference)


def _loader(data: str | None, batch: int, shape: ImageSize, setting: Setting) -> Series:
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            setting.say('loader: writing images')
            write_photos(ensure_sample() / 'coco' / 'train2017', Path(folder), PHOTOS)
        options = {
            'train_dataloader.batch_size': batch,
            'train_dataloader.num_workers': torch.get_num_threads(),
            'train_dataloader.dataset.transform.input_size': shape[0],
        }
        cfg = read_config('configs/classification/convnext_t.py', options, data or folder)
        fit_to_machine(cfg)
        return loader(cfg.train_dataloader, setting)


def _show(console: Console, series: Series, device: str) -> None:
    ours, timed = series.ours(), [row for row in series.rows if row.seconds]
    console.print(f'[bold]{series.what}[/]: {series.about}', highlight=False, soft_wrap=True)
    memory = {'cuda': 'peak memory'}.get(device, 'activations')
    with_memory = any(row.memory is not None for row in timed)
    table = Table(box=None, pad_edge=False)
    table.add_column('', no_wrap=True)
    table.add_column('layout' if any(row.layout for row in timed) else '')
    columns = [f'{series.unit}/s', 'quartiles', *(f'{row.label} is' for row in ours)]
    for column in [*columns, *([memory] if with_memory else []), 'difference']:
        table.add_column(column, justify='right')
    for row in timed:
        median, slow, fast = series.rate(row)
        factors = [f'{ratio(own, row):.2f} x as fast' for own in ours]
        megabytes = [] if not with_memory else ['-' if row.memory is None else f'{row.memory / 2**20:.1f} MiB']
        rates = [f'{median:.4g}', f'{slow:.4g} to {fast:.4g}', *factors, *megabytes]
        table.add_row(row.label, row.layout, *rates, f'{row.difference:.1e}')
    if timed:
        console.print(table, highlight=False)
    for row in series.rows:
        if row.problem:
            console.print(f'{row.label}: {row.problem}', highlight=False, markup=False, soft_wrap=True)
    console.print()
