"""Read the classes of an image/mask folder, such as ADE20K, and check that its masks fit them.

The labels in a mask are the numbers of its pixels, or follow from colors or annotations by :mod:`.mask_kinds`. With
``reduce_zero_label``, as in ADE20K, label v is class v - 1 and 0 means unlabeled; without it, label v is class v;
:mod:`.label_zero` decides where neither is set. 255 always means unlabeled. Unlabeled pixels are ignored in training
and evaluation.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ...io.color_masks import LOSSY
from ...io.panoptic import UNKNOWN_SEGMENTS
from ..class_choice import ClassChoice
from ..layouts import MASK_SPLITS
from ..text import shortened
from .annotations import AnnotationSource
from .find import existing_splits, find_masks
from .label_zero import (
    AUTO,
    FLAGS,
    ClassList,
    LabelCounts,
    LabelZeroSetting,
    check_setting,
    decide,
    describe_gaps,
    find_obstacle,
    fit_labels,
    names_label_zero,
    pillow,
)
from .mask_files import CHANNELS, FRACTIONS
from .mask_kinds import MaskReading, read_kind
from .mask_scan import NEGATIVE, SIZE, UNLABELED, UNREADABLE, ImageAndMask, MaskScan, scan_masks
from .options import AS_FOUND, MaskOptions
from .readers import INDEX, NOT_BINARY, UNKNOWN_COLORS, UNKNOWN_IDS, MaskReader

NOT_LABELS = f'that hold no label but 0 and {UNLABELED}'


class MaskLabels(NamedTuple):
    """The meaning of the labels in the masks of a folder."""

    classes: list[str]
    """Names of the K classes."""
    reduce_zero_label: bool
    """Label 0 means unlabeled and label v class v - 1; otherwise label v is class v."""
    line: str
    """One line for the user about label 0; see :class:`~convnext_dense.data.segmentation.label_zero.LabelZero`."""
    doubtful: bool
    """The data speak against the setting."""
    reader: MaskReader = INDEX
    """How the labels are read."""
    gaps: str = ''
    """How to close gaps between the labels, of which each would be a class, where no list has the names."""
    reading: str = ''
    """One line for the user about how the masks are found and read; empty for numbers in ADE20K's layout."""

    @property
    def first_label(self) -> int:
        """Label of class 0."""
        return int(self.reduce_zero_label)


def mask_classes(
    root: str | Path, reduce_zero_label: LabelZeroSetting = AUTO, options: MaskOptions = AS_FOUND
) -> list[str]:
    """Read the class names of an image/mask folder; see :func:`read_labels`."""
    return read_labels(root, reduce_zero_label, options=options).classes


