"""What a diagnosis says of the data: statistics of training and tested data, near duplicates and leaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmengine.config import Config

from ..diagnosis.content import Section
from ..diagnosis.statistics import DataStatistics
from ..diagnosis.statistics_section import data_section
from ..diagnosis.suspects import Suspect
from ..errors import UserError
from ..io.progress import progress_bar
from ..tasks import Task
from .image_pairs import count_compared, find_duplicates

ReadConfig = Callable[[], Config]
"""Reads the config with the training data and the tested data."""


@dataclass(frozen=True, eq=False)
class DataFindings:
    """What was found in the data.

    Attributes:
        training: statistics of the training data; None if they could not be read.
        tested: those of the tested data.
        sections: what to show.
        suspects: labels that near duplicates contradict, and leaks.
        leaks: tested images that are almost the same as a training image.
        compared: tested images that were compared with training images.
    """

    training: DataStatistics | None = None
    tested: DataStatistics | None = None
    sections: Sequence[Section] = ()
    suspects: Sequence[Suspect] = ()
    leaks: int = 0
    compared: int = 0


NOTHING = DataFindings()
"""The data were not looked at."""


def look_at_data(
    task: Task, cfg: Config, read_training: ReadConfig, classes: Sequence[str], duplicates: bool, workers: int
) -> DataFindings:
    """Look at the data of a tested model. What can't be read is said in the section about the data.

    Args:
        task: its task.
        cfg: the config of the test.
        read_training: reads the config as for training, with the same data; it may raise a UserError.
        classes: names of the model's classes.
        duplicates: compare the images as well, whose files are all read for that.
        workers: threads that read images.
    """
    training, tested, notes = _statistics(task, cfg, read_training, classes)
    sections = [data_section(training, tested, notes)]
    if not duplicates or (training is None and tested is None):
        return DataFindings(training, tested, sections)
    try:
        value_range, opening = task.value_range(cfg), task.opening(cfg)
    except UserError as error:  # images of several kinds
        sections[0] = data_section(training, tested, [*notes, f'Images are not compared with each other: {error}.'])
        return DataFindings(training, tested, sections)
    with progress_bar() as bar:
        row = bar.add_task('comparing images', total=count_compared(training, tested))
        found = find_duplicates(training, tested, workers, value_range, opening, lambda: bar.advance(row))
    return DataFindings(
        training, tested, [*sections, found.section], found.suspects, found.leaks, found.tested if training else 0
    )


def _statistics(
    task: Task, cfg: Config, read_training: ReadConfig, classes: Sequence[str]
) -> tuple[DataStatistics | None, DataStatistics | None, list[str]]:
    training = tested = None
    notes: list[str] = []
    try:
        training, tested, notes = task.read_statistics(read_training(), classes)
    except UserError as error:
        reason = str(error)
    else:
        reason = '' if training is not None else 'there are none'
    if tested is None:
        try:
            _, tested, more = task.read_statistics(cfg, classes)
            notes += more
        except UserError as error:
            notes.append(f'The tested data are not counted: {error}.')
    if reason:
        notes.append(f'The training data are not counted: {reason}.')
    return training, tested, notes
