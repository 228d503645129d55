"""The ConvNeXt that a config is adapted to."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from ..archs import ARCHS
from ..errors import UserError


class Arch(NamedTuple):
    """A ConvNeXt by name."""

    name: str
    """As the user names it: ``tiny``, or ``v2_tiny`` for V2."""
    arch: str
    """A key of :data:`~convnext_dense.archs.ARCHS`."""
    version: str
    """``'v1'`` or ``'v2'``."""

    @property
    def dims(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        return ARCHS[self.arch].dims

    @property
    def letter(self) -> str:
        """Letter of the papers, such as ``T`` or ``XL``."""
        return 'X' * self.arch.count('x') + self.arch.lstrip('x')[0].upper()

    @property
    def title(self) -> str:
        """Name in the papers, such as ``ConvNeXt V2-T``."""
        return f'ConvNeXt{" V2" if self.version == "v2" else ""}-{self.letter}'

    @property
    def stem(self) -> str:
        """Part of a file's name, such as ``convnextv2_t``."""
        return f'convnext{"v2" if self.version == "v2" else ""}_{self.letter.lower()}'


def find_arch(name: str) -> Arch:
    """Return the ConvNeXt of a name: one of :data:`~convnext_dense.archs.ARCHS`, with ``v2_`` in front for V2.

    Raises:
        UserError: if there is none; the message has near names.
    """
    version, arch = ('v2', name.removeprefix('v2_')) if name.startswith('v2_') else ('v1', name)
    if arch not in ARCHS:
        known = [*ARCHS, *(f'v2_{one}' for one in ARCHS)]
        near = difflib.get_close_matches(name, known, n=2)
        hint = f'did you mean {" or ".join(near)}?' if near else f'take one of {", ".join(ARCHS)}, with v2_ for V2'
        raise UserError(f'no ConvNeXt is named {name!r}: {hint}')
    return Arch(name, arch, version)
