"""Draw the images of the sample in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import cv2

from .coco import SceneEntry


@dataclass(frozen=True)
class Job:
    """An image to draw."""

    kind: str
    """``'scenes'`` or ``'portraits'``."""
    split: str
    index: int


Draw = Callable[[Job], SceneEntry | None]
"""Function that draws and writes an image; for a scene, it returns the entry in the COCO file."""


def available_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def run_jobs(draw: Draw, jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, SceneEntry | None], None, None]:
    """Run jobs in several processes, which have ended when the generator ends or is closed.

    OpenCV's own threads are switched off meanwhile: every worker has one CPU, and a forked process can't use them.

    Args:
        draw: runs one job.
        jobs: the jobs.
        workers: number of processes; with 1 none is started.

    Yields:
        Each job with its result, in the order in which they are done.

    Raises:
        OSError: if an image can't be written.
        RuntimeError: if a process ends before its jobs are done.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    processes: list[BaseProcess] = []
    try:
        if workers == 1 or multiprocessing.current_process().daemon:  # a daemon may not start processes
            yield from ((job, draw(job)) for job in jobs)
            return
        pipes: list[Connection] = []
        for number in range(workers):
            pipe, process = _start_worker(draw, jobs[number::workers])
            processes.append(process)
            pipes.append(pipe)
        missing = len(jobs)
        while pipes:
            ready = wait(pipes)
            for pipe in [pipe for pipe in pipes if pipe in ready]:
                try:
                    result = pipe.recv()
                except EOFError:
                    pipes.remove(pipe)
                    continue
                if isinstance(result, OSError):
                    raise result
                missing -= 1
                yield result
        if missing:
            raise RuntimeError(f'a process that draws the sample data ended too early, {missing} images are missing')
    finally:
        for process in processes:
            process.terminate()
            process.join()
        cv2.setNumThreads(threads)


def _start_worker(draw: Draw, jobs: Sequence[Job]) -> tuple[Connection, BaseProcess]:
    # A forked worker starts at once; a spawned one imports the whole package first, torch included.
    linux = sys.platform == 'linux'
    context = multiprocessing.get_context('fork') if linux else multiprocessing.get_context('spawn')
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(draw, jobs, receiver, sender), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 and later warn about forking a process with threads; workers use nothing that threads may lock.
        warnings.filterwarnings('ignore', '.*multi-threaded', DeprecationWarning)
        process.start()
    sender.close()
    return receiver, process


def _work(draw: Draw, jobs: Sequence[Job], receiver: Connection, sender: Connection) -> None:
    """Run jobs in a worker process, which ignores Ctrl-C and always ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
    receiver.close()  # this process's copy: without the parent the pipe has no reader, and sending fails
    try:
        for job in jobs:
            sender.send((job, draw(job)))
    except BrokenPipeError:
        return
    except OSError as error:  # no room or no right to write; anything else shows its own traceback
        sender.send(error)
