"""Numbers about a run, read from its work dir and its config, from which follows what to try next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config

from ..checkpoints.files import COMMANDS
from ..config.saved import settings_of_run
from ..diagnosis.run_facts import RunFacts
from ..engine.csv_log import read_scalars
from ..models.classifier import mixes_images
from ..tasks import Task
from ..tasks.tiles import tiles_of

LEARNED_ACCURACY = 'train/decode.acc_seg'
"""Name of the share of right pixels that a segmentor logs in training."""
RANDOM = 'none'
"""Value of ``--pretrained`` for random weights."""
EPOCH = 'epoch'
"""Name under which a run logs its epoch at each optimizer step."""


def read_run_facts(work_dir: Path | None, cfg: Config, task: Task) -> RunFacts:
    """Read what is known of a run.

    Args:
        work_dir: of the run; None if there is none, such as for a checkpoint from elsewhere.
        cfg: the config that was trained; that which the run saved comes first.
        task: its task.

    Raises:
        UserError: if its log is damaged.
    """
    series = {} if work_dir is None else read_scalars(work_dir)
    saved = {} if work_dir is None else settings_of_run(work_dir)
    cfg = Config(saved) if saved else cfg
    commands = '' if work_dir is None else _read(work_dir / COMMANDS)
    flags = read_flags(commands)
    curves = {kind: _curve(series, kind, task.metrics.labels) for kind in ('raw', 'ema')}
    metric = next((name for name, _ in curves.values() if name), '')
    losses = series.get('train/loss', [])
    by_epoch = _is_by_epoch(cfg)
    train_cfg = cfg.get('train_cfg') or {}
    length = train_cfg.get('max_epochs' if by_epoch else 'max_iters')
    tiles, side = tiles_of(cfg), _side(cfg, task)
    return RunFacts(
        metric,
        curves['raw'][1],
        curves['ema'][1],
        losses,
        EPOCH if by_epoch else 'step',
        None if length is None else int(length),
        _steps_per_epoch(series, losses) if by_epoch else 1.0,
        flags,
        _is_pretrained(cfg, flags, work_dir),
        _last_tenth(series.get(LEARNED_ACCURACY, [])),
        side,
        None if tiles is None else min(tiles.size),
        _label_smoothing(cfg),
        _mixes_images(cfg),
        bool(curves['ema'][1]) or (cfg.get('default_hooks') or {}).get('ema') is not None,
    )


def read_flags(commands: str) -> dict[str, str]:
    """Return the flags of command lines, one a line, with their first value; those of later lines replace others."""
    found: dict[str, str] = {}
    for line in commands.splitlines():
        try:
            words = shlex.split(line)
        except ValueError:  # an unclosed quote
            words = line.split()
        for word, following in zip(words, [*words[1:], ''], strict=True):
            if word.startswith('--'):
                name, joined, value = word.partition('=')
                found[name] = value if joined else '' if following.startswith('-') else following
    return found


def _read(file: Path) -> str:
    return file.read_text(encoding='utf-8', errors='replace') if file.is_file() else ''


def _curve(
    series: Mapping[str, Sequence[tuple[int, float]]], kind: str, names: Mapping[str, str]
) -> tuple[str, Sequence[tuple[int, float]]]:
    """Return name and values of the main metric: that of masks, if there are some."""
    logged = [name for name in names if series.get(f'val/{kind}/{name}')]
    name = next((one for one in logged if one.startswith('mask_')), logged[0] if logged else '')
    return name, series.get(f'val/{kind}/{name}', [])


def _is_by_epoch(cfg: Config) -> bool:
    return (cfg.get('train_cfg') or {}).get('max_iters') is None


def _steps_per_epoch(series: Mapping[str, Sequence[tuple[int, float]]], losses: Sequence[tuple[int, float]]) -> float:
    """Estimate the optimizer steps of an epoch from the last logged step of the last epoch."""
    epochs = series.get(EPOCH, [])
    if not losses or not epochs:
        return 1.0
    last_step, last_epoch = epochs[-1]
    return last_step / last_epoch if last_epoch else 1.0


def _last_tenth(points: Sequence[tuple[int, float]]) -> float | None:
    if not points:
        return None
    end = points[-1][0]
    values = [value for step, value in points if step > 0.9 * end]
    return sum(values) / len(values)


def _is_pretrained(cfg: Config, flags: Mapping[str, str], work_dir: Path | None) -> bool | None:
    """Tell whether a run started from weights; None if nothing is known about it."""
    if flags.get('--pretrained') == RANDOM:
        return False
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    if cfg.get('pretrained') or '--pretrained' in flags or (backbone.get('init_cfg') or {}).get('checkpoint'):
        return True
    return False if work_dir is not None else None


def _label_smoothing(cfg: Config) -> float | None:
    value = (cfg.get('model') or {}).get('label_smoothing')
    return float(value) if isinstance(value, int | float) else None


def _mixes_images(cfg: Config) -> bool | None:
    """Tell whether a classifier's training mixes images; None for a model without that setting."""
    model = cfg.get('model') or {}
    if 'mixup' not in model:
        return None
    return bool(model['mixup']) and mixes_images(model['mixup'])


def _side(cfg: Config, task: Task) -> int | None:
    """Return the shorter side at which images enter the network, in pixels."""
    if cfg.get('train_dataloader') is None:
        return None
    side = task.seen(cfg).side or task.training_side(cfg)
    return round(side) if side else None
