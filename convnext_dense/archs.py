"""The papers' architectures by name, as plain data: importing this module imports neither torch nor mmengine."""

from __future__ import annotations

from typing import NamedTuple


class ArchSettings(NamedTuple):
    """Blocks and channels of the four stages."""

    depths: tuple[int, int, int, int]  # blocks per stage
    dims: tuple[int, int, int, int]  # channels per stage


class IsotropicSettings(NamedTuple):
    """Blocks and channels of an isotropic network."""

    depth: int  # blocks
    dim: int  # channels


ARCHS: dict[str, ArchSettings] = {
    'zepto': ArchSettings((2, 2, 4, 2), (32, 64, 128, 256)),
    'atto': ArchSettings((2, 2, 6, 2), (40, 80, 160, 320)),
    'femto': ArchSettings((2, 2, 6, 2), (48, 96, 192, 384)),
    'pico': ArchSettings((2, 2, 6, 2), (64, 128, 256, 512)),
    'nano': ArchSettings((2, 2, 8, 2), (80, 160, 320, 640)),
    'tiny': ArchSettings((3, 3, 9, 3), (96, 192, 384, 768)),
    'small': ArchSettings((3, 3, 27, 3), (96, 192, 384, 768)),
    'base': ArchSettings((3, 3, 27, 3), (128, 256, 512, 1024)),
    'large': ArchSettings((3, 3, 27, 3), (192, 384, 768, 1536)),
    'xlarge': ArchSettings((3, 3, 27, 3), (256, 512, 1024, 2048)),
    'huge': ArchSettings((3, 3, 27, 3), (352, 704, 1408, 2816)),
    'xxlarge': ArchSettings((3, 4, 30, 3), (384, 768, 1536, 3072)),
}
"""ConvNeXt V1 and V2 (arXiv 2201.03545, section 3; arXiv 2301.00808, appendix); zepto and xxlarge are timm's."""

ISOTROPIC_ARCHS: dict[str, IsotropicSettings] = {
    'small': IsotropicSettings(18, 384),
    'base': IsotropicSettings(18, 768),
    'large': IsotropicSettings(36, 1024),
}
"""The isotropic ConvNeXts (arXiv 2201.03545, section 3.3)."""


def norm_eps_of(size: ArchSettings) -> float:
    """Return the eps of all norms of a network: 1e-6 as in the papers, and 1e-5 in timm's ``convnext_xxlarge``."""
    return 1e-5 if size == ARCHS['xxlarge'] else 1e-6
