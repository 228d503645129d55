"""Read tables that name images and their classes, as CSV and text files of any origin have them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..image_files import EXTENSIONS
from ..text import count_of, shortened
from .label_texts import check_whole_numbers, describe_recurring_words

SUFFIXES = ('.csv', '.tsv', '.txt')
NAME_COLUMNS = {
    *('image', 'images', 'filename', 'filenames', 'file', 'path', 'paths', 'filepath', 'filepaths', 'imagepath'),
    *('imagename', 'imagefile', 'imagefilename', 'img', 'imgname', 'imgpath', 'id', 'imageid', 'imgid', 'idcode'),
    *('fname', 'name', 'uuid', 'isicid'),
}
"""Names of the column with the images, without case and signs."""
LABEL_COLUMNS = {
    *('label', 'labels', 'labelname', 'labelid', 'class', 'classes', 'classname', 'classid', 'classlabel', 'category'),
    *('categories', 'categoryname', 'categoryid', 'target', 'targets', 'breed', 'species', 'variety', 'type', 'level'),
    *('diagnosis', 'dx', 'tag', 'tags', 'y', 'groundtruth', 'wnid', 'synset'),
}
"""Names of the column with the classes, without case and signs."""
PLURALS = ('labels', 'tags', 'classes')
"""Names of columns that may have several classes in a cell, without case and signs."""
SPLIT_COLUMNS = {'split', 'set', 'subset', 'dataset', 'partition', 'fold', 'usage'}
BOX_COLUMNS = {'xmin', 'ymin', 'xmax', 'ymax', 'bbox', 'boundingbox', 'x1', 'y1', 'x2', 'y2', 'roix1'}
SEPARATORS = ('\t', ';', ',')
SHOWN_TO_DECIDE = 200
"""Number of rows by which columns without a known name are told apart."""


class Table(NamedTuple):
    """The rows of a table."""

    file: Path
    names: list[str]
    """Name of the image in each row, as it is written."""
    labels: list[str] | None
    """Class of the image in each row; None if the table has none but the folders in the names."""
    splits: list[str] | None
    """Split of the image in each row, in lowercase; None if the table has none."""
    columns: str
    """The columns that were taken, in words."""
    doubt: str = ''
    """What speaks against the classes, for a warning; empty if nothing does."""


def read_table(file: Path, is_image: Callable[[str], bool], label_column: str | None = None) -> Table:
    """Read a table.

    Columns are separated by tabs, semicolons, commas or, of two, by blanks. The first line may have their names. The
    classes are in one column; or each class has a column of 0 and 1, of which each row has a single 1.

    Args:
        file: the table, UTF-8.
        is_image: function that checks whether a text names an image, where the columns don't tell.
        label_column: name of the column with the classes; None to recognize it.

    Raises:
        UserError: for a file that can't be read, rows of different lengths, or columns that may be several things; for
            images with several classes, without one, or with boxes.
    """
    rows = _rows(file, is_image)
    header = _header(rows, is_image)
    body = rows[1:] if header else rows
    if not body:
        raise UserError(f'{file} names no images: write the name and the class of an image on each line')
    width = len(rows[0])
    ragged = next((number for number, row in enumerate(rows, 1) if len(row) != width), None)
    if ragged is not None:
        raise UserError(
            f'{file}:{ragged} has {count_of(rows[ragged - 1], "column")}, the first line {width}: correct it'
        )
    words = [_word(cell) for cell in rows[0]] if header else [''] * width
    boxes = [rows[0][k] for k, word in enumerate(words) if word in BOX_COLUMNS]
    if boxes and label_column is None:
        raise UserError(
            f'{file} has boxes ({shortened(boxes, 2)}): take a config of a detector, or say which column has the '
            'class of the whole image with --label-column'
        )
    image = _image_column(words, body, is_image)
    names = [row[image] for row in body]
    if label_column is None and width == 1:
        return Table(file, names, None, None, 'the class is the folder of the image')
    chosen = _named_column(file, rows[0] if header else [], label_column)
    split = next((k for k, w in enumerate(words) if w in SPLIT_COLUMNS and k not in (image, chosen)), None)
    splits = None if split is None else [row[split].lower() for row in body]
    others = [k for k in range(width) if k not in (image, split)]
    if chosen is None:
        chosen = _label_column(file, rows[0], words, body, others)
    called = [f'column {rows[0][k]}' if header else f'column {k + 1}' for k in (image, chosen or 0)]
    if chosen is None:
        labels = _one_hot(file, rows[0], body, others, header)
        return Table(file, names, labels, splits, f'{called[0]} names images, {len(others)} columns are classes')
    labels = _as_integers([row[chosen] for row in body])
    _check_labels(file, labels, words[chosen], header)
    if label_column is None:
        check_whole_numbers(f'{file}: {called[1]}', labels)
    doubt = describe_recurring_words(labels, words[chosen] in PLURALS)
    doubt = f'{file}: {called[1]} {doubt}' if doubt else ''
    return Table(file, names, labels, splits, f'{called[0]} names images, {called[1]} their classes', doubt)


def has_suffix(name: str) -> bool:
    """Check whether a text ends like the name of an image."""
    return name.lower().endswith(EXTENSIONS)


def _rows(file: Path, is_image: Callable[[str], bool]) -> list[list[str]]:
    try:
        text = file.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{file} cannot be read ({error}): save it as UTF-8 text') from None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith('#')]
    if not lines:
        raise UserError(f'{file} is empty: write the name and the class of an image on each line')
    for separator in SEPARATORS:
        try:
            first = list(csv.reader(lines[:20], delimiter=separator))
        except csv.Error:
            continue
        if len(first[0]) > 1 and len({len(row) for row in first}) == 1:
            break
    else:
        separator = next((one for one in SEPARATORS if one in lines[0]), '')
    if separator:
        try:
            # of all lines at once, since a quoted cell may have several
            found = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
            rows = [[cell.strip() for cell in row] for row in found if any(map(str.strip, row))]
        except csv.Error as error:
            raise UserError(f'{file} cannot be read as a table ({error}): write it again') from None
        return [row for row in rows if not row[0].startswith('#')]
    by_last = [line.strip().rsplit(None, 1) for line in lines]
    by_first = [line.strip().split(None, 1) for line in lines]
    some = slice(SHOWN_TO_DECIDE)
    fits = [sum(has_suffix(r[0]) or is_image(r[0]) for r in split[some]) for split in (by_last, by_first)]
    whole = sum(has_suffix(line.strip()) for line in lines[some])
    if whole >= max(1, *fits):
        return [[line.strip()] for line in lines]
    return by_first if fits[1] > fits[0] else by_last


def _word(cell: str) -> str:
    return re.sub(r'[^a-z0-9]', '', cell.lower())


def _header(rows: Sequence[Sequence[str]], is_image: Callable[[str], bool]) -> bool:
    """Check whether the first row has the names of columns: a known one, and nothing that names an image."""
    known = NAME_COLUMNS | LABEL_COLUMNS | SPLIT_COLUMNS
    if not any(_word(cell) in known for cell in rows[0]) or any(map(has_suffix, rows[0])):
        return False
    return not any(is_image(cell) for cell in rows[0])


def _image_column(words: Sequence[str], body: Sequence[Sequence[str]], is_image: Callable[[str], bool]) -> int:
    known = [k for k, word in enumerate(words) if word in NAME_COLUMNS]
    if len(known) == 1:
        return known[0]
    some = body[:SHOWN_TO_DECIDE]
    candidates = known or range(len(words))
    counts = {k: sum(has_suffix(row[k]) for row in some) for k in candidates}
    if not any(counts.values()):
        counts = {k: sum(is_image(row[k]) for row in some) for k in candidates}
    return max(candidates, key=lambda k: (counts[k], -k))


def _named_column(file: Path, header: Sequence[str], name: str | None) -> int | None:
    if name is None:
        return None
    found = [k for k, cell in enumerate(header) if cell == name] or [
        k for k, cell in enumerate(header) if _word(cell) == _word(name)
    ]
    if len(found) != 1:
        there = f'it has {shortened(list(header), 10)}' if header else 'its first line has no names of columns'
        raise UserError(f'--label-column {name}: {file} has no such column, {there}')
    return found[0]


def _label_column(
    file: Path, header: Sequence[str], words: Sequence[str], body: Sequence[Sequence[str]], others: Sequence[int]
) -> int | None:
    """Return the column with the classes; None if each class has a column."""
    if len(others) == 1:
        return others[0]
    named = any(words)
    candidates = [k for k in others if words[k] in LABEL_COLUMNS]
    if len(candidates) > 1 and all(_are_equivalent(body, candidates[0], k) for k in candidates[1:]):
        texts = [k for k in candidates if not all(row[k].lstrip('-').isdecimal() for row in body)]
        candidates = (texts or candidates)[:1]  # names rather than their numbers
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and named and all(row[k] in ('0', '1', '0.0', '1.0') for row in body for k in others):
        return None
    if not named:
        raise UserError(
            f'{file} has {len(words)} columns without names: name them in its first line, such as image,label'
        )
    names = [header[k] for k in candidates or others]
    flags = ' or '.join(f'--label-column {name!r}' if ' ' in name else f'--label-column {name}' for name in names[:5])
    raise UserError(f'{file}: several columns may have the class ({shortened(names)}): say which with {flags}')


def _are_equivalent(body: Sequence[Sequence[str]], one: int, other: int) -> bool:
    """Check whether each value of a column goes with a single value of another, and the other way round."""
    pairs = {(row[one], row[other]) for row in body}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _one_hot(
    file: Path, header: Sequence[str], body: Sequence[Sequence[str]], columns: Sequence[int], named: bool
) -> list[str]:
    first_line = 2 if named else 1
    labels = []
    for line, row in enumerate(body, first_line):
        ones = [k for k in columns if float(row[k]) == 1]
        if len(ones) != 1:
            what = f'{len(ones)} classes ({shortened([header[k] for k in ones], 3)})' if ones else 'no class'
            fix = 'images of several classes at once are not learned here' if ones else 'remove it, or give it one'
            raise UserError(f'{file}:{line} gives {row[0]} {what}: {fix}')
        labels.append(header[ones[0]])
    return labels


def _as_integers(labels: list[str]) -> list[str]:
    """Write ``1.0`` as ``1``, as pandas doesn't where a number is missing."""
    if all(re.fullmatch(r'\d+\.0*', label) for label in labels if label):
        return [label.split('.')[0] for label in labels]
    return labels


def _check_labels(file: Path, labels: Sequence[str], word: str, named: bool) -> None:
    first_line = 2 if named else 1
    empty = [line for line, label in enumerate(labels, first_line) if not label]
    if empty:
        raise UserError(
            f'{file} has no class on {count_of(empty, "line")} ({shortened(empty)}): write them, or remove the lines'
        )
    several = [label for label in labels if re.search(r'[|;,]', label)]
    parts = Counter(part.strip() for label in several for part in re.split(r'[|;,]', label))
    if several and (word in PLURALS or any(part in set(labels) for part in parts)):
        raise UserError(
            f'{file} has several classes for an image ({several[0]}), {len(several)} times: images of several classes '
            'at once are not learned here'
        )
