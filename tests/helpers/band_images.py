"""Writing a small set of images with masks that can be learned, in five forms that hold the same scenes."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.run_tool import ROOT

SIDE = 64
CLASSES = ('ground', 'water', 'wood')
COLORS = np.array([[150, 110, 70], [40, 80, 160], [90, 220, 60]])
"""Mean levels of each class in red, green and blue."""
OTHERS = np.array([[90, 60, 120], [200, 180, 30], [60, 140, 220]])
"""Mean levels of each class in three further bands."""
KINDS = ('rgb8', 'in16', 'floats', 'int32', 'six')
"""Levels of 8 bits as PNG; 12 bits in 16, shares of one, large numbers with a sign, and six bands of 12 bits in 16."""

CONFIG = f"""
_base_ = '{ROOT / 'configs/seg/upernet_convnext_a_ade20k.py'}'
model = dict(
    backbone=dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]), drop_path_rate=0.0),
    decode_head=dict(in_channels=[8, 16, 24, 32], channels=16, pool_scales=(1, 2), dropout_ratio=0.0),
    auxiliary_head=dict(in_channels=24, channels=8, dropout_ratio=0.0),
    data_preprocessor=dict(size=(64, 64)),
    test_cfg=dict(_delete_=True, mode='whole'),
)
sample_settings = None
pretrained = None
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadMask'),
            dict(type='mmseg.Resize', scale=(64, 64), keep_ratio=True),
            dict(type='convnext_dense.RandomCrop', crop_size=(64, 64)),
            dict(type='mmcv.RandomFlip', prob=0.5),
            dict(type='convnext_dense.PhotoMetricDistortion'),
            dict(type='mmseg.PackSegInputs'),
        ]
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(64, 64), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),
            dict(type='mmseg.PackSegInputs'),
        ]
    ),
)
test_dataloader = val_dataloader
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters=4, val_interval=50, total_batch_size=2)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = []
default_hooks = dict(checkpoint=dict(interval=2))
"""


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw six bands of levels 0 to 255, float (64, 64, 6), and the labels 0 to 2, uint8 (64, 64)."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for label in (1, 2):
        top, left = rng.integers(0, SIDE - 36, 2)
        labels[top : top + 36, left : left + 30] = label
    means = np.concatenate([COLORS, OTHERS], axis=1)[labels]
    return (means + rng.normal(0, 12, means.shape)).round().clip(0, 255), labels


def stored(levels: np.ndarray, kind: str) -> np.ndarray:
    """Convert the six bands of a scene to what an image of this kind stores."""
    if kind == 'six':
        return (levels * 16).astype(np.uint16)
    rgb = levels[..., :3]
    return {
        'rgb8': lambda: rgb.astype(np.uint8),
        'in16': lambda: (rgb * (4095 / 255)).round().astype(np.uint16),
        'floats': lambda: (rgb / 255).astype(np.float32),
        'int32': lambda: (rgb * 1000 - 50000).astype(np.int32),
    }[kind]()


def write_scenes(root: Path, kind: str, training: int = 6, validation: int = 3) -> Path:
    """Write ADE20K's layout; label 0 is a class."""
    root.mkdir(parents=True, exist_ok=True)
    (root / 'classes.txt').write_text('\n'.join(CLASSES))
    for split, count, first in (('training', training, 0), ('validation', validation, 100)):
        for folder in ('images', 'annotations'):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            levels, labels = scene(first + number)
            file = root / 'images' / split / f'{number:02d}'
            values = stored(levels, kind)
            if kind == 'rgb8':
                Image.fromarray(values).save(f'{file}.png')
            else:
                np.save(f'{file}.npy', values)
            Image.fromarray(labels).save(root / 'annotations' / split / f'{number:02d}.png')
    return root


def write_config(path: Path, more: str = '') -> Path:
    path.write_text(CONFIG + more)
    return path
