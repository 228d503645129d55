"""Kinds of masks: how the pixels of a mask become labels, from 0 on, with 255 for unlabeled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from ...io.color_masks import BadLabels, read_colors, unreadable_mask
from ...io.image_size import ImageSize
from ...io.images import UNLABELED
from ...io.mask_windows import holds_windows, mask_size
from ...io.window import Window
from .mask_files import CHANNELS, are_equal, count_labels, read_mask

UNKNOWN_COLORS = 'with colors that no class has'
UNKNOWN_IDS = 'with numbers that are no ids'
NOT_BINARY = 'with other numbers than 0 and 255'

Color = tuple[int, int, int]
"""Red, green and blue, each in [0, 255]."""


class MaskReader:
    """Reader of masks whose numbers are the labels, also if several equal channels or a palette hold them."""

    kind = 'index'
    """Its name in :data:`~convnext_dense.data.segmentation.options.MASK_LABELS`."""
    cache_name = 'index'
    """Name of what is found in masks, which is kept apart from what other readers find in them."""
    largest = UNLABELED
    """Largest label whose pixels are counted."""
    counted_by: MaskReader | None = None
    """Reader of the same masks whose counts tell those of this one."""

    @property
    def digest(self) -> str:
        """Text that differs between readers that find different labels in a mask."""
        return ''

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        """Read the labels of a mask.

        Args:
            mask: its file, or the image that it is for.
            retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
            window: the part that is read; None for all of it.

        Returns:
            Integers (H, W), of any size for masks of numbers, otherwise uint8.

        Raises:
            BadLabels: if it does not hold labels.
            UserError: if it can't be read.
        """
        labels = read_mask(mask, retry_missing, window)
        if labels.ndim == 2:
            return labels
        if not are_equal(labels):
            raise BadLabels(mask, CHANNELS, str(labels.shape[2]))
        return labels[..., 0]

    def size(self, mask: str) -> ImageSize:
        """Return the size of a mask without decoding it.

        Raises:
            UserError: if it can't be read.
        """
        try:
            return mask_size(mask)
        except Exception as error:  # Pillow's decoders raise many types for broken files
            raise unreadable_mask(mask, error) from None

    def reads_windows(self, mask: str) -> bool:
        """Check whether a window is read without decoding the whole mask."""
        return holds_windows(mask)

    def count(self, labels: np.ndarray) -> dict[int, int]:
        """Count the pixels of each label."""
        return count_labels(labels)

    def count_again(self, counts: Iterable[tuple[int, int]]) -> dict[int, int] | None:
        """Count the pixels of each label by what :attr:`counted_by` counted; None if the mask must be read."""
        return None


INDEX = MaskReader()


class TableReader(MaskReader):
    """Reader of masks whose numbers stand for labels by a table.

    Args:
        kind: name of the table.
        table: the label by the number.
        rest: the label of all other numbers up to 255; None if there are none.
        fault: what is wrong with a mask that has others.
    """

    def __init__(self, kind: str, table: Mapping[int, int], rest: int | None, fault: str = UNKNOWN_IDS) -> None:
        self.kind, self._fault = kind, fault
        self.cache_name = kind
        self._table = np.full(UNLABELED + 1, -1 if rest is None else rest, np.int16)
        self._table[list(table)] = list(table.values())

    @property
    def digest(self) -> str:
        return self.kind

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        numbers = super().read(mask, retry_missing, window)
        low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
        labels = self._table[numbers] if low >= 0 and high <= UNLABELED else None
        if labels is None or labels.min(initial=0) < 0:
            others = [
                number for number in count_labels(numbers) if not 0 <= number <= UNLABELED or self._table[number] < 0
            ]
            raise BadLabels(mask, self._fault, ', '.join(map(str, others[:5])))
        return labels.astype(np.uint8)


BINARY = TableReader('binary', {0: 0, 1: 1, UNLABELED: 1}, None, NOT_BINARY)


class ColorReader(MaskReader):
    """Reader of masks that show classes by their colors.

    Args:
        labels: the label of each color, or 255.
        are_all: they were found by counting the colors, from which the labels are counted, too.
    """

    kind = cache_name = 'color'

    def reads_windows(self, mask: str) -> bool:
        return False

    def __init__(self, labels: Mapping[Color, int], are_all: bool = False) -> None:
        self.labels = dict(labels)
        self.counted_by = RAW_COLORS if are_all else None

    @property
    def digest(self) -> str:
        return f'{self.kind} {sorted(self.labels.items())}'

    @cached_property
    def _table(self) -> np.ndarray:
        """The label of each of the 2**24 colors, which is much faster than comparing them; UNKNOWN for others."""
        table = np.full(1 << 24, UNKNOWN, np.uint8)
        table[[packed(color) for color in self.labels]] = list(self.labels.values())
        return table

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        colors = read_colors(mask, retry_missing, window)
        labels = self._table[colors]
        if (labels == UNKNOWN).any():
            raise BadLabels(mask, UNKNOWN_COLORS, self._describe(count_labels(colors[labels == UNKNOWN])))
        return labels

    def count_again(self, counts: Iterable[tuple[int, int]]) -> dict[int, int] | None:
        counted: dict[int, int] = {}
        for color, number in counts:
            label = self.labels.get(unpacked(color))
            if label is None:
                return None
            counted[label] = counted.get(label, 0) + number
        return counted

    def _describe(self, unknown: Mapping[int, int]) -> str:
        number = sum(unknown.values())
        named = [in_hex(color) for color in sorted(unknown, key=lambda color: -unknown[color])]
        what = (
            f'{number} pixel{"s" if number > 1 else ""} of {", ".join(named[:3])}{", ..." if len(named) > 3 else ""}'
        )
        known = np.array(list(self.labels))
        near = sum(np.abs(known - unpacked(color)).max(1).min() <= NEAR for color in list(unknown)[:1000])
        is_lossy = near > len(named) / 2 or len(named) > MANY
        return f'{what}: {len(named)} colors, as after compression with loss' if is_lossy else what


class RawColors(MaskReader):
    """Reader of the colors themselves, to find out which there are."""

    kind, cache_name = 'color', 'raw colors'
    digest = 'raw colors'
    largest = (1 << 24) - 1

    def reads_windows(self, mask: str) -> bool:
        return False

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        return read_colors(mask, retry_missing, window)


RAW_COLORS = RawColors()
UNKNOWN = 254
"""Label that stands for a color of no class; palettes have fewer classes."""
MANY = 50
"""Number of colors of no class in a mask above which compression or interpolation has made them."""
NEAR = 12
"""Largest difference of a channel between colors that are taken for one color with the errors of a JPEG."""


def packed(color: Sequence[int]) -> int:
    """Return a color as :func:`~convnext_dense.data.segmentation.mask_files.read_colors` does."""
    return (color[0] << 16) | (color[1] << 8) | color[2]


def unpacked(color: int) -> Color:
    """Return red, green and blue of a packed color."""
    return color >> 16, color >> 8 & 255, color & 255


def in_hex(color: int) -> str:
    """Write a packed color: ``#0a0b0c``."""
    return f'#{color:06x}'
