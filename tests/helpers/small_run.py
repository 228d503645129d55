"""A classifier's run of nine steps with all that is random in it, and what must be equal when it was cut."""

from pathlib import Path
from typing import Any

import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import ATTO, ROOT, SMALL

STEPS = 9
ARCH = 'dict(_delete_=True, depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])'
COMMON = f"""
_base_ = '{ROOT / ATTO}'
model = dict(backbone=dict(arch={ARCH}, drop_path_rate=0.3), mixup=dict(prob=0.7))
default_hooks = dict(ema=dict(momentum=0.2), checkpoint=dict(keep=2))
"""
BY_EPOCH = COMMON + 'train_cfg = dict(max_epochs=3)'  # of 3 steps
BY_STEP = (
    COMMON
    + """
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters=9, val_interval=4)
param_scheduler = [dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=9)]
log_processor = dict(by_epoch=False)
default_hooks['logger'] = dict(log_metric_by_epoch=False)
default_hooks['checkpoint'].update(interval=2)
"""
)
OPTIONS = [
    *(option for option in SMALL if not option.endswith('best=None')),
    'log_processor.window_size=4',  # so that what is logged after a cut depends on what was before it
]


def write_config(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def train(config: Path, data: Path, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    """``train`` on ``own_image_folder``'s 24 images; returns the exit code."""
    argv = [str(config), '--data', str(data), '--work-dir', str(work_dir), *arguments]
    return run_verb('train', [*argv, '--cfg-options', *OPTIONS, *options])


def outcome(work_dir: Path) -> dict[str, Any]:
    """All that must not depend on where a run was cut: the last checkpoint, the best one, every logged number."""
    last = next(path for path in (work_dir / 'epoch_3.pth', work_dir / 'iter_9.pth') if path.exists())
    content = {path.name: torch.load(path, weights_only=True) for path in (last, work_dir / 'best.pth')}
    return {**{name: outcome_of(one) for name, one in content.items()}, 'log': _without_time(read_scalars(work_dir))}


def outcome_of(content: dict[str, Any]) -> dict[str, Any]:
    """All of a checkpoint that must not depend on where its run was cut."""
    kept = {key: content['runtime_info'].get(key) for key in ('best_score', 'early_stopping')}
    return {
        **content,
        'meta': {key: content['meta'][key] for key in ('epoch', 'iter', 'run', 'dataset_meta')},
        'runtime_info': kept,
        'log_scalars': _without_time(content['log_scalars']),
    }


def _without_time(scalars: dict) -> dict:
    return {name: values for name, values in scalars.items() if 'time' not in name and 'memory' not in name}


def differences(a: Any, b: Any, where: str = '') -> list[str]:
    """Where two nested values are not equal to the last bit."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [line for key in a for line in differences(a[key], b[key], f'{where}/{key}')]
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if a.dtype == b.dtype and torch.equal(a, b) else [where]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [line for i, (x, y) in enumerate(zip(a, b, strict=True)) for line in differences(x, y, f'{where}/{i}')]
    return [] if type(a) is type(b) and a == b else [f'{where}: {str(a)[:80]} / {str(b)[:80]}']
