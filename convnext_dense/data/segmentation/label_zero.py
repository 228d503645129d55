"""Decide what label 0 of masks means: unlabeled, as in ADE20K, or a class, such as the background.

Nothing in a mask says which. The labels that occur decide, with the list of names, which may begin with the background
or be one short of the labels. Where these fit both, nothing is guessed: the user says it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ...errors import UserError
from ...io.images import UNLABELED
from ..class_words import is_background, is_no_class

AUTO: Literal['auto'] = 'auto'
"""The setting by which the data decide."""
LabelZeroSetting = bool | Literal['auto']
"""``reduce_zero_label``: True if label 0 means unlabeled and label v class v - 1, False if label v is class v."""
FLAGS = {True: '--label-zero ignore', False: '--label-zero class'}

MOST_OF_4_BITS = 15
"""Largest label of files of 4 bits, whose numbers Pillow changes; see :mod:`.mask_scan`."""

BLACK = 'color_000000'
"""Name of black in masks of colors that no file names."""


class LabelCounts(NamedTuple):
    """Occurrences of each label, including 255, in some masks."""

    pixels: Mapping[int, int]
    """Pixels of each label that occurs."""
    masks: Mapping[int, int]
    """Masks with each label."""
    number: int
    """Readable masks."""

    def share(self, label: int) -> float:
        """Return the share of all pixels, in [0, 1]."""
        return self.pixels.get(label, 0) / max(sum(self.pixels.values()), 1)


class ClassList(NamedTuple):
    """A list of class names."""

    file: str
    """Name of the file."""
    names: Sequence[str]
    starts_at_one: bool = False
    """The file itself says that its first name is that of label 1, as ADE20K's table does."""
    is_complete: bool = False
    """The first name is that of label 0 in any case, as where each name has a color."""
    colors: Sequence[tuple[int, int, int]] | None = None
    """Red, green and blue of each class in masks that show colors, if the file tells them."""
    void: Sequence[tuple[int, int, int]] = ()
    """Further colors, which mean unlabeled."""


class LabelZero(NamedTuple):
    """The meaning of label 0 in the masks of a folder."""

    ignored: bool
    """Label 0 means unlabeled and label v is class v - 1; otherwise label v is class v."""
    names: Sequence[str] | None
    """Names of the classes; None if there is no list."""
    line: str
    """One line for the user: the meaning, the shares of 0 and 255, and what decided."""
    doubtful: bool = False
    """The data speak against the setting."""


def check_setting(setting: object) -> None:
    """Raise a UserError if a ``reduce_zero_label`` is neither True, False nor ``'auto'``."""
    if not (isinstance(setting, bool) or setting == AUTO):
        raise UserError(f"reduce_zero_label {setting!r} does not exist: take True, False or 'auto'")


def decide(setting: LabelZeroSetting, listed: ClassList | None, seen: LabelCounts | None) -> LabelZero:
    """Decide what label 0 means, or check a setting against the data.

    Args:
        setting: the ``reduce_zero_label`` of the data set.
        listed: the list of names, or None.
        seen: the labels in all masks of the folder; None takes a setting without comparing it with the labels.

    Raises:
        UserError: if the data fit both meanings, or a list that begins with the background contradicts the setting.
    """
    if listed is not None and listed.is_complete:
        return _decide_named(setting, listed, seen)
    labels = _known_labels(listed, seen)
    is_known = setting == AUTO or seen is not None or (listed is not None and listed.starts_at_one)
    decided, reason = _judge(listed, labels, seen) if is_known else (None, '')
    if setting == AUTO and decided is None:
        raise UserError(
            f'what label 0 of the masks means is not decidable{_shares(seen)}: {reason}; '
            f'{_way_to(False, listed, seen)} if it is a class, such as the background, or '
            f'{_way_to(True, listed, seen)} if it means unlabeled'
        )
    ignored = bool(decided) if setting == AUTO else setting
    names = None if listed is None else list(listed.names)
    if listed is not None and names and ignored and labels and len(names) not in labels:
        if is_background(names[0]):
            way = _way_to(False, listed, seen)
            raise UserError(
                f'label 0 is to be ignored, but {listed.file} begins with {names[0]!r}: {way} if that names label 0, '
                'or else rename it; or remove the line to ignore the background'
            )
        if is_no_class(names[0]):
            del names[0]
    doubtful = setting != AUTO and decided is not None and decided != ignored
    called = f', {names[0]!r}' if names and not ignored else ''
    why = reason if decided == ignored and reason else 'as set' + (f', although {reason}' if doubtful else '')
    is_choice = why != 'as set' and not find_obstacle(not ignored, listed, seen)
    hint = f'; {FLAGS[not ignored]} for the other meaning' if is_choice else ''
    meaning = 'ignored' if ignored else f'a class{called}'
    return LabelZero(ignored, names, f'label 0 of the masks is {meaning}{_shares(seen)}: {why}{hint}', doubtful)


