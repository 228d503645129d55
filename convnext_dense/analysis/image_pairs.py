"""Images of two data sets that are almost the same: fingerprints of their files, and what follows from them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..counting import counted
from ..data.image_scan import read_header
from ..data.scan_cache import cache_file
from ..diagnosis.content import Block, Cell, Column, Section, Table, Text
from ..diagnosis.near_duplicates import (
    Fingerprint,
    contradicting_duplicates,
    contradicting_objects,
    count_copies,
    fingerprint,
    leaks,
)
from ..diagnosis.statistics import DataStatistics
from ..diagnosis.suspects import Suspect, ranked
from ..io.band_images import ShownBands
from ..io.files import atomic_write
from ..io.images import decode, open_image, read_rgb
from ..io.opening import AS_USUAL, Opening
from ..io.shrunk_image import read_shrunk, shrink_factor
from ..io.value_range import ValueRange
from ..io.windowed_image import reads_windows

SECTION = 'duplicates'
"""Id of the section."""
VERSION = 1
"""Version of the cached fingerprints; increase it whenever those of an image change."""
MOST_IMAGES = 50_000
"""Images of a data set that are compared; of more, evenly spread ones."""
DRAFT_SIDE, SHRUNK_SIDE = 128, 512
"""Pixels: the least side at which JPEG files are decoded, and the longer side of images that are read by windows."""
MOST_ROWS = 500
"""Pairs that the table shows at most."""

_Known = Mapping[str, tuple[tuple[int, int], Fingerprint | None]]


class Duplicates(NamedTuple):
    """What is found by comparing the images of two data sets.

    Attributes:
        suspects: of the kinds ``'duplicate'`` and ``'leak'``, the most alike first.
        section: what to show of them.
        leaks: tested images that are almost the same as a training image.
        tested: tested images that were compared.
    """

    suspects: Sequence[Suspect]
    section: Section
    leaks: int
    tested: int


@dataclass(frozen=True, eq=False)
class _Images:
    """The readable images of a data set that are compared."""

    name: str
    paths: Sequence[str]
    prints: Sequence[Fingerprint]
    labels: Sequence[int] | None
    class_sets: Sequence[frozenset[int]] | None
    note: str


def find_duplicates(
    training: DataStatistics | None,
    tested: DataStatistics | None,
    workers: int,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
    advance: Callable[[], object] = lambda: None,
) -> Duplicates:
    """Find images with almost the same content: with different labels, or both in training and in testing.

    Whole image files are compared, not tiles of them. Of more than 50,000 images of a data set, that many are.

    Args:
        training: statistics of the training data; None if they are not there.
        tested: those of the tested data.
        workers: threads that read images.
        value_range: the values of images that become black and white, or the bands that are shown.
        opening: the page of the image files, and the limit of pixels.
        advance: called after each image.
    """
    splits = [
        _read(one, workers, value_range, opening, advance)
        for one in (training, tested)
        if one is not None and one.paths
    ]
    by_name = {one.name: one for one in splits}
    found: list[Suspect] = []
    if training is not None and tested is not None and len(by_name) == 2:
        one, other = by_name[tested.name], by_name[training.name]
        found += leaks(one.paths, one.prints, other.paths, other.prints)
    leaked = len(found)
    copies = {}
    for split in splits:
        copies[split.name] = count_copies(split.prints)
        if split.labels is not None:
            found += contradicting_duplicates(split.paths, split.prints, split.labels)
        elif split.class_sets is not None:
            found += contradicting_objects(split.paths, split.prints, split.class_sets)
    suspects = ranked(found)
    classes = next((one.classes for one in (tested, training) if one is not None), ())
    count = len(by_name[tested.name].paths) if tested is not None and tested.name in by_name else 0
    return Duplicates(suspects, _section(splits, suspects, copies, leaked, classes), leaked, count)


def count_compared(*splits: DataStatistics | None) -> int:
    """Count the images whose files :func:`find_duplicates` reads."""
    return sum(len(_chosen(one.paths)) for one in splits if one is not None)


def fingerprint_files(
    paths: Sequence[str],
    workers: int,
    value_range: ValueRange | ShownBands | None = None,
    opening: Opening = AS_USUAL,
    advance: Callable[[], object] = lambda: None,
) -> list[Fingerprint | None]:
    """Compute the fingerprints of image files, or take those that were computed before, if the file did not change.

    Args:
        paths: of the files.
        workers: threads.
        value_range: see :func:`find_duplicates`.
        opening: the same.
        advance: called after each image.

    Returns:
        For each file its fingerprint; None if it can't be read.
    """
    if not paths:
        return []
    name = cache_file('fingerprints', paths[0], f'{VERSION} {value_range} {opening}').with_suffix('.npz')
    known = _read_cache(name)
    states = [_state(path) for path in paths]

    def of(path: str, state: tuple[int, int]) -> Fingerprint | None:
        before = known.get(path)
        return before[1] if before and before[0] == state else _fingerprint_file(path, value_range, opening)

    with ThreadPoolExecutor(workers) as pool:
        prints = []
        for one in pool.map(of, paths, states):
            prints.append(one)
            advance()
    found = {path: (state, one) for path, state, one in zip(paths, states, prints, strict=True)}
    if any(path not in known or known[path][0] != state for path, (state, _) in found.items()):
        with suppress(OSError):  # without a cache, the files are read again
            _write_cache(name, found)
    return prints


def _fingerprint_file(path: str, value_range: ValueRange | ShownBands | None, opening: Opening) -> Fingerprint | None:
    try:
        if reads_windows(path, opening):
            header = read_header(path)
            factor = 1 if isinstance(header, str) else shrink_factor(header.size, SHRUNK_SIDE)
            return fingerprint(read_shrunk(path, factor, value_range, opening)[0])
        if isinstance(value_range, ShownBands):
            return fingerprint(read_rgb(path, False, value_range, opening))
        with open_image(path, opening=opening) as image:
            if image.format == 'JPEG':
                image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))  # decodes a half, a quarter or an eighth of the size
            return fingerprint(np.asarray(decode(image, value_range)))
    except Exception:  # decoders raise many types for broken files, which the check of the data names
        return None


def _state(path: str) -> tuple[int, int]:
    with suppress(OSError):
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    return 0, 0


def _read_cache(name: Path) -> _Known:
    try:
        with np.load(name) as content:
            paths = bytes(content['paths']).decode('utf-8', 'surrogateescape').split('\0')
            rows = zip(
                paths,
                map(tuple, content['states'].tolist()),
                content['bits'].tolist(),
                content['colors'],
                content['readable'].tolist(),
                strict=True,
            )
            return {
                path: (state, Fingerprint(bits, colors) if readable else None)
                for path, state, bits, colors, readable in rows
            }
    except (OSError, ValueError, KeyError, EOFError):  # none yet, or another program wrote it
        return {}


def _write_cache(name: Path, found: _Known) -> None:
    nothing = Fingerprint(0, np.zeros((8, 8, 3), np.uint8))
    prints = [one or nothing for _, one in found.values()]
    name.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(name) as file:
        np.savez(
            file,
            paths=np.frombuffer('\0'.join(found).encode('utf-8', 'surrogateescape'), np.uint8),
            states=np.array([state for state, _ in found.values()], np.int64),
            bits=np.array([one.bits for one in prints], np.uint64),
            colors=np.array([one.colors for one in prints], np.uint8),
            readable=np.array([one is not None for _, one in found.values()]),
        )


def _chosen(items: Sequence) -> Sequence:
    """Return at most :data:`MOST_IMAGES` items, evenly spread."""
    if len(items) <= MOST_IMAGES:
        return items
    return [items[place * len(items) // MOST_IMAGES] for place in range(MOST_IMAGES)]


def _read(
    of: DataStatistics,
    workers: int,
    value_range: ValueRange | ShownBands | None,
    opening: Opening,
    advance: Callable[[], object],
) -> _Images:
    paths = _chosen(of.paths)
    prints = fingerprint_files(paths, workers, value_range, opening, advance)
    kept = [place for place, one in enumerate(prints) if one is not None]
    labels, sets = (None if values is None else _chosen(values) for values in (of.labels, of.class_sets))
    unreadable = len(paths) - len(kept)
    note = f'{len(kept):,} of {len(of.paths):,} {of.name} images' if len(kept) < len(of.paths) else ''
    note += f' ({unreadable:,} can not be read)' if unreadable else ''
    return _Images(
        of.name,
        [paths[place] for place in kept],
        [one for one in prints if one is not None],
        None if labels is None else [labels[place] for place in kept],
        None if sets is None else [sets[place] for place in kept],
        note,
    )


def _section(
    splits: Iterable[_Images],
    suspects: Sequence[Suspect],
    copies: Mapping[str, int],
    leaked: int,
    classes: Sequence[str],
) -> Section:
    splits = list(splits)
    counts = Counter(suspect.kind for suspect in suspects)
    compared = ' and '.join(one.note or counted(len(one.paths), f'{one.name} image') for one in splits)
    said = [f'Compared were {compared}, by their content at a small size.'] if splits else []
    said += [
        f'{counted(copies[one.name], f"{one.name} image")} {"is" if copies[one.name] == 1 else "are"} almost the same '
        f'as another {one.name} image.'
        for one in splits
        if copies[one.name]
    ]
    blocks: list[Block] = [Text(' '.join(said))] if said else []
    if suspects:
        has_classes = any(suspect.label is not None for suspect in suspects)
        columns = [Column('what'), Column('image', 'image'), Column('almost the same as', 'image')]
        columns += [Column('class', 'class'), Column('class of the other', 'class')] if has_classes else []
        columns.append(Column('alike', 'percent', 'equal bits of the perceptual hashes of the two'))
        rows = []
        for one in suspects[:MOST_ROWS]:
            what = 'in training and testing' if one.kind == 'leak' else 'different labels'
            cells: list[Cell] = [what, one.path, one.other_path]
            if has_classes:
                cells += [
                    None if label is None or label < 0 else classes[label] for label in (one.label, one.suggested)
                ]
            rows.append([*cells, 100 * one.strength])
        note = f'The first {MOST_ROWS} of {len(suspects):,}.' if len(suspects) > MOST_ROWS else ''
        blocks.append(Table('Pairs', columns, rows, note))
    lead = []
    if leaked:
        tested = next(len(one.paths) for one in splits if one.name == 'tested')
        share = 100 * leaked / tested
        are = 'is' if leaked == 1 else 'are'
        lead.append(f'{counted(leaked, "tested image")} ({share:.1f}%) {are} almost the same as a training image')
    if counts['duplicate']:
        pairs = counted(counts['duplicate'], 'pair of almost equal images', 'pairs of almost equal images')
        lead.append(f'{pairs} {"has" if counts["duplicate"] == 1 else "have"} different labels')
    text = f'{"; ".join(lead)}.' if lead else 'No image is in both data sets or has two labels.' if splits else ''
    return Section(SECTION, 'Near-duplicate images', blocks, text)
