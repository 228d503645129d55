"""Data sets of other libraries and wrappers of data sets, for the loaders of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from itertools import zip_longest
from typing import Any

from mmengine.dataset import BaseDataset
from torch.utils.data import Dataset

from ..errors import UserError
from .sampler import SeededIndex, seeded


class SeededDataset(Dataset):
    """A data set of another library, or a wrapper, with the augmentation seeds of this package's samplers.

    The random generators of Python, numpy and torch are seeded while a sample is made, so that it depends on its seed
    only. A sample that is a dict gets the image's ``path``, and the list ``skipped`` of unreadable images, which only
    data sets of this package fill. All other attributes are the data set's, also when they are set; of a list of
    ``metainfo``, which mmdet's ``ConcatDataset`` has where its parts differ, the first.

    Args:
        dataset: the data set.
    """

    takes_seeds = True
    dataset: Any

    def __init__(self, dataset: Any) -> None:
        vars(self)['dataset'] = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # while it is unpickled
            raise AttributeError(name)
        value = getattr(self.dataset, name)
        return value[0] if name == 'metainfo' and isinstance(value, list) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if name == 'dataset':
            super().__setattr__(name, value)
        elif not hasattr(self.dataset, name):
            raise UserError(
                f'{type(self.dataset).__name__} of the training data has no {name} to set, which a hook of the config '
                'changes during the run: name the data set itself in train_dataloader.dataset, without this wrapper'
            )
        else:
            setattr(self.dataset, name, value)

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
    parts = _parts(dataset)
    if parts is None:
        yield dataset
    for part in parts or ():
        yield from innermost(part)


def count_images(dataset: Any) -> int:
    """Return the number of images of a data set, whose samples may be tiles of them."""
    count: int = len(dataset) if getattr(dataset, 'tiles', None) is None else dataset.image_count
    return count


def classes_of(dataset: Any) -> list[str] | None:
    """Return the class names of a data set, by label, also of one inside wrappers; None if it does not tell them.

    Raises:
        UserError: if the parts of the data set have different classes; the message has the first difference.
    """
    lists = _class_lists(dataset)
    first = lists[0] if lists else None
    for other in lists[1:]:
        if difference := different_class(first, other):
            label, one, another = difference
            raise UserError(
                f'class {label} is {one} in one part of the data and {another} in another: give all parts of the '
                'data set the same classes in the same order'
            )
    return first


def different_class(one: Any, other: Any) -> tuple[int, str, str] | None:
    """Return the first label whose classes differ in two lists of names, with both names; None if there is none."""
    pairs = zip_longest(one, other, fillvalue='absent')
    return next(((label, *pair) for label, pair in enumerate(pairs) if pair[0] != pair[1]), None)


def _parts(dataset: Any) -> Any:
    return [dataset.dataset] if hasattr(dataset, 'dataset') else getattr(dataset, 'datasets', None)


def _class_lists(dataset: Any) -> list[list[str]]:
    """Return the class names of each part of a data set, or those of a wrapper that gives its parts others."""
    inside = [names for part in _parts(dataset) or () for names in _class_lists(part)]
    metainfo = getattr(dataset, 'metainfo', None)
    own = metainfo.get('classes') if isinstance(metainfo, Mapping) else None
    return inside if not own or list(own) in inside else [list(own)]


def _path_of(sample: dict) -> str:
    samples = sample.get('data_samples')
    first = samples[0] if isinstance(samples, list | tuple) and samples else samples
    return str(sample.get('img_path') or getattr(first, 'img_path', None) or 'an image without a path')
