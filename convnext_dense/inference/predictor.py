"""Load a model from a config and a checkpoint, and predict results for images.

predict = load('configs/det/cascade_convnext_t_coco.py', 'work_dirs/cascade_convnext_t_coco/epoch_36.pth')
result = predict('street.jpg')
result.draw('out.png')
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel, revert_sync_batchnorm
from mmengine.registry import DefaultScope

from ..checkpoints import files as checkpoints
from ..config.compare import warning_of_differences
from ..config.find import find_run_config
from ..config.preprocessing import Chosen, Told, follow_weights
from ..config.read import read_config
from ..engine.building import build_model, config_errors
from ..errors import BadImage, UserError
from ..export.graphs import Graph, Normalization
from ..io.band_choice import as_bands
from ..io.band_images import ShownBands
from ..io.image_size import ImageSize
from ..io.opening import as_opening
from ..io.value_range import as_value_range
from ..io.windowed_image import WindowedImage
from ..models.tiled import TiledModel
from ..results import Result
from ..results.colors import class_colors
from ..tasks import ClassInfo, PreparedImage, check_same_task, count_classes_of, set_classes, task_of, tested_dataset
from ..tasks.bands import BandOptions, band_input
from ..tasks.tiled_results import TiledFile, TileProgress, bad_images
from ..tasks.tiles import TileOptions, describe_tiles, tiles_of
from ..weights.extraction import dataset_meta, extract_weights, learned_masks, trained_bands
from ..weights.licenses import Origin, warn_of_license
from ..weights.loading import load_full_model
from ..weights.preprocessing import describe_difference
from ..weights.reader import read_checkpoint
from .best_scores import BEST, read_best_scores
from .fingerprint import describe_file, hash_settings, hash_weights
from .read_images import ImageLike, read_bands, read_colors

DRAWN_SIDE = 4096
"""Pixels of the longer side of drawings of images that are predicted in tiles, at most."""


def load(
    config: str | Path,
    checkpoint: str | Path | None = None,
    weights: Literal['raw', 'ema'] = 'raw',
    device: str | torch.device | None = None,
    data: Literal['sample', 'sample-large', 'sample-large-6band'] | None = None,
    options: dict | None = None,
    trust_pickle: bool = False,
    image_size: tuple[int, int] | None = None,
    value_range: tuple[float, float] | None = None,
    label_zero: Literal['ignore', 'class'] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    bands: Sequence[int] | Literal['all'] | None = None,
    display_bands: Sequence[int] | None = None,
    page: int | None = None,
    max_pixels: int | None = None,
    tile: int | tuple[int, int] | None = None,
    overlap: float | None = None,
    whole_image: bool | None = None,
    score: float | Literal['best'] | None = None,
) -> Predictor:
    """Load a classifier, detector or segmentor.

    The classes come from the checkpoint; where it does not name them, they are ``class_0``, ``class_1`` and so on. A
    warning on standard error names settings of the config by which it does not predict as the checkpoint's run did.
    Images are prepared as the weights were made for: mean and std follow them, and a classifier's size, crop and
    interpolation, where weights from elsewhere tell them.

    Args:
        config: the config that the checkpoint was trained with, which also says how images are prepared. Or, without
            ``checkpoint``, the work dir of a run or a checkpoint in it: the config is the one that the run saved. That
            one is read without running it, and may name parts of this package, mmdet, mmseg, mmcv and mmengine only.
        checkpoint: a path, a URL or a name, as ``--pretrained`` takes them, or a work dir for its newest; it can't run
            code unless it is trusted.
        weights: ``'raw'``, or ``'ema'`` for their moving average.
        device: None for the GPU where there is one.
        data: ``'sample'`` for a model that was trained with ``--data sample``; or another of the drawn data sets.
        options: changes to the config, ``{'a.b': value}``.
        trust_pickle: allow the checkpoint to run code, if it can't be read otherwise.
        image_size: height and width at which images enter the network; None for the config's.
        value_range: the values of images that become black and white; None for the config's.
        label_zero: for a segmentor whose checkpoint does not say it: whether label 0 of its masks means unlabeled or
            is a class, which decides the numbers in the label maps that it writes.
        mean, std: of RGB values from 0 to 1, which images are normalized with; None for those of the config, if they
            are not ImageNet's, or of the weights.
        bands: numbers, from 1, of the bands of images that the network takes as stored; None for those of the
            checkpoint.
        display_bands: the three that drawings show; None for red, green and blue.
        page, max_pixels: how image files are opened; see :class:`~convnext_dense.io.opening.Opening`.
        tile: height and width, or one number for both, of the tiles that images are cut into, in pixels; None for
            those of the run or config, if it has any. They enter the network at their own size, unless ``image_size``
            says another.
        overlap: share of a tile's side, in [0, 0.5], by which neighbors overlap.
        whole_image: a detector also predicts for the shrunk whole image, for things larger than a tile.
        score: leave out detections below it; ``'best'`` for the best one of each class in the diagnosis of the run,
            which ``convnext-dense diagnose`` makes. None for all.

    Raises:
        UserError: if config or checkpoint can't be read, or don't fit each other.
    """
    chosen = _choose_device(device)
    saved = checkpoint is None
    if checkpoint is None:
        config, checkpoint = find_run_config(config), config
    size = None if image_size is None else ImageSize(*image_size)
    images: dict[str, Any] = {'image_size': size, 'value_range': as_value_range(value_range)}
    images.update(as_opening(page, max_pixels)._asdict())
    file = checkpoints.find(checkpoint)
    content = read_checkpoint(file, trust_pickle)
    images['boxes_only'] = learned_masks(content) is False
    images['bands'] = BandOptions(as_bands(bands), None, display_bands, trained=trained_bands(content))
    images['tiles'] = tiles = TileOptions.of(tile, overlap, whole_image)
    cfg = read_config(str(config), options, data, needs_data=False, saved=saved, label_zero=label_zero, **images)
    if (mean is None) != (std is None):
        raise UserError(f'{"mean" if std is None else "std"} is given alone: give mean and std')
    chosen_values = Chosen(mean, std, options or {}, image_size)
    told = Told.by(extract_weights(content, file, weights))
    if line := follow_weights(cfg, told, chosen_values, evaluates=True):
        print(line, file=sys.stderr)
    if said := describe_tiles(cfg, tiles, image_size):
        print(said, file=sys.stderr)
    changed = [*chosen_values.changed_keys(cfg), *tiles.changed_keys]
    warning = warning_of_differences(cfg, config, checkpoint, changed)
    if warning is not None:
        print(f'warning: {warning}', file=sys.stderr)
    if not saved and (said := task_of(cfg).describe_masks(cfg)):
        print(said, file=sys.stderr)
    predict = build_predictor(cfg, file, content, weights, chosen)
    if license := warn_of_license(predict.origin):
        print(license, file=sys.stderr)
    if score == BEST:
        best = read_best_scores(checkpoint, file, weights, predict.names, predict.task)
        predict.score = best.scores
        print(best.line, file=sys.stderr)
    elif score is not None:
        predict.score = float(score)
    return predict


def build_predictor(
    cfg: Config,
    checkpoint: Path,
    content: Mapping[str, Any],
    weights: Literal['raw', 'ema'] = 'raw',
    device: torch.device | str = 'cpu',
) -> Predictor:
    """Build the model of a config with the weights and the classes of a checkpoint.

    Args:
        cfg: a config from :func:`~convnext_dense.config.read.read_config`; its model gets the checkpoint's classes.
        checkpoint: the checkpoint's file, for messages.
        content: its content.
        weights: ``'raw'``, or ``'ema'`` for their moving average.
        device: the device of the model.

    Raises:
        UserError: if the checkpoint does not match the config.
    """
    task = task_of(cfg)
    found = extract_weights(content, checkpoint, weights)
    meta = dataset_meta(content)
    check_same_task(found, task)
    names = [str(name) for name in found.classes or [f'class_{k}' for k in range(count_classes_of(found, cfg))]]
    if line := describe_difference(task.preprocessing(cfg), found.preprocessing, checkpoint):
        print(f'warning: {line}', file=sys.stderr)
    stuff = task.count_trained_stuff(cfg, meta)
    set_classes(cfg, len(names), stuff)
    task.prepare_config(cfg)
    model = revert_sync_batchnorm(build_model(cfg))
    try:
        load_full_model(model, found)
    except UserError:
        count_classes_of(found, cfg)  # an error that there is no head says more than one about its layers
        raise
    colors: Any = meta.get('palette')
    if np.shape(colors) != (len(names), 3):  # absent, or 'random' as in some data sets
        colors = class_colors(names)
    first_label = task.first_label(cfg, meta, checkpoint)
    classes = ClassInfo(names, np.array(colors, np.uint8), meta.get('category_ids'), first_label, stuff)
    return Predictor(model.to(device).eval(), cfg, classes, found.origin)


class Predictor:
    """A model that predicts results for images; use :func:`load` to build it.

    An image is a path, an array (uint8 (H, W, 3), RGB), or a PIL image; for a network of bands, a path or an array
    (H, W, B) with all bands of the images that it was trained on, as stored. Files and PIL images may have any mode,
    and are rotated upright by their EXIF orientation. Results are at the full size of the upright image.

    Args:
        model: an mmengine model in evaluation mode.
        cfg: the model's config.
        classes: the model's classes.
        origin: the weights of others that it was trained from, and their license.

    Attributes:
        model: the model.
        task: the config's task, see :class:`~convnext_dense.tasks.Task`.
        classes: names, colors and ids of the K classes.
        origin: the weights of others that it was trained from, and their license; None if there are none.
        input_shape: height and width at test time: of a classifier's input, of a segmentor's window, or of a
            detector's largest landscape image.
        value_range: the values of images that become black and white, or None; see
            :func:`~convnext_dense.io.images.decode`. Arrays are taken as they are. For a network of bands, those that
            drawings show.
        bands: the bands that the network takes; None for RGB of 8 bits.
        opening: how image files are opened.
        score: detections below it are left out, or one for each class, (K,); None for all.
        tiles: the tiles that images are cut into, whose results are merged; None for images as a whole. Drawings of
            tiled images have up to :data:`DRAWN_SIDE` pixels a side.
    """

    def __init__(self, model: BaseModel, cfg: Config, classes: ClassInfo, origin: Origin | None = None) -> None:
        self.model = model
        self.origin = origin
        self.task = task_of(cfg)
        self.classes = classes
        self.score: float | np.ndarray | None = None
        self.input_shape = self.task.input_shape(cfg)
        self.value_range, self.opening = self.task.value_range(cfg), self.task.opening(cfg)
        self.bands, self.tiles = band_input(cfg), tiles_of(cfg)
        self._cfg = cfg
        with config_errors('test_dataloader', cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
            self._transform = self.task.build_transform(tested_dataset(cfg))

    @property
    def names(self) -> Sequence[str]:
        """The names of the K classes."""
        return self.classes.names

    @property
    def normalization(self) -> Normalization:
        """Mean and standard deviation (3,) of the network's input normalization, for RGB values from 0 to 255."""
        return self.task.normalization(self.model, self._transform)

    def graph(self, output: str | None = None) -> Graph:
        """Build the model's graph for an export, in evaluation mode.

        Args:
            output: a name in ``task.exports``; None for the first.

        Raises:
            UserError: if there is no such output, or the backbone has no features of four stages.
        """
        graph = self.task.build_graph(self.model, self.normalization, output)
        if self.tiles is not None:
            graph.left_out += f', cutting it into tiles of {self.tiles.size} and merging what is found in them'
        return graph

    def __call__(self, image: ImageLike) -> Result:
        """Predict the result for one image.

        Raises:
            UserError: if the image can't be used.
        """
        return next(self.batch([image]))

    def batch(
        self,
        images: Iterable[ImageLike],
        batch_size: int = 1,
        failed: Callable[[ImageLike, UserError], object] | None = None,
    ) -> Iterator[Result]:
        """Predict the results for many images, in their order.

        Images are read from ``images`` only when needed. Results do not depend on the batch size: only images of the
        same network input size are batched. With tiles, they are predicted one after the other.

        Args:
            images: the images.
            batch_size: number of images in memory at once; with tiles, number of those.
            failed: function called with each image that can't be used and its error; the image then has no result.
                None raises the error.
        """
        if self.tiles is not None:
            yield from self._batch_of_tiles(images, batch_size, failed)
            return
        images = iter(images)
        while batch := list(islice(images, batch_size)):
            prepared = []
            for image in batch:
                try:
                    prepared.append(self._prepare(image))
                except UserError as error:
                    if failed is None:
                        raise
                    failed(image, error)
            yield from self._predict(prepared)

    def predict_tiles(
        self,
        image: ImageLike,
        batch_size: int = 1,
        progress: TileProgress | None = None,
        file: str | Path | None = None,
    ) -> Result:
        """Predict the result for one image, tile by tile.

        Args:
            image: the image, of any size.
            batch_size: number of tiles that are predicted at once.
            progress: is told of the tiles.
            file: the TIFF file for a result that is as large as the image, a label map or segments, which need not fit
                into memory then; the image is a path. A prediction that was interrupted is continued. None for
                results in memory.

        Raises:
            BadImage: if the image can't be used.
            UserError: if the file can't be written, or what is there is of another prediction; if there are no
                :attr:`tiles`, or a file that nothing is written to.
        """
        if self.tiles is None:
            raise UserError('the predictor has no tiles: load it with tile=640, or another number of pixels')
        if file is not None and not (self.task.tiled_files and isinstance(image, str | Path)):
            what = 'objects are not written to a file' if isinstance(image, str | Path) else 'the image has no path'
            raise UserError(f'file={str(file)!r}: {what}, leave it out')
        tiled = TiledModel(self.model, self._transform, self.tiles, batch_size)
        with bad_images():
            opened = self._open(image)
            out = None if file is None else TiledFile(Path(file), self._fingerprint(str(image)))
        with opened:
            result = self.task.predict_tiles(tiled, opened, self.classes, progress or TileProgress(), out)
        return self._kept(replace(result, value_range=self.value_range, opening=self.opening, drawn_side=DRAWN_SIDE))

    @torch.inference_mode()
    def predict_whole(
        self, images: Sequence[ImageLike], size: ImageSize | None = None
    ) -> tuple[torch.Tensor, list[Result]]:
        """Predict as an exported file does: for images at the network's input size, each as a whole.

        Args:
            images: the images, which must have one size after their preparation if ``size`` is None.
            size: height and width to resize the prepared images to; None to keep theirs.

        Returns:
            The input of the file, float32 (N, 3, H, W), RGB, 0 to 255, and the results, in pixels of that input.

        Raises:
            UserError: if an image can't be used.
        """
        prepared = []
        for image in images:
            own = self._prepare(image)
            prepared.append(self.task.resize_prepared(own, size or ImageSize(*own.tensor.shape[1:])))
        inputs = torch.stack([self.task.exported_input(image, self.normalization) for image in prepared])
        with self.task.whole_inference(self.model):
            return inputs, self.task.predict(self.model, prepared, self.classes)

    def _batch_of_tiles(
        self, images: Iterable[ImageLike], batch_size: int, failed: Callable[[ImageLike, UserError], object] | None
    ) -> Iterator[Result]:
        for image in images:
            try:
                result = self.predict_tiles(image, batch_size)
            except BadImage as error:
                if failed is None:
                    raise
                failed(image, error)
            else:
                yield result

    def _kept(self, result: Result) -> Result:
        return result if self.score is None else result.above(self.score)

    def _open(self, image: ImageLike) -> WindowedImage:
        """Open an image to read windows of it, which are what :meth:`_prepare` reads of the whole."""
        fill = self.normalization.mean.tolist() if self.bands is not None else 0.0
        if isinstance(image, str | Path):
            value_range = None if isinstance(self.value_range, ShownBands) else self.value_range
            reading = dict(bands=self.bands, fill=fill, value_range=value_range, opening=self.opening)
            return WindowedImage.open(image, **reading)  # type: ignore[arg-type]
        return WindowedImage.of(self._read(image)[1])

    def _fingerprint(self, path: str) -> dict[str, object]:
        """Return what the prediction for an image file depends on, besides the tiles."""
        return {
            'image': describe_file(path),
            'weights': self._hash_of_weights,
            'model and pipeline': hash_settings(self._cfg),
            'bands': list(self.bands.bands) if self.bands else 'RGB',
            'value range': str(self.value_range) if self.bands is None and self.value_range else None,
            'page': self.opening.page,
        }

    @cached_property
    def _hash_of_weights(self) -> str:
        return hash_weights(self.model)

    def _read(self, image: ImageLike) -> tuple[str | None, np.ndarray]:
        """Return the path of an image, or None, and its pixels as the network takes them."""
        if self.bands is not None:
            return read_bands(image, self.bands, self.normalization.mean.tolist(), self.opening)
        assert not isinstance(self.value_range, ShownBands)
        return read_colors(image, self.value_range, self.opening)

    def _prepare(self, image: ImageLike) -> PreparedImage:
        path, pixels = self._read(image)
        return self.task.prepare(self._transform, pixels, path)

    @torch.inference_mode()
    def _predict(self, images: Sequence[PreparedImage]) -> list[Result]:
        """Predict in batches of images of the same size, and return the results in the order of the images."""
        results: dict[int, Result] = {}
        shapes = [image.tensor.shape for image in images]
        for shape in dict.fromkeys(shapes):
            indices = [index for index, own in enumerate(shapes) if own == shape]
            predicted = self.task.predict(self.model, [images[index] for index in indices], self.classes)
            for index, result in zip(indices, predicted, strict=True):
                results[index] = self._kept(replace(result, value_range=self.value_range, opening=self.opening))
        return [results[index] for index in range(len(images))]


def _choose_device(device: str | torch.device | None) -> torch.device:
    """Return the given device, or by default the GPU if there is one.

    Raises:
        UserError: if the device is a GPU and there is none.
    """
    chosen = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    if chosen.type == 'cuda' and not torch.cuda.is_available():
        raise UserError(f'device {chosen}: torch finds no GPU on this machine, take the device cpu')
    return chosen
