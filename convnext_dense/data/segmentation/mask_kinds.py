"""Decide how the masks of a data set are read: as numbers, colors, or 0 and 255."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import UserError
from ...io.color_masks import LOSSY, BadLabels
from ...io.images import UNLABELED
from ..class_words import is_no_class
from ..text import count_of, shortened
from .annotations import AnnotationSource
from .class_lists import read_class_list
from .find import find_source
from .known_sets import CAMVID_READER, CITYSCAPES, CITYSCAPES_READER, known_classes, known_kind
from .label_zero import AUTO, ClassList, pillow
from .mask_files import CHANNELS, count_labels, is_single_channel, palette_colors, read_mask
from .mask_scan import ImageAndMask, scan_masks
from .options import AS_FOUND, MaskOptions
from .panoptic import PanopticSource
from .readers import BINARY, INDEX, NEAR, RAW_COLORS, UNKNOWN, ColorReader, MaskReader, in_hex, packed, unpacked
from .soft_edges import find_grays, find_mixed
from .sources import FolderSource, MaskSource

LOOKED_AT = 8
"""Number of masks of a split that are opened to see what kind they are."""
FLAG = '--mask-labels'
PALETTE = 'name them in classes.txt, a line "name r g b" for each'


class MaskReading(NamedTuple):
    """How the masks of a data set are read."""

    reader: MaskReader
    listed: ClassList | None
    """Names of the classes, if a file tells them or the masks do."""
    line: str = ''
    """One line for the user, unless the masks are numbers in ADE20K's layout."""
    source: MaskSource | None = None


def read_kind(root: str | Path, options: MaskOptions = AS_FOUND) -> MaskReading:
    """Decide how the masks of a data set are read, by the setting or by its files.

    Raises:
        NoData: if there are none.
        UserError: if they can't be read, or in several ways.
    """
    source = find_source(root, options)
    if source is None:
        return MaskReading(INDEX, read_class_list(root) if Path(root).is_dir() else None)
    if isinstance(source, AnnotationSource | PanopticSource):
        if options.labels not in (AUTO, 'index'):
            raise UserError(f'{FLAG} {options.labels} is for masks in files: leave it out for {root}')
        return MaskReading(source, source.listed(None), f'{root}: {source.line}', source)
    assert isinstance(source, FolderSource)
    folders = list(
        dict.fromkeys(one.images.parent if one.images != one.masks else one.images for one in source.splits.values())
    )
    masks_folder = next(iter(source.splits.values())).masks
    inside = [folder for folder in folders if Path(root) in folder.parents]
    listed = read_class_list(root, inside, masks_folder.name)
    samples = _sample_masks(source)
    kind = options.labels if options.labels != AUTO else _recognize(source, listed, samples)
    if kind == 'index' and options.labels == AUTO and (listed is None or len(listed.names) <= 2):
        _check_edges(source)
    reading = _reading_of(kind, source, listed, samples)
    own = reading.line if source.line else reading.line.replace('they', 'the masks', 1)
    line = '; '.join(part for part in (source.line, own) if part)
    return reading._replace(line=f'{root}: {line}' if line else '', source=source)


