"""The data sets of a config: this package's own, other libraries', and wrappers such as ``ConcatDataset``.

Tasks read the settings of our own data sets. :func:`data_views` shows them a config in which wrappers are looked
through; data sets of other libraries are asked for their ``metainfo``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.archives import check_unpacked
from ..errors import UserError, describe_error
from .config_parts import LOADERS, loaders
from .records import AS_FOUND, DataOptions

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict

    from .task_data import TaskData

OWN_KEYS = ('root', 'annotations')  # where our data sets and those derived from them are


def innermost_datasets(dataset: ConfigDict) -> list[ConfigDict]:
    """Return the configs of the data sets inside a data set's wrappers; those of a plain one are itself alone."""
    inner = [dataset.dataset] if 'dataset' in dataset else dataset.get('datasets')
    return [one for part in inner for one in innermost_datasets(part)] if inner else [dataset]


def concatenations(cfg: Config) -> list[ConfigDict]:
    """Return the configs of the wrappers of several data sets in a config, such as ``ConcatDataset``."""
    return [one for key in LOADERS if cfg.get(key) is not None for one in _concatenations_in(cfg[key].dataset)]


def _concatenations_in(dataset: ConfigDict) -> list[ConfigDict]:
    several = dataset.get('datasets') or []
    inner = [dataset.dataset] if 'dataset' in dataset else several
    return [*([dataset] if several else []), *(one for part in inner for one in _concatenations_in(part))]


def is_own(dataset: ConfigDict) -> bool:
    """Check whether a data set is this package's, or derived from one."""
    return any(key in dataset for key in OWN_KEYS)


def own_datasets(cfg: Config) -> list[ConfigDict]:
    """Return the configs of this package's data sets in a config, also those inside wrappers."""
    return [dataset for _, dataset in _all_datasets(cfg) if is_own(dataset)]


def only_own_dataset(loader: ConfigDict) -> ConfigDict:
    """Return the config of a loader's data set.

    Raises:
        UserError: if there are several, or it is another library's.
    """
    found = innermost_datasets(loader.dataset)
    if len(found) > 1 or not is_own(found[0]):
        what = f'{len(found)} data sets' if len(found) > 1 else f'{found[0].get("type")}'
        raise UserError(
            f'check_data reads one data set of this package, and this config has {what}: '
            'check each with a config of its own'
        )
    return found[0]


def tested_dataset(cfg: Config) -> ConfigDict:
    """Return the config of the data set whose steps prepare images for the model as in a test, inside its wrappers.

    Raises:
        UserError: if there are several that prepare images differently.
    """
    parts = innermost_datasets(cfg.test_dataloader.dataset)
    for key in ('pipeline', 'transform'):
        if any(part.get(key) != parts[0].get(key) for part in parts[1:]):
            raise UserError(
                f'the {len(parts)} data sets of test_dataloader have different values of {key}, so that it is not '
                'clear how to prepare an image: take one of them as test_dataloader.dataset'
            )
    return parts[0]


def place_of(dataset: ConfigDict) -> str:
    """Return where a data set is: the root folders or annotation files of all that are inside its wrappers."""
    keys = (*OWN_KEYS, 'data_root', 'ann_file')
    places = [
        next((str(one[key]) for key in keys if one.get(key)), str(one.get('type')))
        for one in innermost_datasets(dataset)
    ]
    return ', '.join(dict.fromkeys(places))


def loaders_by_split(cfg: Config) -> list[tuple[str, ConfigDict]]:
    """Return the data loaders of a config, each with the split that it reads, ``'train'`` or ``'val'``."""
    by_split = (
        ('train', cfg.get('train_dataloader')),
        ('val', cfg.get('val_dataloader')),
        ('val', cfg.test_dataloader),
    )
    return [(split, loader) for split, loader in by_split if loader is not None]


def data_views(cfg: Config) -> Iterator[Any]:
    """Yield views of a config in which each loader's data set is one of ours from inside its wrappers.

    A loader without a data set of ours is None. The data sets are shared with the config, so that changes apply to it.
    There is a view for each data set of the loader with most of them.
    """
    from mmengine.config import ConfigDict

    found = {
        key: [one for one in innermost_datasets(cfg[key].dataset) if is_own(one)] if cfg.get(key) is not None else []
        for key in LOADERS
    }
    for index in range(max(map(len, found.values()))):
        chosen = {
            key: ConfigDict(dataset=own[min(index, len(own) - 1)]) if own else None for key, own in found.items()
        }
        yield ConfigDict({**{key: cfg[key] for key in cfg}, **chosen})


def point_at(
    task: TaskData, cfg: Config, root: str, optional: Collection[str] = (), options: DataOptions = AS_FOUND
) -> None:
    """Point a config's data sets at a root folder: ours by the task, others by their ``data_root``.

    Args:
        task: the config's task.
        cfg: the config.
        root: the folder.
        optional: splits that may be absent, of ``'train'`` and ``'val'``.
        options: how the data set is read.

    Raises:
        UserError: if the root is an archive; if a loader has several data sets, or one that has no root.
    """
    check_unpacked(root)
    for key in LOADERS:
        inside = [dataset for name, dataset in _all_datasets(cfg) if name == key]
        if len(inside) > 1:
            raise UserError(f'--data is the root of one data set, and {key} has {len(inside)}: set the root of each')
        for dataset in inside:
            if is_own(dataset):
                continue
            if 'data_root' not in dataset:
                raise UserError(
                    f'--data: {key} reads a {dataset.get("type")}, which states no data_root: set where it is in the '
                    'config, or data_root'
                )
            dataset.data_root = root
    for view in data_views(cfg):
        task.point_at(view, root, optional, options)


