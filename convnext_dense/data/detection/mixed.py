"""Data set whose samples are made of several images of another one: mosaics, and images mixed in pairs."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from torch.utils.data import Dataset

from ...errors import UserError
from ...registry import DATASETS
from ..sampler import SeededIndex, seeded


@DATASETS.register_module()
class MixedImages(Dataset):
    """Wrapper of a data set with a pipeline of which some steps take several images, as those of :mod:`.mixing`.

    Such a step has mmdet's method ``get_indexes``, which draws the other images. It gets them as ``mix_results``, each
    after the same earlier steps as the image itself: a ``MixUp`` after a ``Mosaic`` mixes two mosaics. That is what
    mmdet's ``CachedMosaic`` and ``CachedMixUp`` do with the images that they remember; here all images are drawn from
    the whole data set, and a sample depends on its seed alone, so that a resumed run goes on exactly.

    With ``mixes_plain`` it is mmdet's ``MultiImageMixDataset``, whose ``MixUp`` mixes a mosaic with a single image,
    but for two things: seeds, and where the pipeline leaves no object, the next image is taken; there the run ends.

    Args:
        dataset: the data set or its config, with a pipeline that ends before the packing.
        pipeline: configs of transforms; the last one packs the sample. ``mmdet.PipelineSwitchHook`` may replace them,
            and ``mmdet.YOLOXModeSwitchHook`` leave out some.
        mixes_plain: the other images of a step are those of the data set, without the steps before it.

    Attributes:
        pipeline: the composed transforms.
    """

    takes_seeds = True

    def __init__(self, dataset: Any, pipeline: Sequence, mixes_plain: bool = False) -> None:
        self.dataset: Any = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.pipeline: Any = Compose(pipeline)
        self.mixes_plain = mixes_plain
        self._steps = list(pipeline)
        self._drawn_up_to: np.ndarray | None = None  # cumulative chances of the other images; None for equal ones

    def update_skip_type_keys(self, skip_type_keys: Sequence[str]) -> None:
        """Leave out the steps of these types from now on, as mmdet's ``YOLOXModeSwitchHook`` has it.

        A line of the log says which, and which go on mixing images, as with other names than the pipeline has.
        """
        skipped = [step['type'] for step in self._steps if step['type'] in skip_type_keys]
        self.pipeline = Compose([step for step in self._steps if step['type'] not in skip_type_keys])
        logger = MMLogger.get_current_instance()
        if skipped:
            logger.info(f'left out of the training pipeline from now on: {", ".join(skipped)}')
        mixing = [type(step).__name__ for step in self.pipeline.transforms if hasattr(step, 'get_indexes')]
        if mixing:
            logger.warning(
                f'{", ".join(mixing)} of the training pipeline will go on mixing images: the steps to leave out are '
                f'{", ".join(skip_type_keys)}'
            )

    def draw_others_by(self, weights: np.ndarray) -> None:
        """Draw the other images of a step in proportion to weights, (N,), rather than all alike."""
        self._drawn_up_to = np.cumsum(weights) / np.sum(weights)

    def _drawn(self, index: int) -> int:
        """Return the image for an index that a step drew from all alike."""
        if self._drawn_up_to is None:
            return index
        place = (index + random.random()) / len(self)
        return min(int(np.searchsorted(self._drawn_up_to, place, side='right')), len(self) - 1)

    @property
    def metainfo(self) -> dict:
        """The metainfo of the data set inside."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Read the annotations of the data set inside, if it has not."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, key: int | SeededIndex) -> dict:
        """Return the annotations of the first image of a sample."""
        return self.dataset.get_data_info(key)

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, key: int | SeededIndex) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, None)
        skipped: list[str] = []
        with nullcontext() if seed is None else seeded(seed):
            sample, path = self._make(index, self.pipeline.transforms, skipped)
        return {**sample, 'path': path, 'skipped': skipped}

    def _make(self, index: int, steps: Sequence[Any], skipped: list[str]) -> tuple[dict, str]:
        """Apply steps to an image, or to the next one that they leave something of.

        Args:
            index: index of the image.
            steps: the first steps of the pipeline.
            skipped: list that gets the paths of unreadable images.

        Returns:
            The result, and the path of its image.
        """
        for _ in range(len(self)):
            results = dict(self.dataset[index])
            path = results.pop('path', results.get('img_path', 'an image without a path'))
            skipped += results.pop('skipped', [])
            if (made := self._apply(results, steps, skipped)) is not None:
                return made, path
            index = (index + 1) % len(self)
        raise UserError(f'no training image can be used: the pipeline leaves no object of any, the last was {path}')

    def _apply(self, results: dict, steps: Sequence[Any], skipped: list[str]) -> dict | None:
        for number, step in enumerate(steps):
            if hasattr(step, 'get_indexes'):
                drawn = step.get_indexes(self.dataset)
                indices = drawn if isinstance(drawn, Sequence) else [drawn]
                before = () if self.mixes_plain else steps[:number]
                results['mix_results'] = [self._make(other, before, skipped)[0] for other in map(self._drawn, indices)]
            changed = step(results)
            if changed is None:
                return None
            changed.pop('mix_results', None)
            results = changed
        return results
