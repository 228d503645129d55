"""Which of two settings of a config was set more specifically."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..tasks.sizes import Precedence
from .source import Source

OPTIONS, IMAGE_SIZE, SAMPLE = 3, 2, 1  # files have 0, and their bases -1, -2 and so on
UNKNOWN = -1000


class Settings:
    """The places that set a config's values: files, the settings for the sample, and the command line.

    Args:
        file: the config's file.
        sample: the settings for the sample, or nothing.
        sized: keys that ``--image-size`` has set, joined with dots.
        options: keys that ``--cfg-options`` sets, joined with dots.
    """

    def __init__(
        self, file: Path, sample: Mapping[str, Any], sized: Collection[str] = (), options: Collection[str] = ()
    ) -> None:
        self.sample, self.sized, self.options = sample, sized, options
        try:
            self.source: Source | None = Source(file.resolve())
        except (OSError, SyntaxError):
            self.source = None
        self.depths = dict(_depths(self.source)) if self.source else {}

    def __call__(self, keys: Sequence[str | int]) -> Precedence:
        """Return where the value at nested keys, outermost first, was set last."""
        name = '.'.join(map(str, keys))
        if any(name == option or name.startswith(f'{option}.') for option in self.options):
            return Precedence(OPTIONS, '--cfg-options')
        if name in self.sized:
            return Precedence(IMAGE_SIZE, '--image-size')
        if _sets(self.sample, keys):
            return Precedence(SAMPLE, 'the settings for the sample')
        place = self.source.find(keys) if self.source else None
        if place is None:
            return Precedence(UNKNOWN, name)
        return Precedence(-self.depths[place.file], str(place.file))


def _depths(source: Source, depth: int = 0) -> Iterator[tuple[Path, int]]:
    """Yield the files that a config inherits from, and how far from it they are, the farthest first."""
    for base in source.bases:
        yield from _depths(base, depth + 1)
    yield source.file, depth


def _sets(settings: Any, keys: Sequence[str | int]) -> bool:
    for key in keys:
        if not isinstance(settings, dict):
            return True
        if key not in settings:
            return False
        settings = settings[key]
    return True
