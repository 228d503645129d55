"""Find images that are shrunk a lot before a network sees them, and objects that come out too small there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...counting import counted
from ...io.image_size import TOTAL_STRIDE, ImageSize
from ...tiling.grid import TileAxis
from ...tiling.settings import TileSettings
from ..seen_sizes import SeenSizes
from .records import NOTE, WARNING, Finding, SplitRecords

SMALL = 8
"""Pixels: objects with smaller sides are 2 x 2 positions, or fewer, at the networks' finest stride of 4."""
MANY = 0.25
"""Share of the objects above which it is said that they come out small. Of COCO's, few do by its recipes."""
SHRUNK = 3.0
"""Factor from which it is said that images are shrunk. Photos of COCO and ADE20K are rather enlarged."""
MOST_ENLARGED = 4

ObjectSize = tuple[ImageSize, float]
"""The size of an image and the mean side of an object in it, the root of the area of its box, in pixels."""


def object_sizes(size: ImageSize, truth: Mapping[str, Any]) -> Iterator[ObjectSize]:
    """Yield the size of each object that is learned in an image.

    Args:
        size: of the image.
        truth: its ``instances``, or its ``panoptic`` segments, of which those of things count.
    """
    for instance in truth.get('instances') or ():
        left, top, right, bottom = instance['bbox']
        if not instance['ignore_flag'] and right > left and bottom > top:
            yield size, math.sqrt((right - left) * (bottom - top))
    panoptic = truth.get('panoptic') or {}
    for segment in panoptic.get('segments', ()):
        if segment['label'] < panoptic['things'] and not segment['iscrowd'] and segment.get('area'):
            yield size, math.sqrt(segment['area'])


def sizes_in_records(split: SplitRecords, things: int = 0) -> list[ObjectSize]:
    """Return the sizes of the objects in a split whose annotations say the sizes of images.

    Args:
        split: the records.
        things: number of the first classes of segments, which are things.
    """
    found: list[ObjectSize] = []
    for image in split.images:
        if image.size is not None and image.is_read:
            panoptic = {'segments': image.segments, 'things': things}
            found += object_sizes(image.size, {'instances': image.instances, 'panoptic': panoptic})
    return found


def find_small(
    split: str, sizes: Sequence[ImageSize], objects: Sequence[ObjectSize], seen: SeenSizes
) -> Iterable[Finding]:
    """Find out whether most images are shrunk a lot, or many objects come out small, and name the tiles that help.

    Args:
        split: the split's name.
        sizes: sizes of the images.
        objects: sizes of the objects in them.
        seen: how large the network sees images in training.
    """
    if not seen.scales or not sizes:
        return
    size = ImageSize(*np.median(np.array(sizes), axis=0).astype(int).tolist())
    shrinking = 1 / (seen.factor(size) or 1)
    own = np.array([side for _, side in objects])
    out = own * np.array([seen.factor(image) for image, _ in objects]) if objects else own
    small = float((out < SMALL).mean()) if objects else 0.0
    if shrinking < SHRUNK and small <= MANY:
        return
    said = []
    if shrinking > 1.05:
        what = f'images of {size} (height x width, the median of {len(sizes):,})'
        if seen.tile is not None:
            what = f'tiles of {seen.cut(size)}'
        said.append(f'{what} are shrunk {shrinking:.1f} times on average before the network sees them')
    if small > MANY:
        said.append(
            f'{small:.0%} of {counted(len(objects), "object")} come out under {SMALL} pixels: the median object has '
            f'{np.median(own):.3g} pixels a side, and {np.median(out):.2g} in the network'
        )
    zoom = 1
    if objects:  # enlarged as far as all but a few need it
        zoom = min(max(math.ceil(SMALL / max(float(np.quantile(own, MANY)), 1)), 1), MOST_ENLARGED)
    side = max(seen.side // TOTAL_STRIDE, 2) * TOTAL_STRIDE
    fix = f'--tile {side} trains and predicts on tiles at their own size'
    if zoom > 1:
        tile = max(side // zoom // TOTAL_STRIDE, 1) * TOTAL_STRIDE
        inside = f'{tile * zoom} {tile * zoom}'
        fix = f'--tile {tile} --image-size {inside} trains and predicts on tiles, enlarged {zoom} times'
    yield Finding(WARNING if small > MANY else NOTE, split, '; '.join(said), fix)


def count_tiles(split: str, sizes: Sequence[ImageSize], tiles: TileSettings) -> Finding:
    """Count the tiles of a split's images.

    Args:
        split: the split's name.
        sizes: sizes of the images.
        tiles: size and overlap of the tiles.
    """
    counts = [
        math.prod(
            len(TileAxis(length, tile, tiles.overlap).starts) for length, tile in zip(size, tiles.size, strict=True)
        )
        for size in sizes
    ]
    one = f'{counted(len(sizes), "image")} in {counted(sum(counts), "tile")} of {tiles.size}'
    return Finding(NOTE, split, f'{one} with an overlap of {tiles.overlap:g}')
