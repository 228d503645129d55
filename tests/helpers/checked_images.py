"""Checking an image folder in tests."""

from pathlib import Path

from convnext_dense.data.check import CheckResult, check_dataset
from convnext_dense.data.classification.check import read_image_folder


def checked_images(root: Path, workers: int = 1, **options) -> CheckResult:
    sources = {split: {'root': str(root), 'split': split} for split in ('train', 'val')}
    return check_dataset(read_image_folder(sources), workers, **options)
