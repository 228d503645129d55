"""Measure speed and memory against timm, torchvision, transformers, mmdet and mmseg, side by side in one process.

benchmark                                       ConvNeXt-T, forward pass and training step, fp32
benchmark --what forward --dtype fp32 bf16 --compile
benchmark --what loader eval                    the data loader; labels, mIoU, COCO and RLE
benchmark --what segmentor detector             whole models, against the same around timm's backbone
benchmark --what detector --inference           without the training step, which takes minutes
benchmark --json, benchmark --out benchmarks    for programs

Results are compared first: what differs is not timed. Each contender runs once in each of at least 7 rounds, in an
order that rotates. The exit code is 1 if one could not be measured though it is installed.
"""

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
from ...benchmark.dense import dense
from ...benchmark.evaluation import evaluation
from ...benchmark.loader import loader, write_photos
from ...benchmark.report import Report
from ...benchmark.setting import DTYPES, Setting
from ...benchmark.timing import Series, ratio
from ...config.machine import fit_to_machine
from ...config.read import read_config
from ...errors import UserError
from ...io.files import ensure_writable_folder
from ...models.convnext import SIZES
from ...sample_data.create import ensure_sample

# What is measured: images in a batch, their height and width. A training step takes three times a forward pass.
DEFAULTS: dict[str, tuple[int, tuple[int, int]]] = {
    'forward': (16, (224, 224)),
    'train': (8, (224, 224)),
    'loader': (32, (224, 224)),
    'eval': (16, (512, 683)),
    'detector': (1, (608, 800)),
    'segmentor': (2, (512, 512)),
}
CONFIGS = {
    'detector': 'configs/det/cascade_convnext_t_coco.py',
    'segmentor': 'configs/seg/upernet_convnext_t_ade20k.py',
}
PHOTOS = 128  # images that the loader is measured on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    said = ', '.join(f'{what} {n} x {h} x {w}' for what, (n, (h, w)) in DEFAULTS.items())
    parser.add_argument(
        '--what', nargs='+', choices=tuple(DEFAULTS), default=['forward', 'train'], help='(default: forward train)'
    )
    parser.add_argument(
        '--inference', action='store_true', help='of segmentor and detector, leave out the training step'
    )
    parser.add_argument('--arch', default='tiny', help=f'of forward and train: {", ".join(SIZES)} (default: tiny)')
    parser.add_argument('--batch', type=int, metavar='N', help=f'images in a batch (default: {said})')
    parser.add_argument('--size', type=int, nargs='+', metavar='S', help='side of the images, or height and width')
    parser.add_argument(
        '--threads',
        type=int,
        metavar='N',
        help="threads, or worker processes of the loader (default: torch's)",
    )
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--dtype', nargs='+', choices=DTYPES, default=['fp32'], help='one or more (default: fp32)')
    parser.add_argument('--compile', action='store_true', help='through torch.compile, frozen for inference')
    parser.add_argument('--seconds', type=float, default=30, metavar='S', help='go on for so long (default: 30)')
    parser.add_argument('--data', metavar='PATH', help='image folder for the loader (default: 128 drawn images)')
    parser.add_argument('--json', action='store_true', help='print JSON')
    parser.add_argument('--out', metavar='DIR', help='write the JSON there, under a name that tells what was measured')


def run(args: argparse.Namespace) -> int:
    for flag, value, least in (
        ('--batch', args.batch, 1),
        ('--threads', args.threads, 1),
        ('--seconds', args.seconds, 0),
    ):
        if value is not None and value < least:
            raise UserError(f'{flag} {value}: take at least {least}')
    if args.batch == 1 and 'segmentor' in args.what and not args.inference:
        raise UserError('--batch 1: a segmentor trains on at least 2 images, for its batch norms: add --inference')
    if args.inference and not {'segmentor', 'detector'} & set(args.what):
        raise UserError('--inference is for --what segmentor and detector; of a classifier, take --what forward')
    if args.arch not in SIZES:
        raise UserError(f'unknown arch {args.arch!r}: take one of {", ".join(SIZES)}')
    shape = _shape(args.size)
    if args.out:
        ensure_writable_folder(args.out, 'folder', '--out')  # before the measurement, which would be lost
    if args.threads:
        torch.set_num_threads(args.threads)
    whats, dtypes = list(dict.fromkeys(args.what)), list(dict.fromkeys(args.dtype))
    report = Report(args.command_line, _setting(args, whats, dtypes), environment(), [])
    console = Console(stderr=args.json, width=None if Console(stderr=args.json).is_terminal else 160)
    with Console(stderr=True).status('') as status:
        setting = Setting(torch.device(args.device), dtypes, args.compile, args.seconds, status.update)
        for what in whats:
            batch = args.batch or DEFAULTS[what][0]
            for series in _measure(what, args, batch, shape or DEFAULTS[what][1], setting):
                report.series.append(series)
                _show(console, series, args.device)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    if args.out:
        console.print(f'written to {report.save(args.out)}', highlight=False, soft_wrap=True)
    return int(any(series.failures() for series in report.series))


def _shape(size: list[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    if len(size) > 2 or min(size) < 32:
        raise UserError(f'--size {" ".join(map(str, size))}: give one side or height and width, of at least 32 pixels')
    return size[0], size[-1]


def _setting(args: argparse.Namespace, whats: list[str], dtypes: list[str]) -> dict:
    """What was asked for; a batch or size of None is each thing's own, which its series tells."""
    return {
        'what': whats,
        'arch': args.arch if {'forward', 'train'} & set(whats) else None,
        'batch': args.batch,
        'size': args.size,
        'device': args.device,
        'dtypes': dtypes,
        'layout': 'channels_last',  # of ours; each row has its own
        'compiled': args.compile,
        'inference': args.inference,
    }


def _measure(
    what: str, args: argparse.Namespace, batch: int, shape: tuple[int, int], setting: Setting
) -> Iterator[Series]:
    if what in ('forward', 'train'):
        yield classifier(what, args.arch, batch, shape, setting)
    elif what == 'eval':
        yield from evaluation(setting, batch, shape)
    elif what == 'loader':
        yield _loader(args.data, batch, shape, setting)
    else:
        cfg = read_config(CONFIGS[what], needs_data=False)
        yield from dense(cfg, batch, shape, setting, training=not args.inference)


def _loader(data: str | None, batch: int, shape: tuple[int, int], setting: Setting) -> Series:
    if shape[0] != shape[1]:
        raise UserError(f'--size {shape[0]} {shape[1]}: the loader makes squares, give one side')
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
