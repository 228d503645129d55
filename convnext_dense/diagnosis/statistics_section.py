"""The section of a diagnosis that shows what the training data and the tested data consist of, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..counting import counted
from ..data.text import shortened
from .content import Axis, Block, Cell, Chart, Column, ColumnKind, Section, Series, Table, Text
from .statistics import DataStatistics

SECTION = 'data'
"""Id of the section."""
FEW = 20
"""Examples of a class below which they are few."""
RARE = 50
"""Factor by which a class must have fewer examples than the median class, or the most frequent one, to be rare."""
MOST_BARS = 40
"""Classes up to which each has a bar; the balance of more is a curve."""
RELATIVE_SIDES = (2, 4, 8, 16, 32, 64)
"""Bounds of the bars of object sizes, in percent of the side of the image."""
IMAGE_SIDES = (64, 128, 256, 384, 512, 768, 1024, 1536, 2048, 4096)
"""Bounds of the bars of image sizes, in pixels of the shorter side."""
PER_IMAGE = (1, 2, 3, 5, 10, 20, 50, 100)
"""Bounds of the bars of objects per image."""


def data_section(training: DataStatistics | None, tested: DataStatistics | None, notes: Sequence[str] = ()) -> Section:
    """Make the section about the data.

    Args:
        training: statistics of the training data; None if they are not there.
        tested: those of the tested data; None if they could not be read.
        notes: what is missing, or was taken from a sample, in sentences.
    """
    splits = [one for one in (training, tested) if one is not None]
    blocks: list[Block] = [Text(' '.join(notes))] if notes else []
    if splits:
        blocks += [_overview(splits), _classes_table(splits), _balance(splits)]
        blocks += _size_charts(splits)
        blocks += _object_blocks(splits)
    return Section(SECTION, 'Data', blocks, lead(training, tested))


def lead(training: DataStatistics | None, tested: DataStatistics | None) -> str:
    """Say the most important thing about the data in one sentence; empty if nothing is known."""
    main = tested if training is None or not training.images else training
    if main is None or not main.classes:
        return ''
    where, noun = main.name, main.countable_unit
    said = []
    if training is not None and tested is not None and training.images:
        for one, other in ((training, tested), (tested, training)):
            lacking = [name for name in one.absent if name not in set(other.absent)]
            if lacking:
                are = 'is' if len(lacking) == 1 else 'are'
                said.append(f'{shortened([repr(name) for name in lacking])} {are} not in the {one.name} images')
    counts = main.countable
    present = np.flatnonzero(counts)
    if len(present) > 1:
        few, most = (int(present[place(counts[present])]) for place in (np.argmin, np.argmax))
        least, highest = int(counts[few]), int(counts[most])
        examples = counted(least, f'{where} {noun}')
        if least == highest and least < FEW:
            said.insert(0, f'each of the {len(present):,} classes has {examples}')
        elif least < FEW or highest >= RARE * least:
            compared = f', {_fraction(highest / least)} of {main.classes[most]!r}' if highest >= 2 * least else ''
            same = np.flatnonzero(counts == least).tolist()
            others = f' and {counted(len(same) - 1, "other class", "other classes")}' if len(same) > 1 else ''
            have = 'have' if others else 'has'
            each = ' each' if others else ''
            said.insert(0, f'{main.classes[few]!r}{others} {have} {examples}{each}{compared}')
        elif not said:
            number = f'{least:,}' if least == highest else f'{least:,} to {highest:,}'
            said.append(f'{counted(main.images, f"{where} image")}, with {number} {noun}s of each class')
    elif not said:
        said.append(counted(main.images, f'{where} image'))
    return f'{"; ".join(said)}.' if said else ''


def _fraction(factor: float) -> str:
    """Write one by a factor of at least 2: ``half``, ``a third``, ``an 80th``."""
    number = int(round(factor, min(0, 2 - len(str(int(factor))))))  # two digits
    named = {2: 'half', 3: 'a third', 4: 'a quarter', 5: 'a fifth'}
    if number in named:
        return named[number]
    last = {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') if number % 100 not in (11, 12, 13) else 'th'
    text = f'{number:,}'
    return f'{"an" if text.startswith("8") or text in ("11", "18") else "a"} {text}{last}'


def _overview(splits: Sequence[DataStatistics]) -> Table:
    unit = splits[0].unit
    has_objects = any(one.objects is not None for one in splits)
    columns = [Column('data'), Column('images', 'count')]
    if any(one.left_out for one in splits):
        columns.append(Column('left out', 'count', 'images that training leaves out, such as those without objects'))
    columns += [
        Column('median size', help='height x width, in pixels'),
        Column('smallest', help='by the number of pixels'),
        Column('largest', help='by the number of pixels'),
        Column('classes', 'count', 'classes with an example'),
    ]
    if has_objects:
        columns += [Column(unit, 'count'), Column(f'{unit} per image', 'number')]
    if unit != 'images':
        columns.append(Column('images without any', 'count', f'images without {_things(unit)}'))
    if any(one.unlabeled is not None for one in splits):
        columns.append(Column('unlabeled pixels', 'percent', 'share of the pixels that have no class'))
    rows = []
    for one in splits:
        cells: list[Cell] = [one.name, one.images]
        if any(other.left_out for other in splits):
            cells.append(one.left_out)
        areas = one.sizes.prod(axis=1)
        places = [areas.argmin(), areas.argmax()] if len(areas) else []
        cells.append(str(one.median_size) if one.median_size else None)
        cells += [f'{one.sizes[place][0]} x {one.sizes[place][1]}' for place in places] or [None, None]
        cells.append(int((one.examples > 0).sum()))
        if has_objects:
            total = int(one.examples.sum())
            cells += [total, total / one.images if one.images else None]
        if unit != 'images':
            cells.append(one.without)
        if any(other.unlabeled is not None for other in splits):
            cells.append(one.unlabeled)
        rows.append(cells)
    return Table('Images', columns, rows)


def _things(unit: str) -> str:
    return 'a labeled pixel' if unit == 'pixels' else f'{unit} of these classes'


def _classes_table(splits: Sequence[DataStatistics]) -> Table:
    unit = splits[0].unit
    columns = [Column('class', 'class')]
    cells: list[list[Cell]] = []
    for one in splits:
        total = max(int(one.examples.sum()), 1)
        columns.append(Column(f'{one.name} images', 'count', f'{one.name} images with the class'))
        cells.append([int(number) for number in one.class_images])
        if unit in ('objects', 'segments'):
            columns.append(Column(f'{one.name} {unit}', 'count'))
            cells.append([int(number) for number in one.examples])
        columns.append(Column(f'share of {one.name} {unit}', 'percent'))
        cells.append([100 * int(number) / total for number in one.examples])
    order = np.argsort(-splits[0].examples, kind='stable').tolist()
    rows = [[splits[0].classes[label], *(column[label] for column in cells)] for label in order]
    others = sorted({name for one in splits for name in one.other_classes})
    note = f'Classes that the model does not have are left out: {shortened(others)}.' if others else ''
    return Table('Classes', columns, rows, note)


def _balance(splits: Sequence[DataStatistics]) -> Chart:
    """Make a chart of the share of each class; of many classes, their shares in descending order."""
    classes, unit = splits[0].classes, splits[0].unit
    shares = [100 * one.examples / max(int(one.examples.sum()), 1) for one in splits]
    order = np.argsort(-splits[0].examples, kind='stable').tolist()
    y = Axis(f'share of {unit}, %', low=0)
    places = list(range(len(classes)))
    if len(classes) <= MOST_BARS:
        series = [
            Series(one.name, places, [float(share[label]) for label in order], 'bars')
            for one, share in zip(splits, shares, strict=True)
        ]
        return Chart('Class balance', Axis('class'), y, series, [classes[label] for label in order])
    series = [
        Series(one.name, [place + 1 for place in places], np.sort(share)[::-1].tolist())
        for one, share in zip(splits, shares, strict=True)
    ]
    return Chart('Class balance', Axis('classes by the number of their examples', low=1), y, series)


def _size_charts(splits: Sequence[DataStatistics]) -> list[Block]:
    values = [(one.name, one.sizes.min(axis=1)) for one in splits if len(one.sizes)]
    chart = _histogram('Image sizes', 'shorter side, pixels', 'images', values, IMAGE_SIDES)
    return [chart] if chart else []


def _object_blocks(splits: Sequence[DataStatistics]) -> list[Block]:
    of_splits = [(one.name, one.objects) for one in splits if one.objects is not None and len(one.objects)]
    if not of_splits:
        return []
    columns: list[Column] = [Column('data')]
    rows: list[list[Cell]] = [[name] for name, _ in of_splits]
    counts = [(objects.count_sizes(), objects.count_aspects()) for _, objects in of_splits]
    helps = {
        'small': 'up to 32 x 32 pixels of the original image',
        'medium': 'up to 96 x 96 pixels',
        'large': 'more than 96 x 96 pixels',
        'tall': 'width up to 3/4 of the height',
        'square': 'in between',
        'wide': 'width more than 4/3 of the height',
    }
    kind: ColumnKind = 'percent'
    for place in (0, 1):
        if not any(sum(one[place].values()) for one in counts):
            continue  # no boxes
        for name in counts[0][place]:
            columns.append(Column(name, kind, helps[name]))
            for row, one in zip(rows, counts, strict=True):
                row.append(100 * one[place][name] / max(sum(one[place].values()), 1))
    columns.append(Column('median side', 'number', 'pixels, of a square as large as the object'))
    for row, (_, objects) in zip(rows, of_splits, strict=True):
        row.append(float(np.sqrt(np.median(objects.areas))))
    blocks: list[Block] = [Table('Objects', columns, rows, 'Shares of the objects, as COCO has the sizes.')]
    relative = [(name, objects.relative_sides[~np.isnan(objects.relative_sides)]) for name, objects in of_splits]
    per_image = [(name, objects.per_image) for name, objects in of_splits]
    for title, axis, unit, values, bounds in (
        ('Object sizes', 'side of an object, % of the side of its image', 'objects', relative, RELATIVE_SIDES),
        ('Objects per image', 'objects', 'images', per_image, PER_IMAGE),
    ):
        chart = _histogram(title, axis, unit, values, bounds)
        blocks += [chart] if chart else []
    return blocks


def _histogram(
    title: str, axis: str, unit: str, values: Sequence[tuple[str, np.ndarray]], bounds: Sequence[int]
) -> Chart | None:
    """Make a chart of the shares of values below, between and from bounds; None without values."""
    values = [(name, own) for name, own in values if len(own)]
    if not values:
        return None
    counts = {
        name: np.bincount(np.searchsorted(bounds, own, 'right'), minlength=len(bounds) + 1) for name, own in values
    }
    used = np.flatnonzero(sum(counts.values()))
    first, last = int(used[0]), int(used[-1])
    names = [_range_name(bounds, place) for place in range(first, last + 1)]
    series = [
        Series(name, list(range(len(names))), [100 * int(n) / int(of.sum()) for n in of[first : last + 1]], 'bars')
        for name, of in counts.items()
    ]
    return Chart(title, Axis(axis), Axis(f'share of {unit}, %', low=0), series, names)


def _range_name(bounds: Sequence[int], place: int) -> str:
    if place == 0:
        return '0' if bounds[0] == 1 else f'under {bounds[0]}'
    low = bounds[place - 1]
    if place == len(bounds):
        return f'{low} or more'
    high = bounds[place]
    return (
        f'{low}'
        if bounds[0] == 1 and high == low + 1
        else f'{low} to {high - 1}'
        if bounds[0] == 1
        else f'{low} to {high}'
    )
