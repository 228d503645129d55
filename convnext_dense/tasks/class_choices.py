"""The choice of classes in a config: from the command line to its data sets, and from them to the classes by label."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..data.class_choice import FLAGS, ClassChoice, as_choice
from ..errors import UserError
from .config_parts import LOADERS
from .datasets import innermost_datasets, is_own, own_datasets, place_of, takes
from .records import TrainedClasses

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict

    from .task_data import TaskData


def set_choice(cfg: Config, choice: ClassChoice) -> None:
    """Set the choice of classes of every data set of a config.

    Raises:
        UserError: if a data set is another library's, or takes no choice.
    """
    for key in LOADERS:
        for dataset in innermost_datasets(cfg[key].dataset) if cfg.get(key) is not None else ():
            if not is_own(dataset) or not takes(dataset, 'choice'):
                raise UserError(
                    f'{FLAGS} are for the data sets of this package, and {key} reads a {dataset.get("type")}: '
                    'leave them out, and choose its classes in its own config'
                )
            dataset.choice = choice.as_config()
            dataset.pop('classes', None)  # by label, of another choice


def settle_choice(cfg: Config, trained: TrainedClasses | None = None) -> ClassChoice | None:
    """Give all data sets of a config the one choice of classes that some of them state, or that of a checkpoint.

    Args:
        cfg: the config.
        trained: the classes of the checkpoint that is tested; None for those of the data.

    Raises:
        UserError: if two data sets state different ones, or one another than the checkpoint's.
    """
    datasets = own_datasets(cfg)
    given = list(dict.fromkeys(one for dataset in datasets if (one := as_choice(dataset.get('choice')))))
    if len(given) > 1:
        raise UserError(
            f'the data sets of the config have different choices of classes ({given[0]}; {given[1]}): '
            f'give one for all with {FLAGS}'
        )
    choice = given[0] if given else None
    if trained is not None:
        if choice not in (None, trained.choice):
            known = f'with {trained.choice}' if trained.choice else f'without {FLAGS}'
            raise UserError(
                f'the checkpoint was trained {known}, and this is with {choice}: leave the flags out, since the '
                "checkpoint's classes are taken"
            )
        choice = trained.choice
    for dataset in datasets if choice is not None else ():
        if not takes(dataset, 'choice'):
            raise UserError(
                f'{choice}: the classes of a {dataset.get("type")} can not be chosen: give it the argument choice'
            )
        dataset.choice = choice.as_config()  # type: ignore[union-attr]
    return choice


def join_chosen(task: TaskData, cfg: Config) -> bool:
    """Have all data sets of a config take their labels from the classes of its choice.

    Parts of the data may lack some of them. The order is that of ``--classes``, or of the first data set.

    Returns:
        False if it has no choice.

    Raises:
        UserError: if the choice names a class that no data set has, or the data can't be read.
    """
    datasets = own_datasets(cfg)
    used = [cfg[key] for key in ('train_dataloader', 'val_dataloader') if cfg.get(key) is not None]
    read = [one for loader in used for one in innermost_datasets(loader.dataset) if is_own(one)] or datasets
    if not datasets or as_choice(datasets[0].get('choice')) is None:
        return False
    classes = _find_classes(task, read)
    for dataset in datasets:
        dataset.classes = list(classes)
    return True


def join_checked(task: TaskData, datasets: Collection[ConfigDict]) -> None:
    """Set the classes of data sets for a check like :func:`join_chosen`; data that can't be read are left to it."""
    if not any(as_choice(dataset.get('choice')) for dataset in datasets):
        return
    try:
        for dataset in datasets:
            task.read_own_classes(dataset)
    except UserError:
        return
    classes = _find_classes(task, datasets)
    for dataset in datasets:
        dataset.classes = list(classes)


def _find_classes(task: TaskData, datasets: Collection[ConfigDict]) -> list[str]:
    first = next(iter(datasets))
    choice = as_choice(first.get('choice'))
    assert choice is not None
    own = {place_of(dataset): task.read_own_classes(dataset) for dataset in datasets}
    choice.check([name for names in own.values() for name in names], ' and '.join(own))
    return list(first.get('classes') or choice.classes or choice.apply(own[place_of(first)]).names)
