"""A diagnosis as plain values, independent of the task: what commands print, ``diagnosis.json`` holds and pages show.

A diagnosis is made of headlines, sections of blocks, images, and steps to try next. Numbers that are not defined, such
as the recall of a class without examples, are None. Shares and metrics are in percent, unless a unit says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Cell: TypeAlias = str | int | float | None

ColumnKind = Literal['text', 'class', 'image', 'count', 'percent', 'number', 'score']
"""Kind of a column's cells: texts, class names, paths of images, int, percent, float, and a number from 0 to 1."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: its heading.
        kind: of its cells.
        help: one sentence on what it is, or empty.
    """

    name: str
    kind: ColumnKind = 'text'
    help: str = ''


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by any column.

    Attributes:
        title: its title.
        columns: its columns.
        rows: cells in the order of the columns.
        note: what is to be known to read it, or empty.
        marked: numbers of rows that stand out, such as the best one, which a cell says in words as well.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ''
    marked: Sequence[int] = ()
    kind: Literal['table'] = 'table'


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        title: its title.
        rows: names of the rows, which are true.
        columns: names of the columns, which are predicted.
        counts: int, by row and column.
        unit: what is counted, in the plural.
        note: what is to be known to read it, or empty.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    counts: Sequence[Sequence[int]]
    unit: str
    note: str = ''
    kind: Literal['matrix'] = 'matrix'


@dataclass(frozen=True)
class Axis:
    """An axis of a chart: its label, its range if that does not follow from the data, and True for a log scale."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


@dataclass(frozen=True)
class Series:
    """A series of a chart.

    Attributes:
        name: its name.
        x: positions.
        y: values, as many.
        style: how they are drawn.
        group: the class that it belongs to, by which a page may choose what it shows; None for all classes.
        color: number of its color, from 1, where it has the same in several charts; None for one by its place.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    style: Literal['line', 'points', 'bars', 'reference'] = 'line'
    group: str | None = None
    color: int | None = None


@dataclass(frozen=True)
class Chart:
    """A chart of series over a common axis; ``categories``, if given, name the positions 0, 1, ... of bars."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    categories: Sequence[str] | None = None
    note: str = ''
    kind: Literal['chart'] = 'chart'


@dataclass(frozen=True)
class Gallery:
    """Some of a diagnosis' images, by their number in :attr:`Diagnosis.images`, each with a caption."""

    title: str
    images: Sequence[int]
    captions: Sequence[str]
    note: str = ''
    kind: Literal['gallery'] = 'gallery'


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates: a line for each row over one axis a column, colored by the last column's value.

    Attributes:
        title: its title.
        axes: the columns, the last of them that of the result.
        rows: a value on each axis; None where the row has none.
        names: of the rows.
        higher_is_better: of the last column.
        note: what is to be known to read it, or empty.
    """

    title: str
    axes: Sequence[Axis]
    rows: Sequence[Sequence[float | None]]
    names: Sequence[str]
    higher_is_better: bool = True
    note: str = ''
    kind: Literal['parallel'] = 'parallel'


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal['text'] = 'text'


Block: TypeAlias = Table | Matrix | Chart | Gallery | Parallel | Text


@dataclass(frozen=True)
class Section:
    """A part of a diagnosis.

    Attributes:
        id: its name in links, lower case, unique.
        title: its title.
        blocks: what it shows.
        lead: its main finding in one sentence, or empty.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    lead: str = ''


@dataclass(frozen=True)
class Headline:
    """A main number with its interval.

    Attributes:
        name: such as ``'top-1'``.
        value: the number.
        low: the lower bound of its interval; None without one.
        high: the upper bound.
        unit: ``'%'`` or empty.
        lower_is_better: True for errors.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = '%'
    lower_is_better: bool = False


@dataclass(frozen=True)
class Step:
    """Something to try next.

    Attributes:
        advice: what, in one sentence; commands and flags in backquotes.
        reason: the finding it follows from, with its numbers.
        rule: the rule by which it follows, in general terms, such as ``'fewer than 20 examples of a class'``.
        gain: how much it may matter, to sort by: points of the main metric, or a share of images; 0 if unknown.
        section: the id of the section that shows the finding, or empty.
    """

    advice: str
    reason: str
    rule: str
    gain: float = 0.0
    section: str = ''


@dataclass(frozen=True)
class ShownObject:
    """An object of an image in a browser, annotated or predicted.

    Attributes:
        box: left, top, width and height, in pixels of the original image.
        label: its class; None for an ignore region of all classes.
        score: in [0, 1]; None if annotated.
        finding: of a predicted one ``'right'``, a kind of error, or ``'ignored'`` if it counts as neither; of an
            annotated one ``'found'``, ``'missed'`` or ``'ignored'``; empty where nothing could be measured.
        outline: polygons of its mask, each x, y, x, y, ... in pixels of the original image, simplified; None without.
    """

    box: Sequence[float]
    label: int | None
    score: float | None
    finding: str
    outline: Sequence[Sequence[float]] | None = None


@dataclass(frozen=True)
class ShownImage:
    """An image in a browser of predictions.

    Attributes:
        path: the image's file as it is in the data set.
        file: a JPEG file of it beside ``diagnosis.json``, often shrunk.
        width: of the original image, in pixels.
        height: of the original image, in pixels.
        value: how well it is predicted, in percent, to sort by: of the true class' score, F1 of objects, IoU, PQ.
        findings: kinds of errors in it, by which it can be filtered; empty if there are none.
        classes: classes in its truth and its prediction, by which it can be filtered.
        truth: annotated objects; None for tasks without objects, or without ground truth.
        predicted: predicted objects, with low scores as well; None for tasks without objects.
        label: the true class; None but in classification.
        scores: the highest scores, as (class, score in [0, 1]); None but in classification.
        truth_map: PNG file with the true class of each pixel; None but in segmentation, and without ground truth. It
            is gray and its values are classes, 255 for none; of more than 255 classes it is RGB, a pixel's class is
            red + 256 * green, and 65535 is none.
        predicted_map: PNG file with the predicted classes.
    """

    path: str
    file: str
    width: int
    height: int
    value: float | None
    findings: Sequence[str]
    classes: Sequence[int]
    truth: Sequence[ShownObject] | None = None
    predicted: Sequence[ShownObject] | None = None
    label: int | None = None
    scores: Sequence[tuple[int, float]] | None = None
    truth_map: str | None = None
    predicted_map: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """All that was found about a model on a data set.

    Attributes:
        task: the task's name.
        classes: names of the K classes.
        colors: of the classes, RGB.
        weights: ``'raw'`` or ``'ema'``.
        data: where the images are.
        checkpoint: the checkpoint's file.
        command: the command line.
        tested_images: number of images.
        headlines: main numbers, the most important first.
        sections: what was found, in the order to read.
        steps: what to try next, the most promising first.
        images: those to look at.
        best_scores: the score from which on objects of a class are best kept, by class name; None but for objects.
        best_score: that of all classes; None but for objects.
    """

    task: str
    classes: Sequence[str]
    colors: Sequence[tuple[int, int, int]]
    weights: Literal['raw', 'ema']
    data: str
    checkpoint: str
    command: str
    tested_images: int
    headlines: Sequence[Headline]
    sections: Sequence[Section]
    steps: Sequence[Step]
    images: Sequence[ShownImage]
    best_scores: dict[str, float] | None = None
    best_score: float | None = None
