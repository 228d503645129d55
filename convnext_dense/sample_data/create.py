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

import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from ..errors import UserError
from ..io.cache import CACHE_VARIABLE, cache_folder
from ..io.progress import progress_bar
from . import writer
from .workers import Job, available_cpus, run_jobs

SAMPLE_VERSION = 2
"""Version of the files; increase it with every change. Each version has a folder of its own."""
DRAWINGS_VERSION = 1
"""Version of the drawings, from which they get their random numbers."""
MANIFEST = 'COMPLETE.json'
"""File in the sample's folder that is written last, as a mark that the sample is complete."""
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

    Several processes may call this at once: one of them draws, the others wait. The images are written to a temporary
    folder, which is renamed when it is complete. A line is printed to stderr at the start and at the end, and a
    progress bar on a terminal.

    Args:
        root: the cache folder, see :func:`sample_root`.
        workers: number of processes; None for one per available CPU. With 1, no process is started.
        size: numbers of images.

    Raises:
        UserError: if the cache folder can't be written.
    """
    folder = sample_root(root, size)
    if _is_complete(folder, size):
        return folder
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, console):
            if not _is_complete(folder, size):
                for left_over in folder.parent.glob(f'{folder.name}.partial-*'):
                    shutil.rmtree(left_over)
                partial_folder = folder.with_name(f'{folder.name}.partial-{os.getpid()}')
                try:
                    _create(partial_folder, folder, size, workers or available_cpus(), console)
                finally:
                    shutil.rmtree(partial_folder, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f'cannot write the sample data to {folder} ({error.strerror or error}): '
            f'set {CACHE_VARIABLE} to a writable folder'
        ) from error
    return folder


def _manifest(size: SampleSize) -> dict[str, int]:
    return {'version': SAMPLE_VERSION, **asdict(size)}


def _is_complete(folder: Path, size: SampleSize) -> bool:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding='utf-8')) == _manifest(size)
    except (OSError, ValueError):
        return False


@contextmanager
def _locked(folder: Path, console: Console) -> Iterator[None]:
    lock = FileLock(folder.with_name(f'{folder.name}.lock'))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f'waiting for another process that draws the sample data into {folder}')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _create(partial_folder: Path, folder: Path, size: SampleSize, workers: int, console: Console) -> None:
    """Write everything to ``partial_folder``, the manifest last, and move it to ``folder``."""
    counts = asdict(size)
    jobs = [
        Job(kind, split, index)
        for kind in ('scenes', 'portraits')
        for split in writer.SPLITS
        for index in range(counts[f'{split}_{kind}'])
    ]
    estimate = math.ceil(sum(SECONDS[job.kind] for job in jobs) / workers)
    console.print(f'drawing the sample data once, {len(jobs):,} images, about {estimate} s, into {folder}')
    start = time.monotonic()
    writer.make_folders(partial_folder)
    entries: dict[str, list[writer.SceneEntry]] = {split: [] for split in writer.SPLITS}
    draw = partial(_draw, partial_folder)
    with progress_bar(console=console) as progress, closing(run_jobs(draw, jobs, workers)) as done:
        for job, entry in progress.track(done, total=len(jobs), description='drawing'):
            if entry:
                entries[job.split].append(entry)
    for split in writer.SPLITS:
        writer.write_coco(partial_folder, split, sorted(entries[split], key=itemgetter('id')))
    (partial_folder / MANIFEST).write_text(json.dumps(_manifest(size)) + '\n', encoding='utf-8')
    if folder.exists():
        shutil.rmtree(folder)
    partial_folder.rename(folder)
    console.print(f'the sample data is ready after {math.ceil(time.monotonic() - start)} s in {folder}')


def _draw(root: Path, job: Job) -> writer.SceneEntry | None:
    """Draw and write one image; for a scene, return its entry in the COCO file."""
    if job.kind == 'scenes':
        return writer.write_scene(root, DRAWINGS_VERSION, job.split, job.index)
    writer.write_portrait(root, DRAWINGS_VERSION, job.split, job.index)
    return None
