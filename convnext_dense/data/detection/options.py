"""Settings of a config that messages about COCO files name, as the ``--cfg-options`` to give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

TRAINING = 'train_dataloader.dataset'
"""Key of the training data in a config."""
DATA_SETS = (TRAINING, 'val_dataloader.dataset', 'test_dataloader.dataset')
MASK_PARTS = ('model.roi_head.mask_head=None', 'model.roi_head.mask_roi_extractor=None')
"""Settings with which a two-stage detector learns boxes alone."""


def for_each_data_set(setting: str) -> str:
    """Write a setting for the data of training, validation and testing."""
    return f'--cfg-options {" ".join(f"{key}.{setting}" for key in DATA_SETS)}'


def without_masks(pipeline: Sequence[Any]) -> str:
    """Write the settings with which a training pipeline loads no masks."""
    return f'--cfg-options {" ".join(_settings(pipeline))}'


def boxes_alone(pipeline: Sequence[Any]) -> str:
    """Write the settings with which a detector that has a mask head learns boxes alone."""
    return f'--cfg-options {" ".join([*MASK_PARTS, *_settings(pipeline)])}'


def to_learn_boxes(pipeline: Sequence[Any]) -> str:
    """Say which settings leave the masks out, for detectors without and with a mask head."""
    return f'{without_masks(pipeline)} for a detector without masks, {boxes_alone(pipeline)} for one with a mask head'


def _settings(pipeline: Sequence[Any]) -> list[str]:
    return [f'{TRAINING}.pipeline{keys}.with_mask=False' for keys in _loading_steps(pipeline, '')]


def _loading_steps(part: Any, keys: str) -> Iterator[str]:
    """Yield the keys of the steps that load annotations, also of those inside others."""
    if isinstance(part, dict):
        if 'with_mask' in part or str(part.get('type')).split('.')[-1] == 'LoadAnnotations':
            yield keys
        for key, value in part.items():
            yield from _loading_steps(value, f'{keys}.{key}')
    elif isinstance(part, list | tuple):
        for index, item in enumerate(part):
            yield from _loading_steps(item, f'{keys}.{index}')
