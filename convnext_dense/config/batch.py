"""The batch of a process: as given, as a resumed run has it, or the largest one that fits into memory.

The total batch of an optimizer step, for which the recipe is made, stays: other batches are accumulated to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size

from ..counting import counted
from ..engine.batch_search import MARGIN, batches_to_try, bisect_largest, grow_largest
from ..engine.total_batch import check_one_batch, plan_batches
from ..errors import UserError
from ..io.memory import in_gib
from ..io.progress import busy
from .batch_process import Facts, TrialProcess
from .saved import settings_of_run

BATCH, PLANNED = 'train_dataloader.batch_size', 'planned_batch_size'
PREFETCHED = 2
"""Batches that a loader worker prepares in advance, by torch's default."""
WORKER = 100 * 2**20
"""Bytes that a loader worker takes for itself."""


class Chosen(NamedTuple):
    """A batch of a process, and the line that says why."""

    batch: int
    line: str


def check_batch_once(batch: object, options: Mapping[str, Any]) -> None:
    """Raise a UserError if a flag and an option both set the batch of a process."""
    if batch is not None and BATCH in options:
        raise UserError(
            f'--batch {batch} and --cfg-options {BATCH}={options[BATCH]} both set the batch: leave out one'
        )


def set_batch(cfg: Config, batch: int) -> None:
    """Set the batch of a process, and keep the total batch of an optimizer step."""
    if cfg.train_cfg.get(PLANNED) is None and cfg.train_dataloader.batch_size != batch:
        cfg.train_cfg[PLANNED] = cfg.train_dataloader.batch_size
    cfg.train_dataloader.batch_size = batch


def keep_batch_of_run(cfg: Config, run: str) -> str:
    """Set the batch that a run has found, so that it does not depend on today's memory.

    Args:
        cfg: the config to resume with.
        run: the run's work dir.

    Returns:
        A line for the log.

    Raises:
        UserError: if the run does not tell its batch.
    """
    saved = settings_of_run(run)
    batch = (saved.get('train_dataloader') or {}).get('batch_size')
    if batch is None:
        raise UserError(
            f'the config in {run} does not tell the batch of the run: resume with --batch N, as its log says'
        )
    set_batch(cfg, batch)
    cfg.train_cfg[PLANNED] = saved['train_cfg'].get(PLANNED)
    return f'--batch auto: the run keeps its {batch} images at once'


def find_batch(cfg: Config) -> Chosen:
    """Find the largest batch of a process that fits into memory, by trying training steps in another process.

    Of several processes that train, each tries; the least of their batches is taken.

    Args:
        cfg: the config of the run, ready for the runner.

    Raises:
        UserError: if not even one image fits, or a training step fails for another reason.
    """
    local = int(os.environ.get('LOCAL_WORLD_SIZE', 1)) if get_world_size() > 1 else 1
    with TrialProcess(cfg, get_world_size(), local) as process, busy('trying how large a batch fits into memory'):
        facts = process.start()
        total = total_of_process(cfg, facts.images)
        candidates = batches_to_try(total, facts.images // get_world_size())
        if facts.on_gpu or facts.limit is None:
            own = bisect_largest(candidates, process.try_batch)
            extra = 0
        else:
            workers = cfg.train_dataloader.get('num_workers', 0)
            prefetched = workers * (cfg.train_dataloader.get('prefetch_factor') or PREFETCHED)

            def elsewhere(batch: int) -> int:
                return workers * WORKER + prefetched * batch * facts.image_bytes

            own = grow_largest(candidates, process.try_batch, facts.limit, elsewhere)
            extra = elsewhere(own.batch)
    of_all = all_gather_object((own.batch, (own.used or 0) + extra, facts))
    batch, used, tightest = min(of_all, key=lambda one: one[0])
    return Chosen(batch, describe_found(batch, used, tightest, total, len(of_all)))


def total_of_process(cfg: Config, images: int) -> int:
    """Return the images of a process in an optimizer step, by the config's own batch.

    Raises:
        UserError: if there are too few images.
    """
    processes = get_world_size()
    check_one_batch(images, 1, processes)
    planned = cfg.train_cfg.get(PLANNED) or cfg.train_dataloader.batch_size
    wanted, accumulation = cfg.train_cfg.get('total_batch_size'), cfg.optim_wrapper.get('accumulative_counts', 1)
    of_images = min(planned, images // processes)
    plan = plan_batches(images, of_images, processes, wanted, accumulation if accumulation > 1 else None)
    return plan.total // processes


def describe_found(batch: int, used: int, facts: Facts, total: int, processes: int) -> str:
    """Describe a batch that was found in a line.

    Args:
        batch: images at once.
        used: bytes that they take.
        facts: facts about the process that has least memory.
        total: images of a process in an optimizer step.
        processes: number of processes.
    """
    of = '' if facts.limit is None else f' of {in_gib(facts.limit / (1 - MARGIN))}'
    least = f' (the least of {processes} processes)' if processes > 1 else ''
    size = f'{facts.size[0]} x {facts.size[1]}'
    count = f'{counted(batch, "image")} of {size}'
    whole = f'as many as a step has{" in each" if processes > 1 else ""}'
    rest = (
        whole if batch == total else f'{total * processes} a step by {total // batch} accumulated batches, as planned'
    )
    return f'--batch auto: {count} at once, {in_gib(used)}{of} GB{least}; {rest}'
