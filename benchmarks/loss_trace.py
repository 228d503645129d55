"""Trace short training runs of all tasks to the last digit, to check that a code change does not change results.

    python benchmarks/loss_trace.py > before.txt
    ... change the code ...
    python benchmarks/loss_trace.py > after.txt && diff before.txt after.txt

Each run goes through the command line on the drawn sample, with a fixed seed and one thread: a classifier with Mixup,
drop path, EMA and gradient accumulation, ConvNeXt V2, two steps of the roadmap, a detector and a segmentor, most of
them trained a second time from the checkpoint in their middle. Printed are the losses of all steps, SHA-256 digests of
the final weights, their moving average and the optimizer's state, and the metrics of ``test``. The digits belong to a
kind of processor and to the versions of torch and timm, which are printed first.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch

ROOT = Path(__file__).resolve().parents[1]


class Run(NamedTuple):
    """A run of ``train``, followed by ``test``."""

    name: str
    config: str
    length: tuple[str, ...]  # arguments of train alone
    options: tuple[str, ...]  # --cfg-options of both
    resume_from: str | None = None  # the checkpoint in the middle of the run
    arguments: tuple[str, ...] = ()  # other arguments of train


EVERY_STEP = (
    'default_hooks.logger.interval=1',
    'log_processor.window_size=1',
    'default_hooks.checkpoint.keep=9',
    *(f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')),
)
CLASSIFIER = (
    *EVERY_STEP,
    'train_dataloader.batch_size=8',
    'train_cfg.total_batch_size=16',
    'model.backbone.drop_path_rate=0.2',
    'model.mixup.prob=0.8',
    *(f'{split}_dataloader.dataset.per_class=4' for split in ('train', 'val', 'test')),
)
WITHOUT_MIXUP = tuple(option for option in CLASSIFIER if 'mixup' not in option)
DETECTOR = (
    *EVERY_STEP,
    'train_dataloader.batch_size=2',
    'train_cfg.total_batch_size=4',
    'train_dataloader.dataset.indices=16',
    'model.backbone.drop_path_rate=0.2',
    *(f'{split}_dataloader.dataset.indices=6' for split in ('val', 'test')),
)
SEGMENTOR = (
    *EVERY_STEP,
    'train_dataloader.batch_size=2',
    'train_cfg.total_batch_size=4',
    'train_cfg.val_interval=3',
    'model.backbone.drop_path_rate=0.2',
    'default_hooks.checkpoint.interval=3',
    *(f'{split}_dataloader.dataset.indices=6' for split in ('val', 'test')),
)
RUNS = (
    Run('classifier', 'classification/convnext_a', ('--epochs', '2'), CLASSIFIER, 'epoch_1.pth'),
    Run('classifier, bf16', 'classification/convnext_a', ('--epochs', '1'), CLASSIFIER, arguments=('--amp', 'bf16')),
    Run('classifier, tiny', 'classification/convnext_t', ('--epochs', '1'), CLASSIFIER),
    Run('classifier V2', 'classification/convnextv2_a', ('--epochs', '2'), WITHOUT_MIXUP, 'epoch_1.pth'),
    Run('isotropic', 'classification/convnext_iso_s', ('--epochs', '1'), CLASSIFIER),
    Run('roadmap, ResNet', 'roadmap/r50_00_baseline', ('--epochs', '1'), EVERY_STEP),
    Run('roadmap, GELU', 'roadmap/r50_12_gelu', ('--epochs', '1'), EVERY_STEP),
    Run('detector', 'det/cascade_convnext_a_coco', ('--epochs', '2'), DETECTOR, 'epoch_1.pth'),
    Run('detector, Mask R-CNN', 'det/mask_rcnn_convnext_t_coco', ('--epochs', '1'), DETECTOR),
    Run('segmentor', 'seg/upernet_convnext_a_ade20k', ('--iters', '6'), SEGMENTOR, 'iter_3.pth'),
    Run('segmentor, tiny', 'seg/upernet_convnext_t_ade20k', ('--iters', '3'), SEGMENTOR),
)
FEWER = ('train_dataloader.dataset.per_class=4', 'val_dataloader.dataset.per_class=2')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', metavar='PART', help='only the runs with this in their names')
    parser.add_argument('--keep', metavar='DIR', help='keep the work dirs there')
    args = parser.parse_args()
    print(f'torch {torch.__version__}, timm {timm.__version__}, {torch.backends.cpu.get_cpu_capability()}')
    with tempfile.TemporaryDirectory() as temporary:
        for run in RUNS:
            if args.only is None or args.only in run.name:
                for line in trace(run, Path(args.keep or temporary, run.name.replace(', ', '_').replace(' ', '_'))):
                    print(line, flush=True)
    return 0


def trace(run: Run, work_dir: Path) -> Iterator[str]:
    """Train and test, and, if ``resume_from`` is set, resume there and compare."""
    yield f'\n== {run.name}: {run.config}'
    options = run.options + (FEWER if run.config.startswith('roadmap') else ())
    train(run, work_dir, options)
    last = newest(work_dir)
    for name, values in scalars(work_dir).items():
        if 'loss' in name or (name.startswith('val/') and 'time' not in name):
            yield f'{name}: {" ".join(values)}'
    yield from digests(last)
    yield from test(run, work_dir, options)
    if run.resume_from:
        again = work_dir.with_name(f'{work_dir.name}_resumed')
        again.mkdir(parents=True)
        for name in (run.resume_from, 'checkpoints.json'):
            shutil.copy(work_dir / name, again / name)
        train(run, again, options, '--resume')
        same = list(digests(newest(again))) == list(digests(last))
        yield f'resumed from {run.resume_from}: {"the same digests" if same else "OTHER DIGESTS"}'


def train(run: Run, work_dir: Path, options: Sequence[str], *arguments: str) -> None:
    common = ('--data', 'sample', '--pretrained', 'none', '--work-dir', str(work_dir), '--seed', '3')
    if '--resume' in arguments:
        common = tuple(word for word in common if word not in ('--pretrained', 'none'))
    amp = () if '--amp' in run.arguments else ('--amp', 'off')
    command('train', run, *common, *run.length, *run.arguments, *amp, *arguments, '--cfg-options', *options)


def test(run: Run, work_dir: Path, options: Sequence[str]) -> Iterator[str]:
    out = work_dir / 'metrics.json'
    command('test', run, str(work_dir), '--data', 'sample', '--out', str(out), '--cfg-options', *options)
    for name, value in json.loads(out.read_text())['metrics'].items():
        yield f'test {name}: {value!r}'


def command(verb: str, run: Run, *arguments: str) -> None:
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    line = [sys.executable, f'tools/{verb}.py', f'configs/{run.config}.py', *arguments]
    ended = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f'{" ".join(line)} failed:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}')


def newest(work_dir: Path) -> Path:
    entries: dict[str, Any] = json.loads((work_dir / 'checkpoints.json').read_text())
    return work_dir / max((name for name in entries if name != 'best.pth'), key=lambda name: entries[name]['step'])


def scalars(work_dir: Path) -> dict[str, list[str]]:
    """Return all logged values by name, in full precision."""
    series: dict[str, list[str]] = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.csv')):
        with open(file, newline='') as lines:
            for row in csv.DictReader(lines):
                series.setdefault(row['name'], []).append(row['value'])
    return series


def digests(checkpoint: Path) -> Iterator[str]:
    content = torch.load(checkpoint, weights_only=True)
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        if part in content:
            yield f'{part}: sha256 {digest(content[part])}'


def digest(content: Any) -> str:
    sha256 = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            sha256.update(repr((value.dtype, tuple(value.shape))).encode())
            sha256.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b'')
        elif isinstance(value, Mapping):
            for key in sorted(value, key=str):
                sha256.update(str(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        else:
            sha256.update(repr(value).encode())

    add(content)
    return sha256.hexdigest()[:32]


if __name__ == '__main__':
    sys.exit(main())
