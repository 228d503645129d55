"""Memory of the machine and of this process, within the limits of containers."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

PROC, CGROUPS = Path('/proc'), Path('/sys/fs/cgroup')
GIB = 2**30


def available_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Return the bytes that this process can take without swapping or being killed; None where the system hides it.

    It is what the machine has available, or what the tightest limit of its control groups (containers, systemd, batch
    systems) leaves, if that is less. Memory that only caches files counts as available.

    Args:
        proc, cgroups: mount points of these file systems.
    """
    found = [_of_machine(proc), *(_left_in(folder) for folder in _own_groups(proc, cgroups))]
    known = [value for value in found if value is not None]
    return max(0, min(known)) if known else None


def resident_memory(proc: Path = PROC) -> int | None:
    """Return the bytes that this process has in memory; None where the system does not tell."""
    try:
        return int((proc / 'self' / 'statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    except (OSError, ValueError, IndexError):
        return None


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def in_gib(size: float) -> str:
    """Return bytes in GB of 2**30, such as ``'4.1'``, with two digits below 1."""
    return f'{size / GIB:.{1 if size >= GIB else 2}f}'


def _of_machine(proc: Path) -> int | None:
    try:
        lines = dict(line.split(':', 1) for line in (proc / 'meminfo').read_text().splitlines() if ':' in line)
        return int(lines['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _own_groups(proc: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folders of the control groups that limit this process, those of version 2 and of version 1."""
    try:
        entries = [line.split(':', 2) for line in (proc / 'self' / 'cgroup').read_text().splitlines()]
    except OSError:
        entries = []
    roots = {cgroups: '/', cgroups / 'memory': '/'}  # in a container, its own group is mounted as the root
    for entry in entries:
        if len(entry) == 3 and (entry[1] == '' or 'memory' in entry[1].split(',')):
            roots[cgroups / 'memory' if entry[1] else cgroups] = entry[2]
    for root, path in roots.items():
        group = root / path.lstrip('/')
        yield from (folder for folder in (group, *group.parents) if folder == root or root in folder.parents)


def _left_in(group: Path) -> int | None:
    for limit, used, cached in (
        ('memory.max', 'memory.current', 'inactive_file'),
        ('memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'),
    ):
        try:
            most = int((group / limit).read_text())  # 'max' where there is none
            stats = dict(line.split() for line in (group / 'memory.stat').read_text().splitlines())
            return most - int((group / used).read_text()) + int(stats.get(cached, 0))
        except (OSError, ValueError):
            continue
    return None
