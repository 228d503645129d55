"""The label maps of large images in tiles: which tiles show something to learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...counting import counted
from ...io.image_size import ImageSize
from ...io.images import UNLABELED
from ...io.window import Window
from ...tiling.grid import tile_windows
from ...tiling.settings import TileSettings
from ..scan_cache import cache_file, files_digest, scan_once
from ..tiles import TileTable
from .mask_scan import ImageAndMask
from .readers import MaskReader

SCAN_VERSION = 1
"""Version of the cached results; increase it whenever the results of a scan change."""


def count_in_tiles(
    pairs: Sequence[ImageAndMask], sizes: Sequence[ImageSize], reader: MaskReader, settings: TileSettings
) -> list[list[dict[int, int]]]:
    """Count the labels in the tiles of masks, or take what was counted before if no file has changed since.

    Args:
        pairs: images and masks, which can be read.
        sizes: of the masks.
        reader: how the labels are read.
        settings: size and overlap of the tiles.

    Returns:
        For each mask and each of its tiles, the number of pixels by label as in the mask.
    """
    masks = [mask for _, mask in pairs]
    tiles = (tuple(settings.size), settings.overlap)

    def scan() -> list[list[list[int]]]:
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda mask, size: _count(mask, size, reader, settings), masks, sizes))

    file = cache_file('tiles', masks[0], f'{reader.cache_name} {tiles} {len(masks)}')
    found = scan_once(file, files_digest(masks, SCAN_VERSION, reader.digest, tiles), scan, 'masks')
    return [[dict(zip(flat[::2], flat[1::2], strict=True)) for flat in of_mask] for of_mask in found]


def _count(mask: str, size: ImageSize, reader: MaskReader, settings: TileSettings) -> list[list[int]]:
    windows = tile_windows(size, settings.size, settings.overlap)
    whole = None if reader.reads_windows(mask) else reader.read(mask)
    counts = []
    for window in windows:
        labels = reader.read(mask, window=window) if whole is None else np.ascontiguousarray(whole[window.slices])
        counts.append([number for pair in reader.count(labels).items() for number in pair])
    return counts


def count_classes(counts: Mapping[int, int], table: np.ndarray) -> dict[int, int]:
    """Convert numbers of pixels by label to those by class, without those that are unlabeled.

    Args:
        counts: by label, in [0, 255].
        table: the class of each label, uint8 (256,).
    """
    classes = Counter[int]()
    for label, number in counts.items():
        classes[int(table[label])] += number
    classes.pop(UNLABELED, None)
    return dict(classes)


def find_tiles(
    sizes: Sequence[ImageSize], counts: Sequence[Sequence[Mapping[int, int]]], settings: TileSettings, common: int
) -> tuple[TileTable, str, list[list[int]]]:
    """Find the tiles that show another class than the most frequent one.

    Args:
        sizes: of the images.
        counts: of each image and each tile, the number of pixels by class.
        settings: size and overlap of the tiles.
        common: the class that is most frequent in the data.

    Returns:
        The tiles; what is said of those without a labeled pixel, which are not used; the classes of those that show
        something.
    """
    shown: list[tuple[int, Window]] = []
    empty: list[tuple[int, Window]] = []
    classes: list[list[int]] = []
    unlabeled = 0
    for image, (size, of_image) in enumerate(zip(sizes, counts, strict=True)):
        for window, found in zip(tile_windows(size, settings.size, settings.overlap), of_image, strict=True):
            if not found:
                unlabeled += 1
            elif found.keys() == {common}:
                empty.append((image, window))
            else:
                shown.append((image, window))
                classes.append(list(found))
    line = f'; {counted(unlabeled, "other")} without a labeled pixel {"is" if unlabeled == 1 else "are"} not used'
    return TileTable(shown, empty, settings), line if unlabeled else '', classes
