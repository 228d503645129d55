"""Part of a data source that is in no split: which images are for training and which for validation, kept in a file.

The setting ``subset`` of a data set has the rule of :class:`~.splits.SplitRule` and the ``part``, ``'train'`` or
``'val'``, that the data set has; and in a run that goes on, or is tested, the ``file`` with the names that it keeps.
A test of other data has ``or_all``: the part is all images, unless the ``file`` is the split of these images.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from ..io.files import atomic_write
from .splits import SplitRule, group_names, split
from .text import count_of, shortened

FILE_NAME = 'split.json'
"""The file in a work dir with the split of its run."""
PARTS = ('train', 'val')


class Split(NamedTuple):
    """A split of the images of a source."""

    rule: SplitRule
    folder: str
    """The folder to which the names are relative, as a real path."""
    names: dict[str, list[str]]
    """The names of the images by part, sorted."""
    counts: dict[str, dict[str, int]]
    """Number of images of each part that show a class, by class."""
    groups: int | None = None
    """Number of groups of images that stay together; None without a rule for groups."""
    alone: int = 0
    """Number of images in whose name the rule for groups finds nothing."""

    @property
    def digest(self) -> str:
        """The beginning of the SHA-256 of the names of the images by part, which is the same for the same parts."""
        parts = [sorted(self.names[part]) for part in PARTS]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def line(self) -> str:
        """The split in one line."""
        train, val = (self.names[part] for part in PARTS)
        share = len(val) / max(1, len(train) + len(val))
        line = f'split: {count_of(train, "image")} for training, {len(val):,} for validation ({share:.1%}), by name'
        line += f', seed {self.rule.seed}'
        if self.rule.folds is not None:
            line += f', fold {self.rule.fold} of {self.rule.folds} (0 to {self.rule.folds - 1})'
        if self.groups is not None:
            line += f', in {count_of(range(self.groups), "group")}'
            line += (
                f', of which {self.alone} are images in whose name the expression finds nothing' if self.alone else ''
            )
        for part, what in (('val', 'validation'), ('train', 'training')):
            absent = [name for name, of_class in self.counts.items() if not of_class[part]]
            line += f'; without an image in {what}: {shortened(absent)}' if absent else ''
        return line


class Selected(NamedTuple):
    """The images of a part."""

    indices: list[int]
    """Indices of the images, in their order."""
    split: Split | None
    """The split; None if the one that a run keeps is of other images, and all are taken."""
    notes: list[str]
    """What a user should know about images that are not as they were, one line each."""


def select(
    setting: Mapping[str, Any], folder: str, names: Sequence[str], labels: Sequence[Collection[str]]
) -> Selected:
    """Select the images of a part of a source.

    Args:
        setting: the rule, the ``part``, and maybe the ``file`` of a split that is kept; ``or_all`` to take all images
            where no split of a run is of these images, by their folder or by all names.
        folder: the folder of the source.
        names: the N names of its images, unique and relative to the folder, with ``/`` between folders.
        labels: the classes that each image shows.

    Raises:
        UserError: if there is nothing in a part, if the rule is faulty or not that of the file, or if most images of a
            training part that is kept are gone.
    """
    part = setting.get('part')
    if part not in PARTS:
        raise UserError(f'subset of a data set has the part {part!r}: take one of {", ".join(PARTS)}')
    rule = SplitRule.of_setting(setting)
    notes: list[str] = []
    or_all, number = setting.get('or_all'), count_of(names, 'image')
    if or_all and not setting.get('file'):
        line = (
            f'there is no {FILE_NAME} of the run, by whose split its images were chosen: all {number} of {folder} are '
        )
        line += f'taken; {rule.flags} takes those that the rule holds out'
        return Selected([*range(len(names))], None, [line])
    kept = read_split(setting['file']) if setting.get('file') else None
    known = {name for of_part in kept.names.values() for name in of_part} if kept else set()
    present = known.intersection(names)
    is_same = kept is not None and os.path.realpath(folder) == os.path.realpath(kept.folder)
    if kept is not None and len(present) < (len(known) if or_all and not is_same else len(known) / 2):
        if part == 'train':
            raise UserError(
                f'{len(present)} of the {len(known)} images in {setting["file"]} are in {folder}: name the data '
                'set of the run with --data PATH'
            )
        line = f'{folder} has {len(present)} of the {len(known)} images of the run: its split does not hold here, '
        if or_all:
            return Selected([*range(len(names))], None, [f'{line}all {number} are taken'])
        notes.append(f'{line}the images are split anew by {rule.flags}')
        kept = None
    if kept is not None:
        if kept.rule != rule:
            raise UserError(
                f'{setting["file"]} has the split {kept.rule.flags}, and now {rule.flags} is given: give the same, or '
                'start a new run with --work-dir'
            )
        if or_all and not is_same:
            notes.append(
                f'the images in {folder} have the names in {setting["file"]}, of images in {kept.folder}: they are '
                'taken for the same, as others of these names cannot be told apart'
            )
        if new := len(names) - len(present):
            notes.append(
                f'{new} of {number} in {folder} left out, which are not in {setting["file"]}: the '
                'split of the run is kept'
            )
        gone = [name for name in kept.names[part] if name not in present]
        if gone:
            whole = count_of(kept.names[part], 'image')
            notes.append(f'{len(gone)} of {whole} for {part} in {setting["file"]} are gone: {shortened(gone, 3)}')
        result = kept
    else:
        result = make_split(rule, folder, names, labels)
    chosen = set(result.names[part])
    indices = [index for index, name in enumerate(names) if name in chosen]
    if not indices:
        raise UserError(f'no image for {part} in {setting["file"]} is in {folder}: give the data set of the run')
    return Selected(indices, result, notes)


def make_split(rule: SplitRule, folder: str, names: Sequence[str], labels: Sequence[Collection[str]]) -> Split:
    """Split the images of a source by a rule; see :func:`.splits.split`."""
    groups, alone = group_names(names, rule.group) if rule.group is not None else (None, [])
    of_part = dict(zip(PARTS, split(names, labels, rule, groups), strict=True))
    in_val = set(of_part['val'])
    counts: dict[str, Counter[str]] = {part: Counter() for part in PARTS}
    for name, own in zip(names, labels, strict=True):
        counts['val' if name in in_val else 'train'].update(set(own))
    classes = sorted({name for of_one in counts.values() for name in of_one})
    by_class = {name: {part: counts[part][name] for part in PARTS} for name in classes}
    return Split(
        rule, os.path.realpath(folder), of_part, by_class, None if groups is None else len(set(groups)), len(alone)
    )


def write_split(folder: str | Path, made: Split) -> None:
    """Write a split into a work dir, as :data:`FILE_NAME`."""
    content = {**made._asdict(), 'rule': made.rule.as_setting(), 'folder': made.folder}
    with atomic_write(Path(folder, FILE_NAME)) as file:
        file.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def read_split(file: str | Path) -> Split:
    """Read the split of a run.

    Raises:
        UserError: if it can't be read.
    """
    try:
        content = json.loads(Path(file).read_text(encoding='utf-8'))
        names = {part: [str(name) for name in content['names'][part]] for part in PARTS}
        rule = SplitRule.of_setting(content['rule'])
        counts = {str(name): {part: int(of[part]) for part in PARTS} for name, of in content['counts'].items()}
        return Split(rule, str(content['folder']), names, counts, content.get('groups'), int(content.get('alone', 0)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{file} cannot be read ({type(error).__name__}): restore it, or remove it to split the images anew by '
            'the same rule'
        ) from None