def _sample_masks(source: FolderSource) -> list[str]:
    """Return some masks of each split, evenly spaced."""
    chosen: list[str] = []
    for pairs in source.usable_pairs():
        step = max(len(pairs) // LOOKED_AT, 1)
        chosen += [mask for _, mask in pairs[::step][:LOOKED_AT]]
    return chosen


def _recognize(source: FolderSource, listed: ClassList | None, samples: Sequence[str]) -> str:
    """Return the kind of masks that the files show.

    Raises:
        UserError: if they fit two kinds.
    """
    by_name = known_kind(samples[0]) if samples else None
    if by_name == 'cityscapes' and listed is not None and len(listed.names) != len(CITYSCAPES):
        by_name = 'index'
    if by_name == 'camvid' and listed is not None:
        by_name = 'index'
    if by_name is not None:
        return by_name
    several = [mask for mask in samples if is_single_channel(mask) is False]
    if several:  # of a few among others, the check of the masks tells
        return 'color' if 2 * len(several) >= len(samples) and not _are_gray(source) else 'index'
    if listed is not None and listed.colors is not None and (by_palette := _by_palette(source.root, listed, samples)):
        return by_palette
    if listed is None or len(listed.names) <= 2:
        for mask in samples:
            try:
                labels = read_mask(mask)
            except UserError:
                continue
            if any(label not in (0, UNLABELED) for label in count_labels(labels)):
                return 'index'
        labels_of_all = [label for pairs in source.usable_pairs() for label in _labels_in(pairs)]
        if set(labels_of_all) == {0, UNLABELED}:
            return 'binary'
    return 'index'


def _check_edges(source: FolderSource) -> None:
    """Raise a UserError for masks of black and white with gray between, of which each would be a class."""
    pixels: Counter[int] = Counter()
    for pairs in source.usable_pairs():
        for scan in scan_masks(pairs):
            pixels.update(dict(scan.pixels))
            if scan.largest_label > UNLABELED:
                return
    grays = find_grays(pixels)
    if grays:
        top = max(pixels)
        raise UserError(
            f'the masks of {source.root} hold 0 and {top} with {len(grays)} gray levels between ({shortened(grays)}): '
            'their edges were interpolated, as by anti-aliasing or resizing. Save them without, or threshold them, as '
            f'with {pillow(f"point(lambda value: {UNLABELED} * (value > {top // 2}))")}; give {FLAG} index if each '
            'number is a class'
        )


def _labels_in(pairs: Sequence[ImageAndMask]) -> set[int]:
    scans = scan_masks(pairs)
    larger = {scan.largest_label for scan in scans if scan.largest_label > UNLABELED}
    return larger | {label for scan in scans for label, _ in scan.pixels}


def _are_gray(source: FolderSource) -> bool:
    """Check whether all masks can be read as numbers: those with several channels have equal ones."""
    faults = [scan.fault for pairs in source.usable_pairs() for scan in scan_masks(pairs)]
    return not any(fault == CHANNELS for fault in faults)


def _by_palette(root: Path, listed: ClassList, samples: Sequence[str]) -> str | None:
    """Return the kind of masks with a palette, by the colors of the classes; None if there are none with a palette.

    Raises:
        UserError: if the numbers and the colors are those of different classes.
    """
    assert listed.colors is not None
    used: dict[int, int] = {}
    for mask in samples:
        try:
            used |= palette_colors(mask) or {}
        except UserError:
            continue
    if not used:
        return None
    colors = [packed(color) for color in listed.colors]
    fits_index = all(index < len(colors) or index == UNLABELED for index in used)
    fits_color = all(color in colors for index, color in used.items())
    different = [index for index, color in used.items() if fits_color and fits_index and color != colors[index]]
    if fits_color and different:
        index = different[0]
        by_color = listed.names[colors.index(used[index])]
        raise UserError(
            f'the masks of {root} have a palette, by which number {index} is {by_color!r}; by the order of '
            f'{listed.file} it is {listed.names[index]!r}: say which with {FLAG} color or {FLAG} index'
        )
    return 'color' if fits_color and not fits_index else 'index'


def _reading_of(kind: str, source: FolderSource, listed: ClassList | None, samples: Sequence[str]) -> MaskReading:
    known = known_classes(samples[0], kind) if samples else None
    if kind == 'binary':
        return _binary(listed)
    if kind in ('cityscapes', 'camvid'):
        reader = CITYSCAPES_READER if kind == 'cityscapes' else CAMVID_READER
        classes = listed if listed and len(listed.names) == len(known.names if known else ()) else known
        what = (
            'ids of Cityscapes, of which its 19 classes are taken'
            if kind == 'cityscapes'
            else "SegNet's labels of CamVid"
        )
        return MaskReading(reader, classes._replace(is_complete=True) if classes else None, f'they hold {what}')
    if kind == 'color':
        return _colors(source, listed or known)
    classes = listed or known
    said = f'they hold the labels of {known.file}' if known is not None and listed is None else ''
    is_plain = listed is None or listed.colors is None
    several = any(is_single_channel(mask) is False for mask in samples)
    said = said or ('they hold numbers, in several equal channels' if several else '')
    said = said or ('' if is_plain else f'they hold numbers, which count the lines of {listed.file if listed else ""}')
    return MaskReading(INDEX, classes, said)


def _binary(listed: ClassList | None) -> MaskReading:
    names = ['background', 'foreground'] if listed is None else list(listed.names)
    if len(names) == 1:
        names = ['background', *names]
    if len(names) > 2:
        raise UserError(
            f'{listed.file if listed else ""} has {len(names)} names, and {FLAG} binary is for masks of two'
        )
    classes = ClassList(listed.file if listed else 'masks of 0 and 255', names, is_complete=True)
    line = f'they hold 0 and {UNLABELED}, which is {names[1]!r}; {FLAG} index if {UNLABELED} is unlabeled'
    return MaskReading(BINARY, classes, line)


# -- Colors


def _colors(source: FolderSource, listed: ClassList | None) -> MaskReading:
    if listed is None or listed.colors is None:
        if listed is not None:
            raise UserError(
                f'the masks of {source.root} show colors, and {listed.file} has names without colors: write '
                '"name r g b" on each line'
            )
        return _found_colors(source)
    if len(listed.names) >= UNKNOWN:
        raise UserError(f'{listed.file} has {len(listed.names)} colors: there can be at most {UNKNOWN - 1}')
    # The first one stays, since it is what `--label-zero` is about
    is_void = [index > 0 and is_no_class(name) for index, name in enumerate(listed.names)]
    names = [name for name, void in zip(listed.names, is_void, strict=True) if not void]
    labels = {
        color: UNLABELED if void else names.index(name)
        for name, color, void in zip(listed.names, listed.colors, is_void, strict=True)
    }
    labels |= {color: UNLABELED for color in listed.void if color not in labels}
    left_out = [name for name, void in zip(listed.names, is_void, strict=True) if void]
    line = f'they show colors, of which {listed.file} names {len(listed.names)}'
    line += f'; unlabeled: {", ".join(left_out)}' if left_out else ''
    return MaskReading(ColorReader(labels), ClassList(listed.file, names, is_complete=True), line)


def _found_colors(source: FolderSource) -> MaskReading:
    """Name the colors that occur after themselves."""
    pixels: Counter[int] = Counter()
    for pairs in source.usable_pairs():
        for (_, mask), scan in zip(pairs, scan_masks(pairs, RAW_COLORS), strict=True):
            if scan.fault == LOSSY:
                raise BadLabels(mask, f'{LOSSY}: {scan.detail}', 'its colors are not exact: save masks as PNG')
            pixels.update(dict(scan.pixels))
    colors = sorted(pixels)
    near = _count_near(pixels)
    if len(colors) >= UNKNOWN or near > max(len(colors) / 2, 8):
        why = f'{near} of them near others, as after compression with loss or resizing with interpolation'
        raise UserError(
            f'the masks of {source.root} show {len(colors):,} colors{f", {why}" if near else ""}: there can be at '
            f'most {UNKNOWN - 1}; get the masks before that, or {PALETTE}'
        )
    mixed = find_mixed(pixels)
    if mixed:
        shown = shortened([in_hex(color) for color in mixed], 3)
        raise UserError(
            f'the masks of {source.root} show {len(colors)} colors, of which {len(mixed)} are rare and mixed of two '
            f'others ({shown}): their edges were interpolated, as by anti-aliasing or resizing. Save them without, or '
            f'replace mixed colors by the nearest of the others; if they are classes, {PALETTE}'
        )
    names = [f'color_{in_hex(color)[1:]}' for color in colors]
    reader = ColorReader({unpacked(color): label for label, color in enumerate(colors)}, are_all=True)
    what = count_of(names, 'color')
    line = f'they show {what} that no file names, which are called {shortened(names, 3)}: {PALETTE}'
    return MaskReading(reader, ClassList('the masks', names, is_complete=True), line)


def _count_near(pixels: Counter[int]) -> int:
    """Count the colors that differ little from a more frequent one, among the first thousand."""
    ordered = np.array([unpacked(color) for color, _ in pixels.most_common(1000)])
    if not len(ordered):
        return 0
    close = np.abs(ordered[:, None] - ordered[None]).max(2) <= NEAR
    return int(np.tril(close, -1).any(1).sum())