def has_own_data(task: TaskData, dataset: ConfigDict) -> bool:
    """Check whether the folders or files of all data sets of ours inside a data set's wrappers exist."""
    return all(task.has_data(one) for one in innermost_datasets(dataset) if is_own(one))


def count_classes(task: TaskData, cfg: Config) -> int:
    """Count the classes of a config's data sets, for the heads.

    Raises:
        UserError: if the data can't be read, or the data sets have different classes.
    """
    counts = [task.count_classes(view) for view in data_views(cfg)]
    counts += [_count_in_metainfo(cfg, key, dataset) for key, dataset in _all_datasets(cfg) if not is_own(dataset)]
    if len(set(counts)) > 1:
        raise UserError(
            f"the config's data sets have {' and '.join(map(str, dict.fromkeys(counts)))} classes: they must have the "
            'same (metainfo=dict(classes=[...]) of a data set says which)'
        )
    return counts[0]


def _all_datasets(cfg: Config) -> list[tuple[str, ConfigDict]]:
    """Return each loader's key with the config of a data set inside it."""
    present = [key for key in LOADERS if cfg.get(key) is not None]
    return [(key, one) for key in present for one in innermost_datasets(cfg[key].dataset)]


def _count_in_metainfo(cfg: Config, key: str, dataset: ConfigDict) -> int:
    """Count the classes in the ``metainfo`` of a data set, which is built without reading its annotations."""
    from mmengine.registry import DATASETS, DefaultScope

    stated = (dataset.get('metainfo') or {}).get('classes')
    if stated is None:
        try:
            with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
                stated = DATASETS.build({**dataset, 'lazy_init': True}).metainfo.get('classes')
        except (TypeError, ValueError, KeyError, AttributeError, OSError) as error:
            raise UserError(f"the config's {key}.dataset can't be built: {describe_error(error)}") from error
    if not stated:
        raise UserError(
            f'{key}: {dataset.get("type")} does not tell its classes: set metainfo=dict(classes=[...]) in its config'
        )
    return len(stated)


def set_subset(cfg: Config, dataset: ConfigDict, split: str, options: DataOptions, keep: bool) -> bool:
    """Set which part of its source a data set has, by the arguments of a command or as the config has it.

    A test without arguments takes a part only of the images that its run has split.

    Args:
        cfg: the config.
        dataset: the config of the data set.
        split: the part, ``'train'`` or ``'val'``.
        options: the arguments.
        keep: keep the rule of the config, since all images at its new place are in one split.

    Returns:
        True if the data set has a part.
    """
    if options.split is not None:
        dataset.subset = dict(options.split.as_setting(), part=split)
    elif not keep:
        dataset.pop('subset', None)
    elif dataset.get('subset') is not None and cfg.get('train_dataloader') is None:
        dataset.subset.or_all = True
    return dataset.get('subset') is not None


def keep_split(cfg: Config, folder: str | Path | None) -> None:
    """Have the data sets that are a part of another one take the images that the run in a folder has for it.

    Args:
        cfg: the config.
        folder: the work dir, which may have no split; None to split the images by the rule alone.
    """
    from ..data.subset import FILE_NAME

    file = None if folder is None else Path(folder, FILE_NAME)
    for dataset in own_datasets(cfg):
        if dataset.get('subset') is not None:
            dataset.subset.pop('file', None)
            if file is not None and file.is_file():
                dataset.subset.file = str(file)


def check_unsplit(options: DataOptions, has_train: bool, has_val: bool, root: str, why: str = '') -> None:
    """Check that a data set can be split by the arguments of a command.

    Args:
        options: the arguments.
        has_train, has_val: what the data set has.
        root: its folder.
        why: why it has no training images, if that is known.

    Raises:
        UserError: if it has no training images; or has validation images, which are not to be replaced.
    """
    if options.split is None:
        return
    if not has_train:
        raise UserError(f'{options.split.flags}: {why or f"{root} has no training images to split"}')
    if has_val and options.replace_val:
        logging.getLogger('mmengine').warning(f'the validation images of {root} are not used: --replace-val')
    elif has_val:
        raise UserError(
            f'{options.split.flags}: {root} has validation images already: leave it out, or add --replace-val to '
            'split the training images and leave the validation images unused'
        )


def point_at_root(cfg: Config, root: str) -> None:
    """Set the ``root`` of every data set of a config."""
    for loader in loaders(cfg):
        loader.dataset.root = root


def takes(dataset: Mapping, argument: str) -> bool:
    """Check whether the class of a data set has an argument, from the data set's config."""
    from inspect import signature

    from ..registry import DATASETS

    known = DATASETS.get(dataset['type'])
    return known is not None and argument in signature(known).parameters


def join_classes_of_roots(cfg: Config, read: Callable[[ConfigDict], list[str]]) -> None:
    """Give data sets under other roots than the first one, which may have other classes, the first one's.

    Args:
        cfg: the config, with data sets of ours and others, also inside wrappers.
        read: function that reads the class names of a data set from its config.
    """
    datasets = own_datasets(cfg)
    elsewhere = [dataset for dataset in datasets if dataset.get('root') != datasets[0].get('root')]
    if elsewhere:
        names = list(datasets[0].get('classes') or read(datasets[0]))
        for dataset in elsewhere:
            dataset.classes = names


def keep_category_ids_apart(cfg: Config) -> None:
    """Let COCO files with other ids for the same categories be concatenated: labels are joined by name."""
    for wrapper in concatenations(cfg):
        ignored = wrapper.get('ignore_keys') or []
        keys = [ignored] if isinstance(ignored, str) else list(ignored)
        if takes(wrapper, 'ignore_keys') and 'category_ids' not in keys:
            wrapper.ignore_keys = [*keys, 'category_ids']
