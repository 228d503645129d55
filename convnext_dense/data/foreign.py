"""Data sets of other libraries and wrappers of data sets, for the loaders of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset

from .sampler import SeededIndex, seeded


class SeededDataset(Dataset):
    """A data set of another library, or a wrapper, with the augmentation seeds of this package's samplers.

    The random generators of Python, numpy and torch are seeded while a sample is made, so that it depends on its seed
    only. A sample that is a dict gets the image's ``path``, and the list ``skipped`` of unreadable images, which only
    data sets of this package fill. All other attributes are the data set's.

    Args:
        dataset: the data set.
    """

    takes_seeds = True

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def get_data_info(self, key: int | SeededIndex) -> dict:
        """Return the annotations of a sample."""
        return self.dataset.get_data_info(key[0] if isinstance(key, tuple) else key)

    def __getitem__(self, key: int | SeededIndex) -> Any:
        index, seed = key if isinstance(key, tuple) else (key, None)
        with nullcontext() if seed is None else seeded(seed):
            sample = self.dataset[index]
        if not isinstance(sample, dict):
            return sample
        return {**sample, 'path': sample.get('path') or _path_of(sample), 'skipped': sample.get('skipped', [])}


def with_seeds(dataset: Any) -> Any:
    """Return a data set that takes the keys of our samplers: itself, or wrapped if it is not this package's.

    Data sets of mmengine, mmdet and mmseg take indices only, and so do wrappers, which have others inside; other data
    sets decide by their attribute ``takes_seeds``, True unless they say otherwise.
    """
    wrapper = hasattr(dataset, 'dataset') or hasattr(dataset, 'datasets')
    default = not (isinstance(dataset, BaseDataset) or wrapper)
    return dataset if getattr(type(dataset), 'takes_seeds', default) else SeededDataset(dataset)


def innermost(dataset: Any) -> Iterator[Any]:
    """Yield the data sets inside a data set's wrappers, or itself."""
    parts = [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', None)
    if parts is None:
        yield dataset
    for part in parts or ():
        yield from innermost(part)


def _path_of(sample: dict) -> str:
    samples = sample.get('data_samples')
    first = samples[0] if isinstance(samples, list | tuple) and samples else samples
    return str(sample.get('img_path') or getattr(first, 'img_path', None) or 'an image without a path')
