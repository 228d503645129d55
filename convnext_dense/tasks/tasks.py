"""What differs between the tasks when a config meets its data. The task is the config's ``task``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from ..data.check import DatasetRecords
from ..data.classification.check import read_image_folder
from ..data.classification.dataset import scan_classes
from ..data.detection.check import read_coco_files
from ..data.segmentation.check import read_mask_folder
from ..errors import NoData, UserError


class Task(NamedTuple):
    sample: str  # folder of the sample data set
    point: Callable[[Config, str], None]
    """Point the config's data sets at a root."""
    classes: Callable[[Config], int]
    """The number of classes in the config's data sets, for the heads."""
    read: Callable[[Mapping[str, Mapping]], DatasetRecords]
    """All that a data set holds, to be checked, from the arguments of its ``'train'`` and ``'val'`` data sets."""


def task_of(cfg: Config) -> Task:
    """The config's task.

    Raises:
        UserError: if there is none of that name.
    """
    if cfg.task not in TASKS:
        raise UserError(f'unknown task {cfg.task!r} in the config: take one of {", ".join(TASKS)}')
    return TASKS[cfg.task]


def loaders(cfg: Config) -> list[ConfigDict]:
    """The data loaders that the config has."""
    keys = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return [cfg[key] for key in keys if cfg.get(key) is not None]


def _point_root(cfg: Config, root: str) -> None:
    for loader in loaders(cfg):
        loader.dataset.root = root


def _image_folder_classes(cfg: Config) -> int:
    return len(scan_classes(loaders(cfg)[0].dataset.root))


def set_classes(cfg: Config, count: int) -> None:
    """Give every head of the model so many classes."""
    for part in _dicts(cfg.model):
        if 'num_classes' in part:
            part['num_classes'] = count


def _dicts(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _dicts(item)


def _point_coco(cfg: Config, root: str) -> None:
    from ..data.detection import find

    found = find.find_coco(root)
    for split, loader in _coco_loaders(cfg):
        if split not in found:
            raise NoData(f'no {split} annotations at {root}: {find.EXPECTED}')
        loader.dataset.update(annotations=str(found[split].annotations), images=str(found[split].images))


def _coco_classes(cfg: Config) -> int:
    from ..data.detection import coco

    headers: dict[str, coco.CocoHeader] = {}
    for split, loader in _coco_loaders(cfg):
        source = coco.CocoPaths(Path(loader.dataset.annotations), Path(loader.dataset.images))
        headers[split] = headers.get(split) or coco.read_coco_header(source)
    if len(headers) == 2:
        coco.check_same_categories(headers['train'], headers['val'])
    return len(next(iter(headers.values())).classes)


def _coco_loaders(cfg: Config) -> list[tuple[str, ConfigDict]]:
    of_split = (
        ('train', cfg.get('train_dataloader')),
        ('val', cfg.get('val_dataloader')),
        ('val', cfg.test_dataloader),
    )
    return [(split, loader) for split, loader in of_split if loader is not None]


def _mask_folder_classes(cfg: Config) -> int:
    from ..data.segmentation.masks import mask_classes

    dataset = loaders(cfg)[0].dataset
    return len(mask_classes(dataset.root, dataset.get('reduce_zero_label', True)))


TASKS = {
    'classification': Task('classification', _point_root, _image_folder_classes, read_image_folder),
    'detection': Task('coco', _point_coco, _coco_classes, read_coco_files),
    'segmentation': Task('ade20k', _point_root, _mask_folder_classes, read_mask_folder),
}