def _decide_named(setting: LabelZeroSetting, listed: ClassList, seen: LabelCounts | None) -> LabelZero:
    """Decide what label 0 means where its name is known: it is a class unless the name says otherwise."""
    first = listed.names[0]
    ignored = is_no_class(first) if setting == AUTO else bool(setting)
    can_be_ignored = names_label_zero(first) or first == BLACK
    if ignored and not can_be_ignored:
        raise UserError(
            f'label 0 is to be ignored, but it is the class {first!r} of {listed.file}, and unlabeled pixels have a '
            'label of their own: leave out --label-zero, and reduce_zero_label in the config'
        )
    why = f'its name in {listed.file} is {first!r}' if setting == AUTO else 'as set'
    hint = f'; {FLAGS[not ignored]} for the other meaning' if setting == AUTO and can_be_ignored else ''
    meaning = 'ignored' if ignored else f'a class, {first!r}'
    line = f'label 0 of the masks is {meaning}{_shares(seen)}: {why}{hint}'
    return LabelZero(ignored, list(listed.names)[ignored:], line)


def find_obstacle(ignored: bool, listed: ClassList | None, seen: LabelCounts | None) -> str:
    """Return what is to be changed before a setting is accepted; empty if nothing is, by the labels that are known."""
    labels = {label for label in (seen.pixels if seen else ()) if label != UNLABELED}
    if not seen or not seen.pixels:
        return ''
    if UNLABELED in seen.pixels and not any(labels):
        return f'save a class with another number than {UNLABELED}'
    names = list(listed.names) if listed else list(range(UNLABELED - ignored))
    if listed and ignored and len(names) not in labels and _known_labels(listed, seen):
        if is_background(listed.names[0]):
            return f'remove the line {listed.names[0]!r} from {listed.file}'
        if is_no_class(listed.names[0]):
            del names[0]
    if max(labels) > len(names) - 1 + ignored:
        return fit_labels(labels, len(names), ignored)
    return 'label a second class' if len({label for label in labels if label >= ignored}) < 2 else ''


def fit_labels(labels: Collection[int], count: int, ignored: bool) -> str:
    """Say how labels, some of which are beyond those of a number of classes, come to fit them."""
    own = sorted(label for label in labels if label >= ignored and label != UNLABELED)
    if own[-1] > UNLABELED:
        return f'a label is at most {UNLABELED - 1}: save them with smaller ones'
    if own[-1] > MOST_OF_4_BITS and 1 < len(own) <= count:
        return f'save {_renumbering(own, ignored)}'
    correct = 'correct the labels, or ' if own[-1] > 2 * count else ''
    return f'{correct}give classes.txt a line for each label from {int(ignored)} to {own[-1]}'


def describe_gaps(labels: Iterable[int], ignored: bool) -> str:
    """Say how labels with gaps between them come to have none; empty if there are none."""
    own = sorted(label for label in labels if ignored <= label < UNLABELED)
    if not own or len(own) == own[-1] + 1 - ignored:
        return ''
    return (
        f'no list names classes, so that each number up to the largest label, {own[-1]}, is one, of which '
        f'{len(own)} occur: name all of them in classes.txt, or number the labels without gaps, saving '
        f'{_renumbering(own, ignored)}'
    )


def _renumbering(own: Sequence[int], ignored: bool) -> str:
    new = {label: number for number, label in enumerate(own, int(ignored)) if label != number}
    return f'{in_words(new)}, as with {pillow(f"point(lambda label: {new}.get(label, label))")}'


