"""Settings and configs that messages about COCO files name, as they are to be given."""

from __future__ import annotations

DATA_SETS = ('train_dataloader.dataset', 'val_dataloader.dataset', 'test_dataloader.dataset')
FOR_BOXES = 'take a config for boxes, such as configs/det/cascade_rcnn_convnext_t_coco.py'
BOXES_ALONE = '--cfg-options boxes_only=True'
"""Option with which a detector with a mask head learns boxes alone."""


def for_each_data_set(setting: str) -> str:
    """Write a setting for the data of training, validation and testing."""
    return f'--cfg-options {" ".join(f"{key}.{setting}" for key in DATA_SETS)}'