def read_labels(
    root: str | Path,
    reduce_zero_label: LabelZeroSetting = AUTO,
    compare: bool = False,
    options: MaskOptions = AS_FOUND,
) -> MaskLabels:
    """Read the class names of an image/mask folder, and decide what label 0 means.

    Names are listed in ``classes.txt``, one per line, or another file of
    :func:`~convnext_dense.data.segmentation.class_lists.read_class_list`. Without any, the
    number of classes follows from the largest label in the training masks, or in the validation masks if there are no
    training masks, and classes are named after the labels: ``class_1``, ``class_2``, ...

    The first name is that of label 1 if label 0 is ignored, and otherwise that of label 0. A first name such as
    ``unlabeled`` is that of label 0 in any case, and left out if label 0 is ignored.

    Args:
        root: the folder.
        reduce_zero_label: True if label 0 means unlabeled, False if it is a class, ``'auto'`` if the masks of both
            splits and the names decide.
        compare: compare a setting with the masks of both splits.
        options: how the masks are found and read, as far as it is set.

    Raises:
        UserError: for a wrong layout, unusable masks, an empty or repeated name, or too many classes for 8-bit labels;
            and if the meaning of label 0 is not decidable, or the list of names contradicts the setting.
    """
    check_setting(reduce_zero_label)
    reading = read_kind(root, options)
    listed, reader = reading.listed, reading.reader
    undecided = compare or reduce_zero_label == AUTO or listed is None or names_label_zero(listed.names[0])
    seen = None
    if undecided and not (listed and listed.starts_at_one):
        seen = count_labels_in(reading)
    if isinstance(reader, AnnotationSource):
        listed = reader.listed(seen)
    zero = decide(reduce_zero_label, listed, seen)
    first = 1 if zero.ignored else 0
    most = UNLABELED - first
    if zero.names is not None:
        assert listed is not None
        if not 0 < len(zero.names) <= most:
            raise UserError(
                f'{Path(root, listed.file)} names {len(zero.names)} classes: there can be 1 to {most}, one on a line'
            )
        return MaskLabels(list(zero.names), zero.ignored, zero.line, zero.doubtful, reader, reading=reading.line)
    splits = [split for split in MASK_SPLITS if reading.source and reading.source.has(split)]
    pairs = find_masks(root, splits[0] if splits else 'training', options)
    largest = max(scan.largest_label for scan in check_masks(pairs, most, zero.ignored, reader))
    if largest == 0:
        raise UserError(f'the masks in {os.path.dirname(pairs[0][1])} hold no label but 0: label them')
    classes = [f'class_{label}' for label in range(first, largest + 1)]
    gaps = describe_gaps(seen.pixels if seen else (), zero.ignored)
    return MaskLabels(classes, zero.ignored, zero.line, zero.doubtful, reader, gaps, reading.line)


def count_labels_in(reading: MaskReading) -> LabelCounts:
    """Count the labels in the masks of both splits, as far as they can be read.

    What can't be read is an error when its split is.
    """
    pixels, masks, number = Counter[int](), Counter[int](), 0
    for pairs in reading.source.usable_pairs() if reading.source else ():
        for scan in scan_masks(pairs, reading.reader):
            number += not scan.fault
            pixels.update(dict(scan.pixels))
            masks.update(label for label, _ in scan.pixels)
    return LabelCounts(pixels, masks, number)


def agree_on_label_zero(
    sources: Iterable[tuple[str | Path, LabelZeroSetting]], options: Mapping[str, MaskOptions] | None = None
) -> LabelZeroSetting:
    """Return the one setting for all data sets of a config.

    A setting holds for those that leave it to the data, too.

    Args:
        sources: root and ``reduce_zero_label`` of each data set.
        options: how the masks of each root are found and read, as far as it is set.

    Returns:
        True, False, or ``'auto'`` if there are no data to decide.

    Raises:
        UserError: if data sets have different settings, or their data decide differently or not at all.
    """
    options_of = options or {}
    sources = list(sources)
    for _, setting in sources:
        check_setting(setting)
    given = {setting for _, setting in sources if setting != AUTO}
    if len(given) > 1:
        raise UserError(
            'reduce_zero_label is True for some data sets of the config and False for others: '
            f'choose one for all with {FLAGS[True]} or {FLAGS[False]}'
        )
    if given:
        return given.pop()
    roots = [root for root in dict.fromkeys(str(root) for root, _ in sources) if _has_masks(root, options_of)]
    decided = {root: read_labels(root, options=options_of.get(root, AS_FOUND)) for root in roots}
    if len({labels.reduce_zero_label for labels in decided.values()}) > 1:
        found = '; '.join(f'in {root} {labels.line.split(";")[0]}' for root, labels in decided.items())
        data = [_data_of(root, options_of.get(root, AS_FOUND)) for root in decided]
        choices = [ignored for ignored in (True, False) if not any(find_obstacle(ignored, *one) for one in data)]
        fitting = ' or '.join(FLAGS[ignored] for ignored in choices)
        fix = f'choose one for all with {fitting}' if fitting else 'label and name both by the same rule'
        raise UserError(f'{found}: {fix}')
    return next((labels.reduce_zero_label for labels in decided.values()), AUTO)


