"""The embedded data set: procedurally drawn storybook scenes, written to disk once.

``ensure_sample()`` returns a folder with the same images a real project would bring, in three formats::

    classification/{train,val}/<class>/*.jpg                       an image folder
    coco/annotations/instances_{train,val}2017.json, coco/{train,val}2017/*.jpg
    ade20k/{images,annotations}/{training,validation}/, ade20k/classes.txt

COCO and ADE20K show the same scenes with the same visible masks. The files depend on nothing but
``SAMPLE_VERSION`` and the ``SampleSize``: two runs write the same bytes, with any number of processes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from operator import itemgetter
from pathlib import Path

import cv2
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import UserError
from ..io.cache import CACHE_VARIABLE, cache_folder
from . import writer as writer

SAMPLE_VERSION = 1
"""Goes up with every change of the drawings: the old files stay, the new ones get a folder of their own."""
MANIFEST = 'COMPLETE.json'

Job = tuple[str, str, int]
"""What to draw: 'scenes' or 'portraits', the split and the index in it."""


@dataclass(frozen=True)
class SampleSize:
    """How many images the sample has: portraits for classification, scenes for the dense formats."""

    train_portraits: int = 6000
    val_portraits: int = 960
    train_scenes: int = 640
    val_scenes: int = 100


FULL = SampleSize()


def sample_root(root: Path | str | None = None, size: SampleSize = FULL) -> Path:
    """The folder the sample lies in, whether it is there yet or not.

    Args:
        root: the cache folder; without it :func:`~convnext_dense.io.cache.cache_folder`.
        size: a sample of another size than ``FULL`` lies in a folder of its own beside it.
    """
    name = f'sample-v{SAMPLE_VERSION}'
    if size != FULL:
        name += '-' + '-'.join(map(str, astuple(size)))
    return (cache_folder() if root is None else Path(root).expanduser()) / name


def ensure_sample(root: Path | str | None = None, *, workers: int | None = None, size: SampleSize = FULL) -> Path:
    """Write the sample where it is missing or incomplete, and return its folder.

    Safe to call from several processes at once: one of them draws, the others wait for it. Drawing goes
    to a temporary folder beside the final one and is moved into place when everything is there.

    Args:
        root: the cache folder, see ``sample_root``.
        workers: processes to draw with; as many as this process may use CPUs by default. With 1 no
            process is started.
        size: how many images of each kind.

    Raises:
        UserError: the cache folder can't be written.
    """
    folder = sample_root(root, size)
    if _complete(folder, size):
        return folder
    console = Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, console):
            if not _complete(folder, size):
                for left_over in folder.parent.glob(f'{folder.name}.partial-*'):
                    shutil.rmtree(left_over)
                partial = folder.with_name(f'{folder.name}.partial-{os.getpid()}')
                try:
                    _write(partial, folder, size, workers or _cpus(), console)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f'cannot write the sample data to {folder} ({error.strerror or error}): '
            f'set {CACHE_VARIABLE} to a folder you can write'
        ) from error
    return folder


def _manifest(size: SampleSize) -> dict:
    return {'version': SAMPLE_VERSION, **asdict(size)}


def _complete(folder: Path, size: SampleSize) -> bool:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding='utf-8')) == _manifest(size)
    except (OSError, ValueError):
        return False


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


@contextmanager
def _locked(folder: Path, console: Console) -> Iterator[None]:
    lock = FileLock(folder.with_name(f'{folder.name}.lock'))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        console.print(f'waiting for another process that writes the sample data to {folder}')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(partial: Path, folder: Path, size: SampleSize, workers: int, console: Console) -> None:
    """Write everything to ``partial``, the manifest last, and move it to ``folder``."""
    counts = asdict(size)
    jobs = [
        (kind, split, index)
        for kind in ('scenes', 'portraits')
        for split in writer.SPLITS
        for index in range(counts[f'{split}_{kind}'])
    ]
    console.print(f'drawing the sample data once, {len(jobs)} images, into {folder}')
    writer.make_folders(partial)
    images: dict[str, list[dict]] = {split: [] for split in writer.SPLITS}
    with _progress(console) as progress, closing(_drawn(partial, jobs, workers)) as drawn:
        for (_, split, _), image in progress.track(drawn, total=len(jobs), description='drawing'):
            if image:
                images[split].append(image)
    for split in writer.SPLITS:
        writer.write_coco(partial, split, sorted(images[split], key=itemgetter('id')))
    (partial / MANIFEST).write_text(json.dumps(_manifest(size)) + '\n', encoding='utf-8')
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    console.print(f'the sample data is ready in {folder}')


def _progress(console: Console) -> Progress:
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _draw(root: Path, job: Job) -> dict | None:
    """Draw and write one image; a scene comes back with its annotations."""
    kind, split, index = job
    if kind == 'scenes':
        return writer.write_scene(root, SAMPLE_VERSION, split, index)
    writer.write_portrait(root, SAMPLE_VERSION, split, index)
    return None


def _drawn(root: Path, jobs: list[Job], workers: int) -> Generator[tuple[Job, dict | None], None, None]:
    """Every job with what ``_draw`` made of it, as they get done; the workers are gone when this ends.

    OpenCV's own threads rest meanwhile: every worker has one CPU, and a forked process may not use them.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    crew: list[BaseProcess] = []
    try:
        if workers == 1 or multiprocessing.current_process().daemon:  # a daemon may not start processes
            yield from ((job, _draw(root, job)) for job in jobs)
            return
        pipes: list[Connection] = []
        for number in range(workers):
            pipe, process = _start_worker(root, jobs[number::workers])
            crew.append(process)
            pipes.append(pipe)
        missing = len(jobs)
        while pipes:
            ready = wait(pipes)
            for pipe in [pipe for pipe in pipes if pipe in ready]:
                try:
                    done = pipe.recv()
                except EOFError:
                    pipes.remove(pipe)
                    continue
                if isinstance(done, OSError):
                    raise done
                missing -= 1
                yield done
        if missing:
            raise RuntimeError(f'a process that draws the sample data ended too early, {missing} images are missing')
    finally:
        for process in crew:
            process.terminate()
            process.join()
        cv2.setNumThreads(threads)


def _start_worker(root: Path, jobs: list[Job]) -> tuple[Connection, BaseProcess]:
    # A forked worker starts at once; a spawned one imports the whole package first, torch included.
    linux = sys.platform == 'linux'
    context = multiprocessing.get_context('fork') if linux else multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(root, jobs, ours, theirs), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 and later warn of any fork beside threads; a worker touches nothing they may hold.
        warnings.filterwarnings('ignore', '.*multi-threaded', DeprecationWarning)
        process.start()
    theirs.close()
    return ours, process


def _work(root: Path, jobs: list[Job], parents: Connection, pipe: Connection) -> None:
    """A worker process: leaves Ctrl-C to its parent, and ends with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
    parents.close()  # this process's copy: without the parent the pipe has no reader, and sending fails
    try:
        for job in jobs:
            pipe.send((job, _draw(root, job)))
    except BrokenPipeError:
        return
    except OSError as error:  # no room or no right to write; anything else shows its own traceback
        pipe.send(error)
