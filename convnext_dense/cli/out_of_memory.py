"""An error for lack of memory as one line with the remedies that a command has."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..errors import UserError, WorkerOutOfMemory
from ..io.out_of_memory import Shortage, explain_shortage, is_out_of_memory

MOST_REMEDIES = 3


@contextmanager
def explained_memory(
    args: argparse.Namespace, flags: Collection[str], cfg: Any = None, goes_on: Callable[[], str] | None = None
) -> Iterator[None]:
    """Context that converts an error for lack of memory to a UserError with remedies.

    Args:
        args: arguments of the command.
        flags: flags that the command takes.
        cfg: the config, if there is one already.
        goes_on: tells how to continue a run; None for a command without one.

    Raises:
        UserError: instead of errors of torch, NumPy, OpenCV and the system, and for a loader worker that was killed.
    """
    rest = partial(_goes_on, goes_on)
    try:
        yield
    except WorkerOutOfMemory as error:
        shortage = Shortage(False, None, '', in_evaluation=error.loader != 'train_dataloader')
        first = _fewer_workers_of(error.loader, flags, cfg)
        remedies = _first([*first, *find_remedies(args, flags, cfg, shortage)])
        raise UserError(f'{error.event}: try {remedies}{rest()}') from error
    except UserError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        shortage = explain_shortage(error)
        raise UserError(f'{shortage}: try {_first(find_remedies(args, flags, cfg, shortage))}{rest()}') from error


def _first(remedies: Iterable[str]) -> str:
    return ', or '.join(list(dict.fromkeys(remedies))[:MOST_REMEDIES])


def _goes_on(tells: Callable[[], str] | None) -> str:
    return '' if tells is None else f'; {tells()}'


def find_remedies(args: argparse.Namespace, flags: Collection[str], cfg: Any, shortage: Shortage) -> Iterator[str]:
    """Yield what a command can do about a lack of memory, what helps most first.

    Args:
        args: arguments of the command.
        flags: flags that the command takes.
        cfg: the config, or None.
        shortage: what is known of the error.
    """
    given, trains = vars(args), '--resume' in flags
    goes_on = trains and _has_begun(given, cfg)  # with the same images
    if trains and not shortage.in_evaluation:
        yield from _smaller_training(given, cfg, shortage, goes_on)
    elif trains or 'test_dataloader' in (cfg or {}) or '--show-dir' in flags:
        key = 'val_dataloader' if trains else 'test_dataloader'
        loader = (cfg or {}).get(key) or {}
        if loader.get('batch_size') != 1 and not _sets(given, f'{key}.batch_size', 1):
            yield f'--cfg-options {key}.batch_size=1'
    for flag in ('--batch-size', '--batch'):
        if not trains and flag in flags and given.get(flag.strip('-').replace('-', '_')) != 1:
            yield f'{flag} 1'
    has_tiles = cfg is None or _takes_tiles(cfg)
    if '--tile' in flags and given.get('tile') is None and has_tiles and not goes_on:
        yield '--tile 512 (large images in parts)'
    if '--image-size' in flags and not goes_on:
        yield 'smaller images with --image-size H W'
    if '--size' in flags:
        yield 'smaller images with --size'
    if '--shape' in flags:
        yield 'a smaller --shape'
    if not shortage.on_gpu:
        yield from _fewer_workers(given, cfg, trains)
        yield 'ending other programs'
    elif '--device' in flags:
        yield '--device cpu'
    yield 'a config of a smaller backbone (convnext-dense list)'
    yield 'a machine with more memory'


def _smaller_training(given: dict[str, Any], cfg: Any, shortage: Shortage, goes_on: bool) -> Iterator[str]:
    batch = cfg.train_dataloader.batch_size if cfg is not None else given.get('batch')
    if batch != 1:
        half = f'--batch {max(1, batch // 2)}' if isinstance(batch, int) else '--batch 1'
        yield half if given.get('batch') is not None or goes_on else '--batch auto'
    precision = cfg.optim_wrapper.get('type') if cfg is not None else None
    if shortage.on_gpu and precision == 'OptimWrapper' and given.get('amp') is None:
        yield '--amp bf16'
    backbone = (cfg.model.get('backbone') or {}) if cfg is not None else {}
    if 'ConvNeXt' in str(backbone.get('type')) and not backbone.get('with_cp') and shortage.phase:
        yield '--cfg-options model.backbone.with_cp=True (computes activations twice instead of keeping them)'


def _has_begun(given: dict[str, Any], cfg: Any) -> bool:
    """Tell whether a run goes on from a checkpoint, or can."""
    from ..checkpoints.files import list_checkpoints

    has_checkpoint = cfg is not None and 'work_dir' in cfg and bool(list_checkpoints(cfg.work_dir))
    return given.get('resume') is not None or has_checkpoint


def _takes_tiles(cfg: Any) -> bool:
    from ..tasks import task_of

    return task_of(cfg).takes_tiles


def _fewer_workers(given: dict[str, Any], cfg: Any, trains: bool) -> Iterator[str]:
    key = 'train_dataloader' if trains else 'test_dataloader'
    workers = ((cfg or {}).get(key) or {}).get('num_workers', 0)
    if workers > 1 and not _sets(given, f'{key}.num_workers', 1):
        yield f'--cfg-options {key}.num_workers=1'


def _fewer_workers_of(loader: str, flags: Collection[str], cfg: Any) -> Iterator[str]:
    """Yield fewer workers of a loader that has some: half of them, or none where there is one or it is unknown."""
    workers = ((cfg or {}).get(loader) or {}).get('num_workers') or 0
    if '--cfg-options' in flags:
        yield f'--cfg-options {loader}.num_workers={workers // 2}'


def _sets(given: dict[str, Any], key: str, value: Any) -> bool:
    options = given.get('cfg_options')
    return isinstance(options, dict) and options.get(key) == value