def _data_of(root: str, options: MaskOptions) -> tuple[ClassList | None, LabelCounts]:
    reading = read_kind(root, options)
    return reading.listed, count_labels_in(reading)


def _has_masks(root: str, options: Mapping[str, MaskOptions]) -> bool:
    return bool(existing_splits(root, options.get(root, AS_FOUND)))


def classes_without_example(
    scans: Iterable[MaskScan], labels: MaskLabels, choice: ClassChoice | None = None
) -> list[str]:
    """Return the names of the classes, or of those that are chosen, that no mask of a split shows."""
    shown = _labels_shown(scans)
    if choice is None:
        return [name for label, name in enumerate(labels.classes, labels.first_label) if label not in shown]
    chosen = choice.apply(labels.classes)
    seen = {new for label, new in enumerate(chosen.labels, labels.first_label) if label in shown}
    return [name for label, name in enumerate(chosen.names) if label not in seen]


def check_learnable(
    root: str | Path,
    split: str,
    labels: MaskLabels,
    choice: ClassChoice | None = None,
    options: MaskOptions = AS_FOUND,
) -> None:
    """Check that the masks of a split show two classes or more: of one alone, nothing is learned.

    Args:
        root: the folder.
        split: ``'training'`` or ``'validation'``.
        labels: the meaning of its labels.
        choice: the choice of classes, after which there must be two; None for all.
        options: how the masks are found and read, as far as it is set.

    Raises:
        UnusableMasks: if masks are unusable, see :func:`check_masks`.
        UserError: if they show fewer classes.
    """
    pairs = find_masks(root, split, options)
    scans = check_masks(pairs, len(labels.classes), labels.reduce_zero_label, labels.reader)
    seen, first = _labels_shown(scans), labels.first_label
    shown = sorted(label for label in seen if first <= label < first + len(labels.classes))
    if len(shown) > 1 and choice is not None:
        absent = classes_without_example(scans, labels, choice)
        names = [name for name in choice.apply(labels.classes).names if name not in absent]
        if len(names) < 2:
            what = f'one chosen class only, {names[0]!r}' if names else 'no chosen class'
            raise UserError(
                f'the {split} masks in {root} show {what}, so that there is nothing to learn, since pixels of the '
                'others are unlabeled: choose a second one, such as the others joined by --merge "a,b->other"'
            )
    if len(shown) > 1:
        return
    what = f'one class only, {labels.classes[shown[0] - first]!r} (label {shown[0]})' if shown else 'no class'
    fix = 'label a second one' if shown else 'label two'
    if shown and labels.reduce_zero_label and 0 in seen:
        listed = read_kind(root, options).listed
        fix = f'if label 0 is the background, give {FLAGS[False]}'
        fix += f' and add a first line for it to {listed.file}' if listed and len(listed.names) in seen else ''
    raise UserError(f'the {split} masks in {root} show {what}, so that there is nothing to learn: {fix}')


def _labels_shown(scans: Iterable[MaskScan]) -> set[int]:
    return {label for scan in scans for label, _ in scan.pixels}


class UnusableMasks(UserError):
    """Error for masks that can't be used."""


def check_masks(
    pairs: Sequence[ImageAndMask], num_classes: int, reduce_zero_label: bool = True, reader: MaskReader = INDEX
) -> list[MaskScan]:
    """Check every mask before training.

    A mask must be readable, have one channel or equal ones, contain only labels of the classes, and have the size of
    its image as stored or as rotated by EXIF. Only the headers of the images are read; unreadable images are left to
    the loader.

    The check takes 2.2 ms on one core for a mask of 512 x 683, 45 s for ADE20K's 20210. The results are cached until a
    file changes. A process reads them once, in about 1 s for ADE20K; after that, every check compares the sizes and
    times of all files, which takes 6 µs for each on a local disk, 0.25 s for ADE20K.

    Args:
        pairs: images and masks from :func:`~convnext_dense.data.segmentation.find.find_masks`.
        num_classes: number of classes K. Labels may be 0 to K with ``reduce_zero_label``, 0 to K - 1 without, or 255.
        reduce_zero_label: label 0 means unlabeled, see above.
        reader: how the labels are read.

    Returns:
        What was found in each mask.

    Raises:
        UnusableMasks: if any is unusable; the message has their number by fault, the first three of each, and the fix.
    """
    scans = scan_masks(pairs, reader)
    kinds = find_bad_masks(pairs, scans, num_classes, reduce_zero_label)
    if kinds:
        found = [
            f'{len(bad.masks)} {bad.fault} '
            f'({shortened([f"{os.path.basename(mask)} {detail}".strip() for mask, detail in bad.masks], 3)}): '
            f'{bad.fix}'
            for bad in kinds
        ]
        raise UnusableMasks(
            f"{sum(len(bad.masks) for bad in kinds)} of {len(pairs)} masks in {os.path.dirname(pairs[0][1])} can't be "
            f'used. {"; ".join(found)}'
        )
    return scans


