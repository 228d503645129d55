"""When a run was trained, for how long, how far, and on what, by its logs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ...counting import counted
from .scalars import Logged

TIME = re.compile(r'(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ')
FIRST_LINE = re.compile(r'convnext_dense (\S+), torch (\S+), Python (\S+), (\d+ x .+?), (\d+) threads?, seed (\w+)')
ENVIRONMENT = 'environment.txt'
CHOSEN = re.compile(r'(sys\.platform|Python|CPU|GPU \S+|CUDA_HOME|NVCC|PyTorch|TorchVision|OpenCV|MMEngine)')
"""Keys of an environment that are shown at once; all others are folded."""


@dataclass
class History:
    """The starts of a run.

    Attributes:
        started: when the first one began; None if no log tells.
        time: in all starts together.
        starts: how many.
        machine: processes and device, such as ``2 x cpu``.
        versions: pairs of names and values, such as of the seed.
        environment: lines of the newest ``environment.txt``.
    """

    started: datetime | None = None
    time: timedelta | None = None
    starts: int = 0
    machine: str = ''
    versions: list[tuple[str, str]] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)

    def chosen_environment(self) -> list[tuple[str, str]]:
        """Return the pairs that are read most often: versions, processor and GPU, each once."""
        pairs = dict(self.versions)
        for line in self.environment:
            key, separator, value = line.partition(': ')
            if separator and CHOSEN.fullmatch(key):
                pairs.setdefault(key, value)
        return [(key, value) for key, value in pairs.items() if value and value != 'None']


def read_history(run: Path) -> History:
    """Read the logs of a run; what they lack is left out."""
    history = History()
    spans = []
    for folder in sorted(path for path in run.glob('*/') if (path / 'vis_data').is_dir()):
        history.starts += 1
        for log in sorted(folder.glob('*.log')):
            text = log.read_text(encoding='utf-8', errors='replace')
            spans += _span(text)
            if found := FIRST_LINE.search(text):
                version, torch, python, history.machine, threads, seed = found.groups()
                history.versions = [
                    ('convnext_dense', version),
                    ('PyTorch', torch),
                    ('Python', python),
                    ('processes', history.machine),
                    ('threads', threads),
                    ('seed', seed),
                ]
        environment = folder / ENVIRONMENT
        if environment.is_file():
            history.environment = environment.read_text(encoding='utf-8', errors='replace').splitlines()
    if spans:
        history.started = min(begin for begin, _ in spans)
        history.time = sum((end - begin for begin, end in spans), timedelta())
    return history


def _span(log: str) -> list[tuple[datetime, datetime]]:
    times = TIME.findall(log)
    if not times:
        return []
    begin, end = (datetime.strptime(text, '%Y/%m/%d %H:%M:%S') for text in (times[0], times[-1]))
    return [(begin, max(begin, end))]


def duration_words(time: timedelta) -> str:
    """Return a duration in its two largest units, such as ``2 h 05 min``."""
    seconds = round(time.total_seconds())
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f'{days} d {hours} h'
    if hours:
        return f'{hours} h {minutes:02d} min'
    return f'{minutes} min {seconds % 60:02d} s' if minutes else f'{seconds} s'


def length_words(logged: Logged) -> str:
    """Return how far the run has come, such as ``12 epochs, 374 steps``; empty if nothing tells."""
    parts = []
    if logged.get('epoch'):
        parts.append(counted(int(logged['epoch'][-1][1]), 'epoch'))
    if logged.get('iter'):
        steps = int(logged['iter'][-1][1])
        if not logged.get('epoch'):  # validations count steps, too, and the last one is behind the last logged step
            steps = max(
                [steps, *(points[-1][0] for name, points in logged.items() if name.startswith('val/') and points)]
            )
        parts.append(counted(steps, 'step'))
    return ', '.join(parts)
