"""Create the large sample: a few scenes seen from above with hundreds of small things, written to the cache once.

``ensure_large_sample()`` returns a folder that is the data of all dense tasks at once::

    images/{train,val}/*.tif                                            RGB of 8 bits, or six bands of 16
    annotations/instances_{train,val}2017.json                          COCO's boxes and masks
    annotations/panoptic_{train,val}2017.json, annotations/panoptic_{train,val}2017/*.png
    annotations/{train,val}/*.png, classes.txt                          label maps
    image_stats.json                                                    beside six bands: their statistics

The scenes and their ground truth are the same with either kind of images. The files depend only on ``LARGE_VERSION``
and the ``LargeSize``: they have the same bytes on every machine, with any number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

from rich.console import Console

from ...io.cache import cache_folder
from ...io.image_size import ImageSize
from ...io.image_stats import FILE_NAME, BandSums, ImageStats, write_stats
from ...io.progress import progress_bar
from ...io.rasters import open_raster
from ...io.window import Window
from ..coco import SceneEntry
from ..draw_once import draw_once
from ..names import LARGE, LARGE_BANDS
from ..workers import Job, available_cpus, run_jobs
from . import writer
from .bands import BANDS

LARGE_VERSION = 1
"""Version of the files; increase it with every change. Each version has a folder of its own."""
MOST_WORKERS = 4
"""Largest number of processes, each of which takes about 700 MB."""
SECONDS = 0.7
"""Seconds for a megapixel on one core of a current server."""
SIZES = (ImageSize(3000, 3000), ImageSize(2720, 3100), ImageSize(3100, 2650))
"""Sizes of the scenes, in turn. No size of tiles divides them all."""


@dataclass(frozen=True)
class LargeSize:
    """Numbers of scenes; their sides, and their numbers of things, over the usual ones."""

    train: int = 4
    val: int = 2
    scale: float = 1
    density: float = 1


FULL = LargeSize()


def large_root(root: Path | str | None = None, *, bands: bool = False, size: LargeSize = FULL) -> Path:
    """Return the folder of the large sample, which may not exist yet.

    Args:
        root: the cache folder; None for :func:`~convnext_dense.io.cache.cache_folder`.
        bands: that with six bands of 16 bits.
        size: numbers of scenes; each size has a folder of its own.
    """
    name = f'{LARGE_BANDS if bands else LARGE}-v{LARGE_VERSION}'
    if size != FULL:
        name += f'-{size.train}-{size.val}-{size.scale:g}-{size.density:g}'
    return (cache_folder() if root is None else Path(root).expanduser()) / name


def ensure_large_sample(
    root: Path | str | None = None, *, bands: bool = False, workers: int | None = None, size: LargeSize = FULL
) -> Path:
    """Draw the large sample if it is missing or incomplete, and return its folder; see :func:`.draw_once.draw_once`.

    Args:
        root, bands, size: see :func:`large_root`.
        workers: number of processes; None for one per available CPU, up to four. With 1, no process is started.

    Raises:
        UserError: if the cache folder can't be written, or tifffile is not installed.
    """
    folder = large_root(root, bands=bands, size=size)
    jobs = [Job('scenes', split, index) for split in writer.SPLITS for index in range(getattr(size, split))]
    workers = min(workers or available_cpus(), MOST_WORKERS, len(jobs))
    pixels = sum(math.prod(_size_of(job, size)) for job in jobs)
    seconds = math.ceil(pixels / 1e6 * SECONDS / workers)
    megabytes = math.ceil(pixels * (2 * len(BANDS) if bands else 3) / 1e6)
    return draw_once(
        folder,
        {'version': LARGE_VERSION, 'bands': bands, **asdict(size)},
        'the large sample of six bands' if bands else 'the large sample',
        partial(_create, jobs, bands, size, workers),
        f'{len(jobs)} scenes, {megabytes:,} MB, about {seconds} s',
    )


def _size_of(job: Job, size: LargeSize) -> ImageSize:
    height, width = SIZES[(job.index + (job.split == 'val')) % len(SIZES)]
    return ImageSize(round(height * size.scale), round(width * size.scale))


def _create(jobs: Sequence[Job], bands: bool, size: LargeSize, workers: int, folder: Path, console: Console) -> None:
    """Write all scenes and annotations to a new folder, and the statistics of bands."""
    writer.import_tifffile()
    writer.make_folders(folder)
    entries: dict[str, list[SceneEntry]] = {split: [] for split in writer.SPLITS}
    draw = partial(_draw, folder, bands, size)
    with progress_bar(console=console) as progress, closing(run_jobs(draw, jobs, workers)) as done:
        for job, entry in progress.track(done, total=len(jobs), description='drawing'):
            assert entry is not None
            entries[job.split].append(entry)
    for split in writer.SPLITS:
        writer.write_coco(folder, split, sorted(entries[split], key=itemgetter('id')))
    if bands:
        stats = ImageStats.of(map(_sums, sorted((folder / 'images' / 'train').iterdir())), 'uint16')
        assert stats is not None
        write_stats(stats, folder / FILE_NAME)


def _draw(root: Path, bands: bool, size: LargeSize, job: Job) -> SceneEntry:
    """Draw and write one scene, and return its entry in the COCO files."""
    return writer.write_scene(root, LARGE_VERSION, _size_of(job, size), size.density, bands, job.split, job.index)


def _sums(path: Path) -> BandSums:
    with open_raster(path) as raster:
        return BandSums.of(raster.read(Window.whole(raster.size)))
