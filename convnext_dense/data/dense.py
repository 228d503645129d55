"""Code shared by the data sets of detection and segmentation: reading images, skipping bad ones, collating."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ..errors import BadImage, UserError
from ..io.band_choice import ALL, BandInput, as_bands
from ..io.band_images import ShownBands, bad_image, read_input
from ..io.image_size import ImageSize
from ..io.images import (
    MAX_UNREADABLE_IN_A_ROW,
    decode,
    describe_read_error,
    is_turned,
    open_image,
    too_many_unreadable,
)
from ..io.opening import AS_USUAL, Opening, as_opening
from ..io.value_range import ValueRange, as_value_range
from ..io.window import Window
from ..io.windowed_image import WindowedImage, decodes_whole, describe_other_size
from ..registry import FUNCTIONS, TRANSFORMS
from ..tiling.settings import TileSettings
from . import albumentations_step, band_transforms  # noqa: F401 - registers them
from .sampler import SeededIndex, seeded
from .tiles import Tile, TileTable, draw_content, reach_of, report_tiles, report_whole_decoding

NOT_READ: Final = 'not read'
"""The ``inputs`` of an image that is evaluated by tiles, whose windows are read as they are needed."""


class DenseDataset:
    """Mixin for mmengine data sets that seeds the augmentation, and stops at or skips unreadable images.

    ``dataset[index]`` and ``dataset[index, seed]`` return the pipeline's dict, with the image's ``path`` and the list
    ``skipped`` with the paths of skipped images.

    With ``tiles``, a sample of training is a tile of an image, moved at random. Its dict for the pipeline has the
    ``window``, the ``image_size`` and, as ``height`` and ``width``, the size of the tile. A sample of evaluation is an
    image that is not read: its ``inputs`` are :data:`NOT_READ`, its ``data_samples`` the dict of annotations.
    """

    takes_seeds = True
    on_bad_image: str  # 'stop' or 'skip'
    test_mode: bool
    pipeline: Any
    serialize_data: bool
    tiles: TileSettings | None = None
    """The setting ``tiles``; None for whole images."""
    tile_table: TileTable | None = None
    """The tiles of training; None for whole images."""

    def full_init(self) -> None:
        """Read the annotations, and find the tiles of training."""
        if getattr(self, '_fully_initialized', False):
            return
        cuts = self.tiles is not None and not self.test_mode
        if cuts:
            self.serialize_data = False  # what is large of the annotations is packed by tiles
        super().full_init()  # type: ignore[misc]
        if cuts:
            self.tile_table = self.find_tiles()

    def report_tiles(self, name: str, table: TileTable, more: str = '', why_no_empty: str = '') -> None:
        """Say which tiles are used, and which images are decoded as a whole for each; see :mod:`.tiles`."""
        assert self.tiles is not None
        report_tiles(name, self.image_count, table, self.tiles, more, why_no_empty)
        infos = [self.image_info(index) for index in range(self.image_count)]
        images = ((info['img_path'], ImageSize(*info['image_size'])) for info in infos)
        report_whole_decoding(name, images, lambda path: decodes_whole(path, self.opening))
        self.report_masks(name, infos)

    def report_masks(self, name: str, infos: Sequence[dict]) -> None:
        """Say which masks are decoded as a whole for each tile; most data sets have none."""

    def find_tiles(self) -> TileTable:
        """Find the tiles of training, and say which are used."""
        raise NotImplementedError

    def tile_content(self, tile: Tile, info: dict, reach: Window) -> Callable[[Window], dict | None]:
        """Read what is annotated of a tile and around it.

        Args:
            tile: the tile.
            info: the annotations of its image.
            reach: the pixels that the moved tile may show.

        Returns:
            A function of a window in the reach, which returns what to add to the annotations, or None if there is
            nothing to learn: nothing at all, or of a tile that shows something, nothing but background.
        """
        raise NotImplementedError

    def tile_annotations(self, tile: Tile) -> dict:
        """Return what is annotated of a tile that is not moved, as far as it is known without reading a file."""
        return {}

    @property
    def image_count(self) -> int:
        """Number of images, where the length may be the number of tiles."""
        return super().__len__()  # type: ignore[misc]

    def __len__(self) -> int:
        return self.image_count if self.tile_table is None else len(self.tile_table)

    def image_info(self, index: int) -> dict:
        """Return the annotations of an image by its own index, also where samples are tiles."""
        return super().get_data_info(index)  # type: ignore[misc]

    def image(self, index: int) -> tuple[str, ImageSize | None]:
        """Return an image's path, and the annotated size of the image, or None if the annotations don't contain it."""
        info = self.image_info(index)
        return info['img_path'], ImageSize(info['height'], info['width']) if 'width' in info else None

    @property
    def value_range(self) -> ValueRange | ShownBands | None:
        """How images are shown: the values that become black and white, or the bands; see :class:`LoadImage`."""
        step = self._reading
        return None if step is None else step.shown if step.bands else step.value_range

    @property
    def bands(self) -> BandInput | None:
        """The bands that images are read with, as stored; None if they are read as RGB."""
        return None if self._reading is None else self._reading.bands

    @property
    def _reading(self) -> LoadImage | None:
        steps = getattr(getattr(self, 'pipeline', None), 'transforms', ())
        return next((step for step in steps if isinstance(step, LoadImage)), None)

    @property
    def opening(self) -> Opening:
        """How the image files are opened; see :class:`LoadImage`."""
        return AS_USUAL if self._reading is None else self._reading.opening

    def get_data_info(self, key: int | SeededIndex) -> dict:
        """Return the annotations of a sample: of an image, or of a tile that is not moved."""
        index, seed = key if isinstance(key, tuple) else (key, None)
        if self.tile_table is None:
            return self.image_info(index)
        with nullcontext() if seed is None else seeded(seed):
            info = self._sample_info(index, draws=seed is not None)
        tile = info.pop('tile')
        return self._at_window(info, tile.window, self.tile_annotations(tile))

    def prepare_data(self, index: int) -> dict | None:
        """Return a sample of the pipeline; None if a random crop left no annotations."""
        return self.prepare(self._sample_info(index))

    def prepare(self, info: dict) -> dict | None:
        """Run the pipeline on the annotations of a sample, of which a tile is moved."""
        if 'tile' not in info:
            return self.pipeline(info)
        assert self.tiles is not None
        tile, size, distance = info.pop('tile'), ImageSize(*info['image_size']), self.tiles.distance()
        content = self.tile_content(tile, info, reach_of(tile.window, size, distance))
        return self.pipeline(self._at_window(info, *draw_content(tile.window, size, distance, content)))

    def _sample_info(self, index: int, draws: bool = True) -> dict:
        """Return the annotations of a sample's image, with its ``tile`` if it is one."""
        if self.tile_table is None:
            return self.image_info(index)
        tile = self.tile_table.pick(index, draws)
        return {**self.image_info(tile.image), 'tile': tile, 'sample_idx': index}

    def _at_window(self, info: dict, window: Window, content: dict) -> dict:
        return {**info, **content, 'window': window, 'height': window.height, 'width': window.width}

    def _index_after(self, index: int, image: int) -> int:
        """Return the index of the sample that replaces one of an unreadable image: of the next image."""
        return (index + 1) % len(self) if self.tile_table is None else self.tile_table.first_after(image)

    def open_whole(self, info: dict) -> WindowedImage:
        """Open the image of annotations, such as those of a sample of evaluation that is not read.

        Raises:
            BadImage: if it can't be read, or is not of the annotated size.
        """
        reading = self._reading
        if reading is None:
            raise UserError('images are read by tiles, which takes convnext_dense.LoadImage as the first step')
        return reading.open({**info, **self.size_of(info)._asdict()})

    def size_of(self, info: dict) -> ImageSize:
        """Return the size of an image by its annotations."""
        return ImageSize(info['height'], info['width'])

    def __getitem__(self, key: int | SeededIndex) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, None)
        if self.test_mode and self.tiles is not None:
            info = self.image_info(index)
            return {'inputs': NOT_READ, 'data_samples': info, 'path': info['img_path'], 'skipped': []}
        skipped: list[str] = []
        for _ in range(len(self)):
            with nullcontext() if seed is None else seeded(seed):
                info = self._sample_info(index)
                path, image = info['img_path'], info['tile'].image if 'tile' in info else index
                try:
                    sample = self.prepare(info)
                except BadImage as error:
                    if self.on_bad_image == 'stop':
                        raise UserError(f'{error}: fix or remove it, or skip it with --on-bad-image skip') from None
                    skipped.append(path)
                    if len(skipped) == MAX_UNREADABLE_IN_A_ROW:
                        raise too_many_unreadable(skipped, error) from None
                    if self.test_mode:
                        return {'inputs': None, 'data_samples': None, 'path': path, 'skipped': skipped}
                    index = self._index_after(index, image)
                    continue
            if sample is not None:  # None if a random crop left no annotations
                return {**sample, 'path': path, 'skipped': skipped}
            index = (index + 1) % len(self)
        raise UserError(f'no training image can be used, the first was {path}')


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Transform that reads an image to ``img``, uint8 or float32 (H, W, 3), BGR, for mmcv's transforms.

    With ``bands`` it is float32 (H, W, C), the values of C bands as stored, in their order.

    With a ``window`` in the annotations, it is that part of the image, of ``image_size``.

    The image is rotated upright by its EXIF orientation, unless the annotated size (``height``, ``width``) matches the
    image as stored. Where both sizes are the same, ``is_upright`` decides: True turns it.

    Args:
        value_range: the values that become black and white, of images of any depth; None for the rule of
            :func:`~convnext_dense.io.value_range.find_value_range`.
        to_float32: the image is float32, with the levels 0 to 255, which later steps then do not round.
        bands: numbers of the bands, from 1; None reads RGB.
        stored_bands, dtype: number of bands and type of all images; None for any.
        fill: the value of each band that takes the place of NaN and infinity.
        shown: the three bands that drawings show; None for the first three, or the only one.
        page, max_pixels: the page of files with several, counted from 1, and the pixels of the largest image that is
            decoded; None for those of :class:`~convnext_dense.io.opening.Opening`.

    Raises:
        BadImage: if the image can't be decoded, its size differs from the annotated one, its value range is
            ambiguous, or it does not have the bands.
    """

    def __init__(
        self,
        value_range: Sequence[float] | None = None,
        to_float32: bool = False,
        bands: Sequence[int] | None = None,
        stored_bands: int | None = None,
        dtype: str | None = None,
        fill: Sequence[float] | float = 0.0,
        shown: Sequence[int] | None = None,
        page: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self.value_range = as_value_range(value_range)
        self.opening = as_opening(page, max_pixels)
        self.to_float32 = to_float32
        self.fill = fill
        chosen = as_bands(bands)
        if chosen == ALL:
            raise UserError("bands='all' is for the whole config, where the statistics of the data tell their number")
        self.bands = None if chosen is None else BandInput(tuple(chosen), tuple(chosen[:3]), stored_bands, dtype)
        self.shown = ShownBands(tuple(shown or ())) if shown or not self.bands else ShownBands(self.bands.shown)

    def open(self, results: dict) -> WindowedImage:
        """Open an image by its annotations, to read windows.

        Raises:
            BadImage: see above.
        """
        size = results.get('image_size') or (results['height'], results['width'])
        try:
            return WindowedImage.open(
                results['img_path'],
                bands=self.bands,
                fill=self.fill,
                value_range=self.value_range,
                opening=self.opening,
                expected=ImageSize(*size),
                is_upright=results.get('is_upright', False),
                retry_missing=True,
            )
        except UserError as error:
            raise BadImage(str(error)) from error

    def transform(self, results: dict) -> dict:
        path = results['img_path']
        if 'window' in results:
            return self._read_window(results)
        expected = ImageSize(results['height'], results['width']) if 'width' in results else None
        if self.bands is not None:
            return self._read_bands(results, self.bands, expected)
        try:
            with open_image(path, retry_missing=True, opening=self.opening) as image:
                turn = is_turned(image, expected, results.get('is_upright', False))
                rgb = np.asarray(decode(image, self.value_range, turn=turn))
        except Exception as error:  # Pillow's decoders raise many types for broken files
            raise BadImage(f'bad image {path} ({describe_read_error(error)})') from None
        size = check_size(rgb, path, expected)
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        results['img'] = bgr.astype(np.float32) if self.to_float32 else bgr
        results['img_shape'] = results['ori_shape'] = tuple(size)
        return results

    def _read_window(self, results: dict) -> dict:
        window = results['window']
        with self.open(results) as image:
            try:
                pixels = image.read(window)
            except UserError as error:
                raise BadImage(str(error)) from None
        if self.bands is None:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
            pixels = pixels.astype(np.float32) if self.to_float32 else pixels
        results['img'] = pixels
        results['img_shape'] = results['ori_shape'] = tuple(window.size)
        return results

    def _read_bands(self, results: dict, bands: BandInput, expected: ImageSize | None) -> dict:
        path = results['img_path']
        try:
            image = read_input(path, bands, self.fill, self.opening)
        except UserError as error:
            raise BadImage(str(bad_image(path, error))) from None
        size = check_size(image, path, expected)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = tuple(size)
        return results


def check_size(image: np.ndarray, path: str, expected: ImageSize | None) -> ImageSize:
    """Return the size of an image, which must be the annotated one.

    Raises:
        BadImage: if it is not.
    """
    size = ImageSize.of(image)
    if expected and size != expected:
        raise BadImage(describe_other_size(path, size, expected))
    return size


@FUNCTIONS.register_module()
def collate_dense(samples: Sequence[dict]) -> dict:
    """Collate a batch for mmdet's and mmseg's data preprocessors: lists of ``inputs`` and ``data_samples``.

    ``paths`` are the paths of the batch's images, ``skipped`` those of unreadable images, which are omitted. With
    several views per image (test-time augmentation), ``inputs`` and ``data_samples`` have a list for each view.
    """
    readable = [sample for sample in samples if sample['inputs'] is not None]
    inputs, data_samples = [s['inputs'] for s in readable], [s['data_samples'] for s in readable]
    if inputs and isinstance(inputs[0], list):
        inputs, data_samples = ([list(view) for view in zip(*views, strict=True)] for views in (inputs, data_samples))
    return {
        'inputs': inputs,
        'data_samples': data_samples,
        'paths': [s['path'] for s in readable],
        'skipped': [path for s in samples for path in s['skipped']],
    }
