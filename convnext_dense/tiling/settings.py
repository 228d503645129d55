"""Settings of tiles: their size and overlap, and what is learned and predicted in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import UserError
from ..io.image_size import ImageSize
from .grid import check_tiles, tile_step

DEFAULT_OVERLAP = 0.2
DEFAULT_EMPTY_SHARE = 0.1
DEFAULT_LEAST_VISIBLE = 0.3


class TileSettings(NamedTuple):
    """How large images are cut into tiles, in training, evaluation and prediction."""

    size: ImageSize
    """Height and width of a tile in pixels of the image."""
    overlap: float = DEFAULT_OVERLAP
    """Share of a tile's side by which neighbors overlap, in [0, 0.5]."""
    empty_share: float = DEFAULT_EMPTY_SHARE
    """Share of the tiles of an epoch of training that show nothing to learn but background, in [0, 1)."""
    least_visible: float = DEFAULT_LEAST_VISIBLE
    """Share of an object's box that must be in a tile for the object to be learned there, in (0, 1]."""
    whole: bool = False
    """Predict the shrunk whole image, too, for objects that are larger than the overlap of the tiles."""

    @classmethod
    def of(cls, setting: Mapping[str, Any] | TileSettings | None) -> TileSettings | None:
        """Read the setting ``tiles`` of a config or a data set.

        Args:
            setting: a dict with ``size``, one number or (height, width), and others of these by their names; or None.

        Returns:
            None for None.

        Raises:
            UserError: if a value is not usable, or a name is unknown.
        """
        if setting is None or isinstance(setting, TileSettings):
            return setting
        if not isinstance(setting, Mapping) or 'size' not in setting or setting.keys() - set(cls._fields):
            names = ', '.join(cls._fields[1:])
            raise UserError(f'tiles={setting!r}: give a dict with size, and optionally {names}')
        size = _size(setting['size'])
        overlap = _share('overlap', setting.get('overlap', DEFAULT_OVERLAP))
        check_tiles(size, overlap)
        empty_share = _share('empty_share', setting.get('empty_share', DEFAULT_EMPTY_SHARE))
        if not 0 <= empty_share < 1:
            raise UserError(f'tiles.empty_share={empty_share:g}: choose a share of the tiles from 0 to below 1')
        least_visible = _share('least_visible', setting.get('least_visible', DEFAULT_LEAST_VISIBLE))
        if not 0 < least_visible <= 1:
            raise UserError(f'tiles.least_visible={least_visible:g}: choose a share of a box above 0, up to 1')
        whole = setting.get('whole', False)
        if not isinstance(whole, bool):
            raise UserError(f'tiles.whole={whole!r}: choose True or False')
        return cls(size, overlap, empty_share, least_visible, whole)

    def as_config(self) -> dict[str, Any]:
        """Return the setting ``tiles`` of a config."""
        return {**self._asdict(), 'size': tuple(self.size)}

    @property
    def flags(self) -> str:
        """The flags of a command with which a run is trained by these."""
        sides = ' '.join(map(str, self.size[:1] if self.size.height == self.size.width else self.size))
        return (
            f'--tile {sides} --overlap {self.overlap:g} --empty-tiles {self.empty_share:g} '
            f'--least-visible {self.least_visible:g}'
        )

    def distance(self) -> ImageSize:
        """Return the distance from a tile to the next in pixels, down and to the right, where none is shifted."""
        return ImageSize(*(tile_step(side, self.overlap) for side in self.size))


def _size(value: Any) -> ImageSize:
    sides = list(value) if isinstance(value, list | tuple) else [value]
    sides = sides * 2 if len(sides) == 1 else sides
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(f'tiles.size={value!r}: give height and width in pixels, or one whole number for both')
    return ImageSize(*sides)


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f'tiles.{name}={value!r}: give a number')
    return float(value)
