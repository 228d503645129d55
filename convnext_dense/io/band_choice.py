"""Which bands of images a network takes. Imports nothing large, since the command line is parsed with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from ..errors import UserError

ALL: Final = 'all'
Bands = tuple[int, ...] | Literal['all']
"""The numbers of bands, from 1, in the order in which a network takes them; or all of them."""


class BandInput(NamedTuple):
    """The bands that are the input of a network, and the images that they are of."""

    bands: tuple[int, ...]
    """Their numbers, from 1, in the order of the network's channels."""
    rgb: tuple[int, ...] = ()
    """Which of them are red, green and blue, in this order; empty if none are."""
    stored: int | None = None
    """Number of bands of the images as stored; None if it is unknown."""
    dtype: str | None = None
    """The stored type of the values, such as ``'uint16'``; None if it is unknown."""

    def __str__(self) -> str:
        of_all = '' if self.stored is None else f' of {self.stored}'
        return f'{"bands" if len(self.bands) > 1 else "band"} {join(self.bands)}{of_all}' + (
            '' if self.dtype is None else f' ({self.dtype})'
        )

    def as_plain(self) -> dict[str, Any]:
        """Return plain values, without those that are unknown."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in self._asdict().items()}
        return {key: value for key, value in plain.items() if value not in (None, [])}

    @property
    def rgb_channels(self) -> tuple[int, ...]:
        """The channels of red, green and blue, from 0; empty if none are."""
        return tuple(self.bands.index(band) for band in self.rgb)

    @property
    def shown(self) -> tuple[int, ...]:
        """The three bands that drawings show as red, green and blue: these, else the first one three times."""
        return self.rgb or (self.bands[0],) * 3


def join(bands: Bands) -> str:
    """Write bands as ``--bands`` takes them."""
    return bands if isinstance(bands, str) else ','.join(map(str, bands))


def parse_bands(text: str) -> Bands:
    """Parse ``4,3,2`` or ``all``.

    Raises:
        UserError: for anything else, a band below 1, and a band that is named twice.
    """
    if text == ALL:
        return ALL
    parts = [part.strip() for part in text.split(',')]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f'bands {text!r}: give their numbers from 1 with commas between them, such as 4,3,2, or all')
    return _checked([int(part) for part in parts])


def parse_three(text: str) -> tuple[int, ...]:
    """Parse the three bands of red, green and blue.

    Raises:
        UserError: if they are not three.
    """
    return three_bands([int(part) if part.strip().isdecimal() else part for part in text.split(',')])


def as_bands(setting: Any) -> Bands | None:
    """Convert the setting ``bands`` of a config: numbers from 1, ``'all'``, a text as of the command line, or None.

    Raises:
        UserError: for anything else.
    """
    if setting is None or setting == ALL:
        return setting
    if isinstance(setting, str):
        return parse_bands(setting)
    if isinstance(setting, int) and not isinstance(setting, bool):
        setting = [setting]
    if not isinstance(setting, list | tuple) or not all(type(band) is int for band in setting):
        raise UserError(f"bands={setting!r}: give their numbers from 1, such as (4, 3, 2), or 'all'")
    return _checked(setting)


def three_bands(setting: Any) -> tuple[int, ...]:
    """Convert a setting of three bands, which are red, green and blue. One that is shown as gray may be repeated.

    Raises:
        UserError: if they are not three numbers from 1.
    """
    if isinstance(setting, str):
        return parse_three(setting)
    if not isinstance(setting, list | tuple) or len(setting) != 3 or not all(type(band) is int for band in setting):
        raise UserError(f'{_text(setting)}: give the numbers of three bands, of red, green and blue, such as 4,3,2')
    if min(setting) < 1:
        raise UserError(f'band {min(setting)} does not exist: the first one is 1')
    return tuple(setting)


def choose_rgb(bands: tuple[int, ...], rgb: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return which of the bands are red, green and blue: those that are named, else the first three.

    Args:
        bands: the bands that the network takes.
        rgb: the three that are named, or None.

    Returns:
        Three bands, or none if there are fewer and none are named.

    Raises:
        UserError: if one that is named is not among them.
    """
    if rgb is None:
        return bands[:3] if len(bands) >= 3 else ()
    missing = [band for band in rgb if band not in bands]
    if missing:
        raise UserError(f'--rgb-bands {join(tuple(rgb))}: band {missing[0]} is not among the bands {join(bands)}')
    if len(set(rgb)) < 3:
        raise UserError(f'--rgb-bands {join(tuple(rgb))}: name three different bands')
    return tuple(rgb)


def check_exist(bands: Bands, stored: int, whose: str, flag: str = '--bands') -> tuple[int, ...]:
    """Return the numbers of the bands of images, all of them for ``'all'``.

    Args:
        bands: the bands that are wanted.
        stored: how many the images have.
        whose: whose bands they are, for the message.
        flag: the argument that named them.

    Raises:
        UserError: if one does not exist.
    """
    if isinstance(bands, str):
        return tuple(range(1, stored + 1))
    if max(bands) > stored:
        have = 'band 1 alone' if stored == 1 else f'bands 1 to {stored}'
        raise UserError(f'{flag} {join(bands)}: there is no band {max(bands)}, since {whose} {have}')
    return bands


def _checked(bands: Sequence[int]) -> tuple[int, ...]:
    if not bands or min(bands) < 1:
        raise UserError(f'bands {_text(bands)}: they are counted from 1')
    twice = [band for band in bands if list(bands).count(band) > 1]
    if twice:
        raise UserError(
            f'bands {_text(bands)}: band {twice[0]} is named twice: name each once, since the first layer follows '
            'their number'
        )
    return tuple(bands)


def _text(bands: Any) -> str:
    return ','.join(map(str, bands)) if isinstance(bands, list | tuple) else repr(bands)
