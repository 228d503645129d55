"""A model of mmdet or mmseg that predicts images of any size by tiles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from ...errors import BadImage, UserError
from ...io.image_size import ImageSize
from ...io.panoptic import NO_SEGMENTS
from ...io.shrunk_image import shrink, shrunk_size
from ...io.window import Window
from ...io.windowed_image import WindowedImage
from ...tiling.blocks import Block, BlockGrid, label_blocks
from ...tiling.grid import TileAxis, tile_windows
from ...tiling.objects import Objects, merge_tiles, merge_with_whole
from ...tiling.segments import TileSegments, merge_segments
from ...tiling.settings import TileSettings
from ..network_input import TooThin, pack_image
from .convert import shrunk_objects, tile_objects, tile_segments
from .read_ahead import ReadAhead
from .scores import class_scores, confidence_of_blocks, count_classes, keeping_scores

Advance = Callable[[int], object]
"""Called with numbers of tiles that are done."""

KEPT_DETAIL = 2
"""How many times larger than a tile the image is, at least, that the pipeline shrinks for a pass over the whole."""


class TiledModel:
    """A detector, segmentor or panoptic model that predicts an image tile by tile, and merges what it finds.

    While the network works on a batch of tiles, a thread reads and prepares the next.

    Args:
        model: a model of mmdet or mmseg in evaluation mode, also one of test-time augmentation.
        transform: the test pipeline without its loading steps, with the transforms of all views if there are several.
        tiles: size and overlap of the tiles; ``whole`` adds a pass over the whole image, shrunk, to :meth:`objects`.
        batch: number of tiles that are predicted at once.
    """

    def __init__(self, model: Any, transform: Callable[[dict], Any], tiles: TileSettings, batch: int = 1) -> None:
        self.model, self.transform, self.tiles, self.batch = model, transform, tiles, batch

    @property
    def keeps_confidence(self) -> bool:
        """Whether blocks of labels have confidences."""
        return confidence_of_blocks(self.model) is not None

    def count(self, size: ImageSize) -> int:
        """Return the number of tiles that :meth:`objects` and :meth:`segments` predict for an image.

        A pass over the whole image counts as one. Of :meth:`label_blocks` it is the length of ``grid.order(start)``.
        """
        windows = len(tile_windows(size, self.tiles.size, self.tiles.overlap))
        return windows + (self.tiles.whole and windows > 1)

    def objects(self, image: WindowedImage, advance: Advance | None = None) -> Objects:
        """Return the objects of an image; see :func:`~convnext_dense.tiling.objects.merge_tiles`.

        With ``tiles.whole``, the objects that are larger than the overlap of the tiles may come from the whole image:
        see :func:`~convnext_dense.tiling.objects.merge_with_whole`. One that is too thin for the network when it is
        shrunk is left to the tiles, which is logged.

        Raises:
            BadImage: if a part of the image can't be read.
            UserError: if the image is too thin for the network, or the model predicts no instances.
        """
        size, (tile, overlap) = image.size, self.tiles[:2]
        windows = tile_windows(size, tile, overlap)
        found: list[Objects] = []
        with self._ahead(image, windows) as ahead:
            for first in range(0, len(windows), self.batch):
                some = windows[first : first + self.batch]
                samples = self._predict(ahead.take(some), advance)
                found += [tile_objects(sample, window, size) for sample, window in zip(samples, some, strict=True)]
        merged = merge_tiles(found, windows, size)
        if not self.tiles.whole or len(windows) == 1:
            return merged
        try:
            whole = self._whole_objects(image, advance)
        except TooThin:
            line = f'{image.path or "array"}: too thin for the network when it is shrunk, and predicted in tiles alone'
            print_log(line, 'current', logging.WARNING)
            return merged
        axes = [TileAxis(*sides, overlap) for sides in zip(size, tile, strict=True)]
        in_common = [axis.tile - (second - first) for axis in axes for first, second in pairwise(axis.starts)]
        return merge_with_whole(merged, whole, min(in_common))

    def label_blocks(
        self, image: WindowedImage, start: tuple[int, int] = (0, 0), advance: Advance | None = None
    ) -> tuple[BlockGrid, Iterator[Block]]:
        """Return blocks of labels of an image, by weighted logits at the tiles' own size.

        Args:
            image: the image.
            start: lane and row to begin with; see :func:`~convnext_dense.tiling.blocks.label_blocks`.
            advance: called with numbers of tiles.

        Returns:
            The grid of the tiles, and the blocks, predicted as they are asked for, which raises an
            :class:`BadImage` if a part of the image can't be read.
        """
        grid = BlockGrid(image.size, *self.tiles[:2], count_classes(self.model))
        return grid, self._blocks(image, grid, start, advance)

    def segments(self, image: WindowedImage, advance: Advance | None = None, out: Any = None) -> TileSegments:
        """Return the panoptic segments of an image; see :func:`~convnext_dense.tiling.segments.merge_segments`.

        Args:
            image: the image.
            advance: called with numbers of tiles.
            out: int32 (H, W) for the ids, such as a memory map; None to make it.

        Raises:
            BadImage: if a part of the image can't be read.
            UserError: if the model predicts no segments.
        """
        fusion = getattr(self.model, 'panoptic_fusion_head', None)
        if fusion is None:
            raise UserError(NO_SEGMENTS)
        size, (tile, overlap) = image.size, self.tiles[:2]
        with self._ahead(image, tile_windows(size, tile, overlap)) as ahead:

            def predict(windows: Sequence[Window]) -> list[TileSegments]:
                samples = self._predict(ahead.take(windows), advance)
                return [tile_segments(sample, fusion.num_classes) for sample in samples]

            return merge_segments(size, tile, overlap, fusion.num_things_classes, predict, self.batch, out=out)

    def _blocks(
        self, image: WindowedImage, grid: BlockGrid, start: tuple[int, int], advance: Advance | None
    ) -> Iterator[Block]:
        with self._ahead(image, grid.order(start)) as ahead:

            def predict(windows: Sequence[Window]) -> Tensor:
                with keeping_scores(self.model):
                    samples = self._predict(ahead.take(windows), advance)
                return torch.stack([class_scores(self.model, sample) for sample in samples])

            yield from label_blocks(grid, predict, self.batch, start, confidence_of_blocks(self.model))

    def _whole_objects(self, image: WindowedImage, advance: Advance | None) -> Objects:
        """Return the objects in the whole image, shrunk: first by a whole factor, and by the pipeline as usual."""
        ratio = max(side / of_tile for side, of_tile in zip(image.size, self.tiles.size, strict=True))
        factor = max(int(ratio / KEPT_DETAIL), 1)
        shrunk = shrink(image.read, image.size, factor)
        (sample,) = self._predict([pack_image(self.transform, shrunk, image.path)], advance)
        return shrunk_objects(sample, shrunk_size(image.size, factor), factor, image.size)

    def _ahead(self, image: WindowedImage, windows: Any) -> ReadAhead[Window, dict]:
        def prepare(window: Window) -> dict:
            try:
                pixels = image.read(window)
            except UserError as error:
                raise BadImage(str(error)) from None
            return pack_image(self.transform, pixels, image.path, image.size)

        return ReadAhead(prepare, windows, self.batch)

    @torch.no_grad()
    def _predict(self, images: Sequence[dict], advance: Advance | None) -> list[Any]:
        """Return the data samples of images of one size."""
        inputs, samples = [image['inputs'] for image in images], [image['data_samples'] for image in images]
        if isinstance(inputs[0], list):  # one list for each view
            inputs, samples = ([list(view) for view in zip(*views, strict=True)] for views in (inputs, samples))
        found = self.model.test_step({'inputs': inputs, 'data_samples': samples})
        if advance is not None:
            advance(len(images))
        return list(found)
