"""Samples of an image/mask folder through a pipeline, as arrays."""

import numpy as np

import convnext_dense.data.segmentation.dataset
import convnext_dense.models.segmentor  # noqa: F401  (both register what the pipelines name)
from convnext_dense.registry import DATASETS
from tests.helpers.mask_folder import COLORS

LOAD = [dict(type='convnext_dense.LoadImage'), dict(type='convnext_dense.LoadMask')]


PACK = [dict(type='mmseg.PackSegInputs')]


CROP = dict(type='convnext_dense.RandomCrop', crop_size=(24, 32), cat_max_ratio=0.75)


FLIP = dict(type='mmcv.RandomFlip', prob=0.5)


RESIZE = dict(type='mmcv.RandomResize', scale=(112, 80), ratio_range=(0.5, 2.0), keep_ratio=True)


COLOR = dict(type='convnext_dense.PhotoMetricDistortion')


def mask_folder(root, *transforms, split='training', **options):
    pipeline = [*LOAD, *transforms, *PACK]
    return DATASETS.build(
        dict(type='convnext_dense.MaskFolder', root=str(root), split=split, pipeline=pipeline, **options)
    )


def arrays(sample: dict) -> tuple[np.ndarray, np.ndarray]:
    """The image, RGB (H, W, 3), and its labels, (H, W)."""
    return sample['inputs'].numpy()[::-1].transpose(1, 2, 0), sample['data_samples'].gt_sem_seg.data[0].numpy()


def colors_of(classes: np.ndarray, reduced: bool = True) -> np.ndarray:
    """What the image of these classes looks like; class 255 is label 0, which is black."""
    return COLORS[np.where(classes == 255, 0, classes + 1) if reduced else classes]
