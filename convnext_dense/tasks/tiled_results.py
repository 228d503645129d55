"""Results of images that are predicted in tiles, in memory or, where they are as large as the image, in files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import BadImage, UserError
from ..io.files import write_errors
from ..io.image_size import ImageSize
from ..io.panoptic import colors_of_ids
from ..io.tiff_file import import_tifffile, write_tiff
from ..results import Detection, Panoptic, Segmentation
from ..results.label_map_file import LabelMapFile
from ..results.rle import check_encodable
from ..tiling.blocks import Block, label_dtype
from ..tiling.label_file import LabelFile

if TYPE_CHECKING:
    from ..io.windowed_image import WindowedImage
    from ..models.tiled import TiledModel
    from .records import ClassInfo


class TileProgress:
    """Receiver of the progress of an image that is predicted in tiles; this one shows nothing."""

    def start(self, total: int, done: int = 0) -> None:
        """Begin an image of so many tiles, of which some are done already."""

    def advance(self, count: int) -> None:
        """Count tiles."""

    def say(self, line: str) -> None:
        """Show a line about it."""


class TiledFile(NamedTuple):
    """The file of a result that is as large as the image."""

    path: Path
    fingerprint: Mapping[str, object]
    """What it depends on; see :class:`~convnext_dense.tiling.label_file.LabelFile`."""


@contextmanager
def bad_images() -> Iterator[None]:
    """Context whose UserErrors are of the image that it reads: they become :class:`BadImage`."""
    try:
        yield
    except UserError as error:
        raise BadImage(str(error)) from None


def detect(tiled: TiledModel, image: WindowedImage, classes: ClassInfo, progress: TileProgress) -> Detection:
    """Detect the objects of an image."""
    if getattr(tiled.model, 'with_mask', False):
        check_encodable(image.size)
    progress.start(tiled.count(image.size))
    with bad_images():
        objects = tiled.objects(image, progress.advance)
    return Detection.of_objects(image.path, image.size, objects, classes.names, classes.category_ids)


def segment(tiled: TiledModel, image: WindowedImage, classes: ClassInfo, progress: TileProgress) -> Segmentation:
    """Predict the class of each pixel of an image."""
    grid, blocks = tiled.label_blocks(image, advance=progress.advance)
    progress.start(grid.predictions)
    labels = np.empty(image.size, label_dtype(grid.classes))
    for block in _read_well(blocks):
        labels[block.window.slices] = block.labels
    return Segmentation(image.path, labels, classes.names, classes.colors, classes.first_label or 0)


def write_label_map(
    tiled: TiledModel, image: WindowedImage, classes: ClassInfo, progress: TileProgress, out: TiledFile
) -> LabelMapFile:
    """Predict the class of each pixel of an image into a file, block by block, and go on where it was interrupted.

    Raises:
        BadImage: if the image can't be read.
        UserError: if the file can't be written, or what is there is of other settings.
    """
    grid, _ = tiled.label_blocks(image)
    first_label = classes.first_label or 0
    with LabelFile(out.path, grid, out.fingerprint, first_label) as file:
        total, left = grid.predictions, sum(1 for _ in grid.order(file.next))
        progress.start(max(total, left), max(total - left, 0))
        if file.is_finished:
            progress.say(f'{out.path} is there already, of the same image, weights and settings')
        elif file.done:
            progress.say(f'{image.path}: goes on after {file.done} of {grid.count} blocks, which {file.part} has')
        _, blocks = tiled.label_blocks(image, file.next, progress.advance)
        try:
            for block in _read_well(blocks):
                file.write(block)
            file.finish(image.georeference.tags if image.georeference else ())
        except (KeyboardInterrupt, BadImage) as error:
            if file.done:
                what = 'interrupted' if isinstance(error, KeyboardInterrupt) else 'cannot be read on'
                progress.say(
                    f'{image.path}: {what}, {file.done} of {grid.count} blocks are kept in {file.part}; the same '
                    'command goes on'
                )
            raise
    return LabelMapFile.of(image.path, out.path, classes.names, classes.colors, first_label)


def find_segments(
    tiled: TiledModel,
    image: WindowedImage,
    classes: ClassInfo,
    progress: TileProgress,
    out: np.ndarray | None = None,
) -> Panoptic:
    """Find the segments of an image.

    Args:
        tiled: the model.
        image: the image.
        classes: its classes.
        progress: is told of the tiles.
        out: int32 (H, W) for the ids; made if it is None.
    """
    progress.start(tiled.count(image.size))
    with bad_images():
        found = tiled.segments(image, progress.advance, out)
    of_classes = (classes.names, classes.colors, classes.stuff, classes.category_ids)
    return Panoptic.from_map(image.path, found.ids, found.labels, *of_classes, out=found.ids)


def write_segments(
    tiled: TiledModel, image: WindowedImage, classes: ClassInfo, progress: TileProgress, out: TiledFile
) -> Panoptic:
    """Find the segments of an image, and write their ids as the colors of a TIFF file; see :func:`write_label_map`."""
    import_tifffile()  # missing it should not be found out at the end
    with write_errors(out.path):
        ids = _on_disk(image.size, out.path.parent)
    result = find_segments(tiled, image, classes, progress, ids)
    tags = image.georeference.tags if image.georeference else ()
    with write_errors(out.path):
        write_tiff(
            out.path, lambda w: colors_of_ids(result.ids[w.slices]), image.size, np.dtype(np.uint8), tags, colors=True
        )
    return result


def _on_disk(size: ImageSize, folder: Path) -> np.ndarray:
    """Return an array int32 (H, W) whose values are in a file without a name, which ends with the array.

    Its room on the disk is taken here: a process that fills the disk later, through the mapping, would be killed.

    Raises:
        OSError: if there is no room.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        count = size.height * size.width * np.dtype(np.int32).itemsize
        if hasattr(os, 'posix_fallocate'):  # not on macOS
            os.posix_fallocate(file.fileno(), 0, count)
        file.truncate(count)
        return np.memmap(file, np.int32, 'r+', shape=tuple(size))


def _read_well(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks; errors of reading the image become :class:`BadImage`."""
    with bad_images():
        yield from blocks