class BadMasks(NamedTuple):
    """Masks that are unusable for the same reason."""

    fault: str
    fix: str
    masks: list[tuple[str, str]]
    """Path and details of each mask."""


def find_bad_masks(
    pairs: Sequence[ImageAndMask], scans: Sequence[MaskScan], num_classes: int, reduce_zero_label: bool = True
) -> list[BadMasks]:
    """Group the unusable masks by their fault; see :func:`check_masks`."""
    largest = num_classes if reduce_zero_label else num_classes - 1
    beyond = f'with labels above {largest}'
    number = '1 class' if num_classes == 1 else f'{num_classes} classes'
    labels = _labels_shown(scans) | {scan.largest_label for scan in scans if scan.largest_label > UNLABELED}
    fits_ignored = not reduce_zero_label and max(labels - {UNLABELED}, default=0) == num_classes > 1
    ignoring = ''
    if fits_ignored and len(labels - {0, UNLABELED}) > 1:
        ignoring = f'{FLAGS[True]} if 0 is unlabeled, too, and the first class is 1; otherwise '
    fitted = fit_labels(labels, num_classes, reduce_zero_label) if labels - {0, UNLABELED} else ''
    fixes = {
        UNREADABLE: 'restore them, or remove them with their images',
        CHANNELS: 'save the labels, not their colors, or give --mask-labels color',
        LOSSY: 'it changes labels and colors: get the masks before that, or draw them anew and save them as PNG',
        FRACTIONS: 'save whole numbers',
        NEGATIVE: f'save those pixels as {UNLABELED}, which is unlabeled',
        UNKNOWN_COLORS: 'correct them, or give the colors a line in the list of classes',
        UNKNOWN_IDS: f'take another kind with --mask-labels, such as index, or save them as {UNLABELED}',
        NOT_BINARY: f'threshold them, so that they hold 0 and {UNLABELED} alone, if their edges were interpolated; '
        'or give --mask-labels index',
        UNKNOWN_SEGMENTS: 'get both from one source',
        SIZE: 'resize them, without interpolation',
        beyond: f'the labels of {number} go up to {largest}, and {UNLABELED} is unlabeled: {ignoring}{fitted}',
        NOT_LABELS: f'{UNLABELED} means unlabeled: if it is a class, give --mask-labels binary, or save it with '
        'another number, as with ' + pillow(f'point(lambda label: label // {UNLABELED})'),
    }
    bad: dict[str, list[tuple[str, str]]] = {fault: [] for fault in fixes}
    has_labels = any(scan.largest_label for scan in scans)
    for (_, mask), scan in zip(pairs, scans, strict=True):
        if scan.fault:
            bad[scan.fault].append((mask, scan.detail))
        elif not has_labels and any(label == UNLABELED for label, _ in scan.pixels):
            bad[NOT_LABELS].append((mask, ''))
        elif scan.largest_label > largest:
            bad[beyond].append((mask, str(scan.largest_label)))
    return [BadMasks(fault, fix, bad[fault]) for fault, fix in fixes.items() if bad[fault]]
