"""The parts that the data sets of detection and segmentation share: reading images, skipping bad ones, batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import MAX_UNREADABLE_IN_A_ROW, as_rgb, describe_read_error, open_image, too_many_unreadable, upright
from ..registry import FUNCTIONS, TRANSFORMS
from .sampler import SeededIndex, seeded


class BadImage(UserError):
    """An image that can't be used."""


class DenseDataset:
    """Mixin for an mmengine data set: seeds the augmentation, and stops at images that can't be read or skips them.

    ``dataset[index]`` and ``dataset[index, seed]`` give the pipeline's dict, with the image's ``path`` and a list
    ``skipped`` of the paths of unreadable images that were skipped.
    """

    on_bad_image: str  # 'stop' or 'skip'
    test_mode: bool
    prepare_data: Any

    def __len__(self) -> int:
        return super().__len__()  # type: ignore[misc]

    def image(self, index: int) -> tuple[str, ImageSize | None]:
        """Return an image's path, and the size that its annotations were made for, where they say so."""
        info = self.get_data_info(index)
        return info['img_path'], ImageSize(info['height'], info['width']) if 'width' in info else None

    def get_data_info(self, key: int | SeededIndex) -> dict:
        return super().get_data_info(key[0] if isinstance(key, tuple) else key)  # type: ignore[misc]

    def __getitem__(self, key: int | SeededIndex) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, None)
        skipped: list[str] = []
        for _ in range(len(self)):
            path = self.get_data_info(index)['img_path']
            with nullcontext() if seed is None else seeded(seed):
                try:
                    sample = self.prepare_data(index)
                except BadImage as error:
                    if self.on_bad_image == 'stop':
                        raise UserError(
                            f'{error}: fix or remove it, or go on without it: --on-bad-image skip'
                        ) from None
                    skipped.append(path)
                    if len(skipped) == MAX_UNREADABLE_IN_A_ROW:
                        raise too_many_unreadable(skipped) from None
                    if self.test_mode:
                        return {'inputs': None, 'data_samples': None, 'path': path, 'skipped': skipped}
                    sample = None
            if sample is not None:  # None where a random crop left nothing to learn from
                return {**sample, 'path': path, 'skipped': skipped}
            index = (index + 1) % len(self)
        raise UserError(f'no training image can be used, the first was {path}')


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Decode an image to ``img``, uint8 (H, W, 3) in BGR, as mmcv's transforms take it.

    It is turned as its EXIF says, unless its annotations (``height``, ``width``) were made for the unturned one.

    Raises:
        BadImage: if it can't be decoded, or is not of the size that its annotations were made for.
    """

    def transform(self, results: dict) -> dict:
        path = results['img_path']
        expected = ImageSize(results['height'], results['width']) if 'width' in results else None
        try:
            with open_image(path, retry_missing=True) as image:
                rgb = np.asarray(as_rgb(image if ImageSize.of(image) == expected else upright(image)))
        except Exception as error:  # Pillow's decoders leak whatever a broken file makes them run into
            raise BadImage(f'bad image {path} ({describe_read_error(error)})') from None
        size = ImageSize.of(rgb)
        if expected and size != expected:
            raise BadImage(f'bad image {path} (it is {size}, its annotations say {expected}, height x width)')
        results['img'] = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        results['img_shape'] = results['ori_shape'] = tuple(size)
        return results


@FUNCTIONS.register_module()
def collate_dense(samples: Sequence[dict]) -> dict:
    """Collate a batch for mmdet's and mmseg's data preprocessors: lists of ``inputs`` and ``data_samples``.

    Unreadable images are left out; ``paths`` has those of the others, ``skipped`` those of the unreadable ones. Where
    each image comes in several views (test-time augmentation), ``inputs`` and ``data_samples`` are lists of such
    lists, one for each view.
    """
    good = [sample for sample in samples if sample['inputs'] is not None]
    inputs, data_samples = [s['inputs'] for s in good], [s['data_samples'] for s in good]
    if inputs and isinstance(inputs[0], list):
        inputs, data_samples = ([list(view) for view in zip(*views, strict=True)] for views in (inputs, data_samples))
    return {
        'inputs': inputs,
        'data_samples': data_samples,
        'paths': [s['path'] for s in good],
        'skipped': [path for s in samples for path in s['skipped']],
    }
