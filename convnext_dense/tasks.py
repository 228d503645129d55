"""What differs between the tasks when a config meets its data. The task is the config's ``task``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from .data.classification import scan_classes
from .errors import UserError


class Task(NamedTuple):
    sample: str  # folder of the sample data set
    follow: Callable[[Config, str | None], None]
    """Point the config's data sets at a root, or leave them at their own, and give the heads as many classes."""


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


def _follow_image_folder(cfg: Config, root: str | None) -> None:
    if root is not None:
        for loader in loaders(cfg):
            loader.dataset.root = root
    set_classes(cfg, len(scan_classes(loaders(cfg)[0].dataset.root)))


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


def _follow_coco(cfg: Config, root: str | None) -> None:
    from .data import coco

    of_split = {'train': cfg.get('train_dataloader'), 'val': cfg.get('val_dataloader'), 'test': cfg.test_dataloader}
    found = coco.find_coco(root) if root is not None else {}
    headers: dict[str, coco.Header] = {}
    for split, loader in of_split.items():
        if loader is None:
            continue
        data_split = 'train' if split == 'train' else 'val'
        if root is not None:
            if data_split not in found:
                raise UserError(f'no {data_split} annotations at {root}: {coco.EXPECTED}')
            source = found[data_split]
            loader.dataset.update(annotations=str(source.annotations), images=str(source.images))
        source = coco.CocoSource(Path(loader.dataset.annotations), Path(loader.dataset.images))
        headers[data_split] = headers.get(data_split) or coco.read_header(source)
    if len(headers) == 2:
        coco.check_same_categories(headers['train'], headers['val'])
    set_classes(cfg, len(next(iter(headers.values())).classes))


def _follow_mask_folder(cfg: Config, root: str | None) -> None:
    from .data.masks import mask_classes

    for loader in loaders(cfg):
        if root is not None:
            loader.dataset.root = root
    dataset = loaders(cfg)[0].dataset
    set_classes(cfg, len(mask_classes(dataset.root, dataset.get('reduce_zero_label', True))))


TASKS = {
    'classification': Task('classification', _follow_image_folder),
    'detection': Task('coco', _follow_coco),
    'segmentation': Task('ade20k', _follow_mask_folder),
}
