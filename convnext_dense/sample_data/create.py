"""Create the sample data set: procedurally drawn storybook scenes, written to the cache folder once.

``ensure_sample()`` returns a folder with images and annotations in four formats::

    classification/{train,val}/<class>/*.jpg                       an image folder
    coco/annotations/instances_{train,val}2017.json, coco/{train,val}2017/*.jpg
    coco/annotations/panoptic_{train,val}2017.json, coco/annotations/panoptic_{train,val}2017/*.png
    ade20k/{images,annotations}/{training,validation}/, ade20k/classes.txt

COCO's files and ADE20K have the same scenes with the same masks. The files depend only on ``SAMPLE_VERSION`` and the
``SampleSize``: they have the same bytes on every machine, with any number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from rich.console import Console

from ..io.cache import cache_folder
from ..io.progress import progress_bar
from . import writer
from .coco import SceneEntry
from .draw_once import draw_once
from .workers import Job, available_cpus, run_jobs

SAMPLE_VERSION = 2
"""Version of the files; increase it with every change. Each version has a folder of its own."""
DRAWINGS_VERSION = 1
"""Version of the drawings, from which they get their random numbers."""
SECONDS = {'scenes': 0.017, 'portraits': 0.0024}
"""Seconds per image on one core of a current server."""


@dataclass(frozen=True)
class SampleSize:
    """Numbers of images in the sample: portraits for classification, scenes for detection and segmentation."""

    train_portraits: int = 6000
    val_portraits: int = 960
    train_scenes: int = 640
    val_scenes: int = 100


FULL = SampleSize()


def sample_root(root: Path | str | None = None, size: SampleSize = FULL) -> Path:
    """Return the folder of the sample, which may not exist yet.

    Args:
        root: the cache folder; None for :func:`~convnext_dense.io.cache.cache_folder`.
        size: numbers of images; each size has a folder of its own.
    """
    name = f'sample-v{SAMPLE_VERSION}'
    if size != FULL:
        name += '-' + '-'.join(map(str, astuple(size)))
    return (cache_folder() if root is None else Path(root).expanduser()) / name


def ensure_sample(root: Path | str | None = None, *, workers: int | None = None, size: SampleSize = FULL) -> Path:
    """Draw the sample if it is missing or incomplete, and return its folder.

    See :func:`.draw_once.draw_once`; a progress bar is shown on a terminal.

    Args:
        root: the cache folder, see :func:`sample_root`.
        workers: number of processes; None for one per available CPU. With 1, no process is started.
        size: numbers of images.

    Raises:
        UserError: if the cache folder can't be written.
    """
    workers = workers or available_cpus()
    jobs = [
        Job(kind, split, index)
        for kind in ('scenes', 'portraits')
        for split in writer.SPLITS
        for index in range(asdict(size)[f'{split}_{kind}'])
    ]
    seconds = math.ceil(sum(SECONDS[job.kind] for job in jobs) / workers)
    return draw_once(
        sample_root(root, size),
        {'version': SAMPLE_VERSION, **asdict(size)},
        'the sample data',
        partial(_create, jobs, workers),
        f'{len(jobs):,} images, about {seconds} s',
    )


def _create(jobs: Sequence[Job], workers: int, folder: Path, console: Console) -> None:
    """Write all images and annotations to a new folder."""
    writer.make_folders(folder)
    entries: dict[str, list[SceneEntry]] = {split: [] for split in writer.SPLITS}
    draw = partial(_draw, folder)
    with progress_bar(console=console) as progress, closing(run_jobs(draw, jobs, workers)) as done:
        for job, entry in progress.track(done, total=len(jobs), description='drawing'):
            if entry:
                entries[job.split].append(entry)
    for split in writer.SPLITS:
        writer.write_coco(folder, split, sorted(entries[split], key=itemgetter('id')))


def _draw(root: Path, job: Job) -> SceneEntry | None:
    """Draw and write one image; for a scene, return its entry in the COCO file."""
    if job.kind == 'scenes':
        return writer.write_scene(root, DRAWINGS_VERSION, job.split, job.index)
    writer.write_portrait(root, DRAWINGS_VERSION, job.split, job.index)
    return None
