"""Evaluation of images that are predicted by tiles: whole images for the metrics, in bounded memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.model import is_model_wrapper
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from ..data.foreign import innermost
from ..errors import BadImage, UserError
from ..io.window import Window
from ..io.windowed_image import WindowedImage
from ..models.tiled import TiledModel
from ..models.tiled.convert import panoptic_map
from ..tiling.settings import TileSettings
from .kept_maps import KeptMaps

Labels = tuple[np.ndarray, np.ndarray]
"""Predicted and true labels of a part of an image."""
Truth = Callable[[Window], np.ndarray]
Show = Callable[[int, int], object]


class TiledEvaluation:
    """Predictions of a model for the whole images of data sets with ``tiles``, handed to metrics image by image.

    Args:
        model: the model, also in the wrapper of a distributed run.
        dataset: the data set, also inside wrappers.
        tiles: size and overlap of the tiles.
        batch: number of tiles that are predicted at once.
    """

    def __init__(self, model: Any, dataset: Any, tiles: TileSettings, batch: int) -> None:
        self.parts, self.tiles = list(innermost(dataset)), tiles
        model = model.module if is_model_wrapper(model) else model
        self.models = [TiledModel(model, without_loading(part.pipeline), tiles, batch) for part in self.parts]

    @classmethod
    def of(cls, model: Any, dataset: Any, batch: int) -> TiledEvaluation | None:
        """Return the evaluation of a data set; None if its images are not predicted by tiles.

        Raises:
            UserError: if parts of the data set have other tiles than the rest.
        """
        tiles = dict.fromkeys(getattr(part, 'tiles', None) for part in innermost(dataset))
        if len(tiles) > 1:
            different = ', '.join('none' if one is None else f'{one.size} by {one.overlap:g}' for one in tiles)
            raise UserError(f'the parts of the data set have different tiles ({different}): give all the same')
        (one,) = tiles or (None,)
        return None if one is None else cls(model, dataset, one, batch)

    def process(self, batch: dict, evaluator: Evaluator, show: Show | None = None) -> list[BaseDataElement]:
        """Predict the images of a batch and hand them to the metrics.

        Args:
            batch: ``data_samples`` are dicts of annotations; paths of images that can't be read, or are too thin for
                the network, are added to ``skipped``, if their data set skips these.
            evaluator: has the metrics.
            show: called with the number of tiles of an image that are done, and of all.

        Returns:
            A data sample for each other image, with what is predicted for the whole image; without label maps for
            images of more than :data:`MOST_DRAWN` pixels.

        Raises:
            UserError: if there is such an image and its data set does not skip it, or a metric does not take what is
                predicted by tiles.
        """
        outputs = []
        for info in batch['data_samples']:
            number = self._part_of(info)
            dataset, model = self.parts[number], self.models[number]
            try:
                with dataset.open_whole(info) as image:
                    outputs.append(_process(model, dataset, info, image, evaluator, show))
            except BadImage as error:
                if dataset.on_bad_image == 'stop':
                    raise UserError(f'{error}: fix or remove it, or skip it with --on-bad-image skip') from None
                batch['skipped'].append(info['img_path'])
        return outputs

    def _part_of(self, info: dict) -> int:
        return 0 if len(self.parts) == 1 else self._numbers[_files_of(info)]

    @cached_property
    def _numbers(self) -> dict[tuple, int]:
        """The number of the part that has an image, by its files."""
        return {
            _files_of(part.image_info(index)): number
            for number, part in enumerate(self.parts)
            for index in range(part.image_count)
        }


def _files_of(info: dict) -> tuple:
    """Return the image and the mask of annotations: two parts may have other masks of the same images."""
    return info['img_path'], info.get('seg_map_path')


def without_loading(pipeline: Any) -> Compose:
    """Return a pipeline without the steps that load images and annotations, also inside test-time augmentation."""
    kept = []
    for step in getattr(pipeline, 'transforms', ()):
        if type(step).__name__.startswith('Load'):
            continue
        if hasattr(step, 'subroutines'):
            step = copy.copy(step)
            step.subroutines = [without_loading(views) for views in step.subroutines]
        kept.append(step)
    return Compose(kept)


class _Progress:
    """Numbers of tiles of an image that are done, which are shown."""

    def __init__(self, total: int, show: Show | None) -> None:
        self.done, self.total, self.show = 0, total, show

    def __call__(self, tiles: int) -> None:
        self.done += tiles
        if self.show is not None:
            self.show(self.done, self.total)


def _process(
    model: TiledModel, dataset: Any, info: dict, image: WindowedImage, evaluator: Evaluator, show: Show | None
) -> BaseDataElement:
    """Predict an image, hand it to the metrics, and return its data sample."""
    shared = ('img_id', 'img_path', 'instances', 'panoptic', 'seg_map_path')
    known = {key: info[key] for key in shared if key in info}
    sample = BaseDataElement(metainfo={**known, 'ori_shape': tuple(image.size)})
    progress = _Progress(model.count(image.size), show)
    if 'seg_map_path' in info:
        _process_labels(model, image, _truth_of(dataset, info), evaluator, sample, progress)
        return sample
    if 'panoptic' in info:
        ids = panoptic_map(model.segments(image, progress), len(dataset.metainfo['classes']))
        sample.set_data({'pred_panoptic_seg': PixelData(sem_seg=torch.from_numpy(ids)[None])})
    else:
        sample.set_data({'pred_instances': _instances(model, image, evaluator, progress)})
    evaluator.process(data_samples=[sample])
    return sample


def _instances(model: TiledModel, image: WindowedImage, evaluator: Evaluator, progress: _Progress) -> InstanceData:
    """Return the objects of an image, with masks that are cropped."""
    found = model.objects(image, progress)
    arrays = {'bboxes': found.boxes, 'scores': found.scores, 'labels': found.labels}
    instances = InstanceData(**{name: torch.from_numpy(array) for name, array in arrays.items()})
    if found.masks is not None:
        for metric in evaluator.metrics:
            if not getattr(metric, 'takes_crops', False):
                raise UserError(
                    f'{type(metric).__name__} takes masks as large as the image, and those of tiles are cropped: '
                    'evaluate with convnext_dense.CocoAP, or without tiles'
                )
        instances.masks = list(found.masks)
    return instances


def _truth_of(dataset: Any, info: dict) -> Truth:
    """Return a function that reads the ground truth of a window; a mask that has no windows is read once."""
    if dataset.reader.reads_windows(info['seg_map_path']):
        return lambda window: dataset.read_classes(info, window)
    whole = dataset.read_classes(info)
    return lambda window: whole[window.slices]


def _process_labels(
    model: TiledModel,
    image: WindowedImage,
    truth: Truth,
    evaluator: Evaluator,
    sample: BaseDataElement,
    progress: _Progress,
) -> None:
    """Segment an image, and hand its blocks to the metrics; one that takes none gets the whole label map."""
    takes_blocks = len(evaluator.metrics) == 1 and getattr(evaluator.metrics[0], 'takes_blocks', False)
    grid, blocks = model.label_blocks(image, advance=progress)
    progress.total = grid.predictions
    kept = KeptMaps(image.size, grid.classes, not takes_blocks, model.keeps_confidence)

    def parts() -> Iterator[Labels]:
        for block in blocks:
            true = truth(block.window)
            kept.add(block, true)
            yield block.labels, true

    if takes_blocks:
        evaluator.process(data_samples=[{**sample.to_dict(), 'blocks': parts()}])
    else:
        for _ in parts():
            pass
    kept.set_on(sample)
    if not takes_blocks:
        evaluator.process(data_samples=[sample])
