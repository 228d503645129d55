"""Checks of the machine: cores and their load, memory, and output folders."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .findings import OK, PROBLEM, WARNING, Finding
from .load import LoadMeter, cores

SHARED = Path('/dev/shm')
BATCH = 128 * 3 * 224 * 224 * 4  # bytes of the largest batch of the recipes, ImageNet's: 77 MB
AHEAD = 2  # batches that each loader worker prefetches
MOST_WORKERS = 10  # of the recipes
LEAST_MEMORY, LEAST_DISK = 4, 2  # GB: the tiny model on the sample takes about half
WATCHED = 0.3  # seconds of measuring, while this process sleeps


def look() -> Iterator[Finding]:
    """Check the cores, memory, shared memory and folders."""
    yield from _cores()
    yield from _load()
    yield from _shared_memory()
    yield from _folders()


def _cores() -> Iterator[Finding]:
    count, threads = cores(), os.environ.get('OMP_NUM_THREADS')
    said = f'{count} cores' + (f', OMP_NUM_THREADS={threads}' if threads else '')
    if threads and threads.isdigit() and int(threads) > count:
        fix = f'export OMP_NUM_THREADS={count}'
        yield Finding('cores', WARNING, f'{said}: more threads than cores wait for each other', fix)
    else:
        yield Finding('cores', OK, said)
    memory = _memory()
    if memory:
        total, free = memory
        said = f'memory: {free:.1f} of {total:.1f} GB free'
        if free < LEAST_MEMORY:
            yield Finding('memory', WARNING, said, 'end other programs, or take smaller batches')
        else:
            yield Finding('memory', OK, said)


def _load() -> Iterator[Finding]:
    """Check whether other processes use the cores: torch's threads then wait for each other."""
    meter = LoadMeter()
    time.sleep(WATCHED)
    load = meter.read()
    average = os.getloadavg()[0] if hasattr(os, 'getloadavg') else 0.0
    said = f'load average {average:.1f}' + (f', {load}' if load else '')
    wanted_too_much = average > (os.cpu_count() or 1)
    if not wanted_too_much and not (load and load.high):
        yield Finding('load', OK, said)
        return
    fix = 'end them'
    if load and load.free_cores < load.cores:
        fix += f', or export OMP_NUM_THREADS={load.free_cores}, which changes the last digits of the losses'
    yield Finding('load', WARNING, f'{said}: beside busy processes a training step takes longer', fix)


def _memory() -> tuple[float, float] | None:
    """Return total and free memory in GB, of the machine or within the limit of the container."""
    try:
        lines = dict(line.split(':') for line in Path('/proc/meminfo').read_text().splitlines())
        total, free = (int(lines[key].split()[0]) * 1024 / 1e9 for key in ('MemTotal', 'MemAvailable'))
    except (OSError, KeyError, ValueError):
        return None
    for limit, used in (
        ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'),
        ('/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory/memory.usage_in_bytes'),
    ):
        try:
            most, now = (int(Path(file).read_text()) / 1e9 for file in (limit, used))
        except (OSError, ValueError):  # there is no limit
            continue
        total, free = min(total, most), min(free, most - now)
    return total, free


def _shared_memory() -> Iterator[Finding]:
    """Check the shared memory, through which loader workers pass batches; without room they die of a bus error."""
    if not SHARED.is_dir():
        return
    usage = shutil.disk_usage(SHARED)
    workers = min(cores(), MOST_WORKERS)
    need = workers * AHEAD * BATCH
    said = f'shared memory: {usage.free / 1e9:.2f} of {usage.total / 1e9:.2f} GB free in {SHARED}'
    if usage.free >= need:
        yield Finding('shared memory', OK, said)
        return
    what = f'{said}; {workers} loader workers of the ImageNet recipe fill {need / 1e9:.2f} GB'
    gigabytes = max(1, round(2 * need / 1e9))
    fix = f'docker run --shm-size={gigabytes}g, or --cfg-options train_dataloader.num_workers=0'
    yield Finding('shared memory', PROBLEM if usage.free < BATCH else WARNING, what, fix)


def _folders() -> Iterator[Finding]:
    here, cache = Path.cwd() / 'work_dirs', _cache_folder()
    places = [('work dirs', here, 'work elsewhere, or choose another with --work-dir')]
    if cache is not None:
        places.append(('cache', cache, 'export CONVNEXT_DENSE_CACHE=/a/folder/you/can/write'))
    places.append(('temporary files', Path(tempfile.gettempdir()), 'export TMPDIR=/a/folder/you/can/write'))
    for name, folder, fix in places:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield Finding('folders', PROBLEM, f'{name}: {folder} cannot be written ({error.strerror})', fix)
            continue
        free = shutil.disk_usage(existing).free / 1e9
        said = f'{name}: {folder}, {free:.1f} GB free'
        if free < LEAST_DISK:
            yield Finding('folders', WARNING, said, f'free some space, or {fix}')
        else:
            yield Finding('folders', OK, said)


def _cache_folder() -> Path | None:
    """Return the package's cache folder, from a module without imports of other packages."""
    package = importlib.util.find_spec('convnext_dense')
    for folder in package.submodule_search_locations or () if package else ():
        spec = importlib.util.spec_from_file_location('cache', Path(folder) / 'io' / 'cache.py')
        if spec and spec.loader and Path(folder, 'io', 'cache.py').is_file():
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.cache_folder()
    return None
