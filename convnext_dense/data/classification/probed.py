"""The labeled images by which the features of a run in pre-training are measured: its flag ``--probe``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...counting import counted
from ...errors import NoData, UserError
from ..image_files import describe_left_out
from ..splits import SplitRule
from ..text import shortened
from .find import ClassFiles, files_by_class, find_split, scan_classes
from .subset import select_files

HELD_OUT = 0.2
"""Share of each class that is measured on, of class folders in no split."""
MOST_OF_CLASS = {'train': 50, 'val': 25}
"""Images of a class that are taken at most, to compare with and to measure on, so that validations stay short..."""
MOST_IN_ALL = {'train': 1000, 'val': 500}
"""... but where classes are few, as many of each as give this number in all."""
COARSE = 50
"""Images to measure on below which it is said how much each of them is."""
LAYOUT = 'a folder of images for each class, or train/ and val/ with such folders'


class LabeledFiles(NamedTuple):
    """Image files with their classes."""

    paths: list[str]
    labels: np.ndarray
    """int64 (N,), in [0, K)."""

    def of_classes(self, new: np.ndarray) -> LabeledFiles:
        """Return the images with other labels: ``new`` (old K,) has them, below 0 for classes that are left out."""
        labels = new[self.labels]
        paths = [path for path, label in zip(self.paths, labels, strict=True) if label >= 0]
        return LabeledFiles(paths, labels[labels >= 0])


class ProbedFiles(NamedTuple):
    """The images that a probe compares with, and those that it is measured on."""

    classes: list[str]
    """Names of the K classes, each of which has an image to compare with."""
    train: LabeledFiles
    val: LabeledFiles
    notes: list[str]
    """What is left out, and how the images are split, one line each."""

    @property
    def line(self) -> str:
        """The numbers of images in one line."""
        images = counted(len(self.train.paths), 'labeled image')
        return f'{images} to compare with and {len(self.val.paths):,} to measure on, {len(self.classes):,} classes'


def find_probed(root: str | Path) -> ProbedFiles:
    """Find the images of a labeled folder, in the layouts of classification.

    Class folders in no split are split by the images' names: a fifth of each class is measured on. Of these a class
    with one image is left out, since no other one is like it.

    Raises:
        UserError: if there are no classes, fewer than two are left, or no image is left to measure on.
    """
    try:
        classes = scan_classes(root)
        is_split = find_split(root, 'val') is not None and find_split(root, 'train') is not None
        if is_split:
            found = [files_by_class(root, split, classes) for split in ('train', 'val')]
        else:
            whole = files_by_class(root, 'train' if find_split(root, 'train') is not None else 'val', classes)
            found = _split(whole, classes)
    except NoData:
        raise UserError(f'--probe {root}: no labeled images there, which are {LAYOUT}') from None
    except UserError as error:
        raise UserError(f'--probe {root}: {error}') from None
    notes = list(dict.fromkeys(note for part in found for note in part.notes))
    if not is_split:
        notes.append(f'{HELD_OUT:.0%} of each class, by name, are measured on')
    if left_out := sorted({path for part in found for path in part.left_out}):
        notes.append(describe_left_out(left_out))
    train, val = map(_labeled, found)
    return _with_measured_classes(root, classes, train, val, notes)


def _split(whole: ClassFiles, classes: list[str]) -> list[ClassFiles]:
    """Split images that are in no split into those to compare with and those to measure on."""
    setting = SplitRule(HELD_OUT).as_setting()
    single = whole._replace(files=[files if len(files) > 1 else [] for files in whole.files])
    if not any(single.files):
        return [whole, whole._replace(files=[[] for _ in classes])]
    parts = [select_files(single, classes, dict(setting, part=part))[0] for part in ('train', 'val')]
    for own, files in zip(parts[0].files, whole.files, strict=True):
        own += files if len(files) == 1 else []
    return parts


def _thinned(files: LabeledFiles, classes: int, part: str) -> LabeledFiles:
    """Take as many images of each class as a probe takes, spread evenly over their names."""
    most = max(MOST_OF_CLASS[part], math.ceil(MOST_IN_ALL[part] / classes))
    chosen: list[int] = []
    for label in range(classes):
        own = np.flatnonzero(files.labels == label)
        chosen += own[np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int)].tolist()
    return LabeledFiles([files.paths[index] for index in chosen], files.labels[chosen])


def _labeled(found: ClassFiles) -> LabeledFiles:
    paths = [path for files in found.files for path in files]
    labels = np.repeat(np.arange(len(found.files)), [len(files) for files in found.files])
    return LabeledFiles(paths, labels)


def _with_measured_classes(
    root: str | Path, classes: list[str], train: LabeledFiles, val: LabeledFiles, notes: list[str]
) -> ProbedFiles:
    """Leave out the classes that can't be measured, and say which.

    Raises:
        UserError: if too little is left.
    """
    to_compare, to_measure = (np.bincount(part.labels, minlength=len(classes)) for part in (train, val))
    single, alone = to_compare + to_measure == 1, (to_compare == 0) & (to_measure > 1)
    for which, why in ((single, 'with one image'), (alone, 'without an image to compare with')):
        if which.any():
            names = [name for name, is_one in zip(classes, which, strict=True) if is_one]
            notes.append(f'left out: {counted(len(names), "class", "classes")} {why}, {shortened(names)}')
    kept = ~single & (to_compare > 0)
    if kept.sum() < 2:
        has = counted(int(kept.sum()), 'class', 'classes') if kept.any() else 'no class'
        raise UserError(f'--probe {root}: {has} with two images or more, and a probe tells two classes or more apart')
    new = np.where(kept, kept.cumsum() - 1, -1)
    train, val = train.of_classes(new), val.of_classes(new)
    names = [name for name, is_kept in zip(classes, kept, strict=True) if is_kept]
    if not val.paths:
        raise UserError(f'--probe {root}: no image of these classes is left to measure on: add some to val/')
    whole = len(train.paths), len(val.paths)
    train, val = (_thinned(files, len(names), part) for files, part in ((train, 'train'), (val, 'val')))
    if whole != (len(train.paths), len(val.paths)):
        notes.append(
            f'of {whole[0]:,} images to compare with and {whole[1]:,} to measure on a spread of each class is taken, '
            'to keep validations short; the verb probe takes all'
        )
    if len(val.paths) < COARSE:
        points = f'{100 / len(val.paths):.0f} percentage points'
        notes.append(f'accuracies are coarse: each of the {len(val.paths)} images to measure on is {points}')
    absent = [
        name for name, count in zip(names, np.bincount(val.labels, minlength=len(names)), strict=True) if not count
    ]
    if absent:
        what = 'the class is' if len(absent) == 1 else 'the classes are'
        notes.append(f'too small to measure on, {what} only compared with: {shortened(absent)}')
    return ProbedFiles(names, train, val, notes)