def in_words(new: Mapping[int, int]) -> str:
    """Describe new numbers of labels: ``label 128 as 1``."""
    return f'label {", ".join(f"{label} as {number}" for label, number in new.items())}'


def pillow(change: str) -> str:
    """Write a change of a mask as a line of Python."""
    return f'Image.open(file).{change}.save(file) of Pillow'


def _way_to(ignored: bool, listed: ClassList | None, seen: LabelCounts | None) -> str:
    return find_obstacle(ignored, listed, seen) or f'give {FLAGS[ignored]}'


def _judge(listed: ClassList | None, labels: Collection[int], seen: LabelCounts | None) -> tuple[bool | None, str]:
    """Return whether the data say that label 0 is ignored, or None if they fit both, and what says so."""
    if listed is None:
        return _judge_without_names(labels, seen)
    file, names, count = listed.file, listed.names, len(listed.names)
    if listed.starts_at_one:
        return True, f'{file} counts the classes from 1'
    first = names_label_zero(names[0])
    listing = f'{file} has {count} name{"" if count == 1 else "s"}'
    begins = f'{file} begins with {names[0]!r}'
    if count in labels and first:
        return None, f'{begins}, but label {count} occurs, so that its {count} names also fit the labels from 1 on'
    if count in labels:
        return True, f'{listing}, and label {count} occurs'
    if first and count > 1 and names_label_zero(names[1]):
        return None, f'{begins} and {names[1]!r}: remove the one that is no label'
    if first or not labels:
        return not is_background(names[0]), begins
    if all(label in labels for label in range(count)):
        return False, f'{listing}, and the labels are 0 to {count - 1}'
    if 0 in labels and seen and UNLABELED in seen.pixels:
        return False, f'pixels without a class have a label of their own, {UNLABELED}'
    return None, f'{listing}, and the masks have {_described(labels)}'


def _judge_without_names(labels: Collection[int], seen: LabelCounts | None) -> tuple[bool | None, str]:
    if 0 not in labels:
        return True, 'it does not occur'
    if len(labels) == 2:
        return False, f'without it there would be one class, label {max(labels)}'
    if seen and UNLABELED in seen.pixels:
        return False, f'pixels without a class have a label of their own, {UNLABELED}'
    if seen and seen.share(0) > 0.5:
        return False, 'it covers most of the pixels'
    return None, f'the masks have {_described(labels)}, and no classes.txt names them'


def _known_labels(listed: ClassList | None, seen: LabelCounts | None) -> set[int]:
    """Return the labels that occur, without 255 and without those beyond the list, which are faults of a mask."""
    most = UNLABELED - 1 if listed is None else len(listed.names)
    return {label for label in (seen.pixels if seen else ()) if label <= most and label != UNLABELED}


def names_label_zero(name: str) -> bool:
    """Check whether a name is one that lists give to label 0, such as ``_background_`` or ``unlabeled``."""
    return is_background(name) or is_no_class(name)


def _shares(seen: LabelCounts | None) -> str:
    if seen is None or not seen.number:
        return ''
    zero = f'{seen.share(0):.1%} of the pixels, in {seen.masks.get(0, 0)} of {seen.number} masks'
    unlabeled = f'; {UNLABELED} is unlabeled, {seen.share(UNLABELED):.1%}' if UNLABELED in seen.pixels else ''
    return f' ({zero}{unlabeled})'


def _described(labels: Collection[int]) -> str:
    """Describe labels: ``the labels 0 to 5``, or ``the labels 0, 2, 7, ... 31``."""
    ordered = sorted(labels)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f'the labels {ordered[0]} to {ordered[-1]}'
    shown = ordered if len(ordered) <= 4 else [*ordered[:3], f'... {ordered[-1]}']
    return f'the label{"s" if len(ordered) > 1 else ""} {", ".join(map(str, shown)) or "none"}'


def check_same_label_zero(known: object, given: object, checkpoint: str = 'the checkpoint') -> None:
    """Check that a setting of ``reduce_zero_label`` is that of a checkpoint's run, if both are known."""
    words = {True: 'ignored', False: 'a class'}
    if known in words and given in words and known != given:
        raise UserError(
            f'label 0 of the masks was {words[bool(known)]} in the training of {checkpoint}: leave out --label-zero, '
            'and reduce_zero_label in the config'
        )
