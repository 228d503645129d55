"""Read the class names of a data set, with their colors in the masks, from the files in which tools write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ...io.images import UNLABELED
from ..formats.csv_rows import read_rows
from ..formats.json_files import read_json
from ..formats.text_files import read_text
from ..formats.values import read_integer
from ..text import quoted
from .label_zero import ClassList
from .readers import Color

NUMBER = r'(\d{1,3})'
NAME_FIRST = re.compile(rf'(?P<name>.*?\S)[\s,;:=]+\(?{NUMBER}[\s,;]+{NUMBER}[\s,;]+{NUMBER}\)?')
COLOR_FIRST = re.compile(rf'\(?{NUMBER}[\s,;]+{NUMBER}[\s,;]+{NUMBER}\)?[\s,;:=]+(?P<name>\S.*)')
HEX = re.compile(r'(?P<name>.*?\S)[\s,;:=]+#(?P<hex>[0-9a-fA-F]{6})')
"""Lines with a name and a color."""


class _Entry(NamedTuple):
    """A class in a file."""

    name: str
    color: Color | None = None
    label: int | None = None
    """Its label in the masks, if the file states it."""


class _Place(NamedTuple):
    """A line of a file, or another place in it."""

    file: Path
    spot: int

    def __str__(self) -> str:
        return f'{self.file}:{self.spot}'


def read_class_list(root: str | Path, folders: Sequence[Path] = (), masks: str = '') -> ClassList | None:
    """Read the class names of a data set, and their colors in the masks where a file tells them.

    The files are ``classes.txt`` with a name on each line, optionally with ``r g b`` before or after it or ``#rrggbb``
    after it; ADE20K's ``objectInfo150.txt``; ``labelmap.txt`` of CVAT; ``label_colors.txt`` and ``class_dict.csv`` of
    CamVid; ``_classes.csv`` of Roboflow; ``class_names.txt`` and ``labels.txt`` of LabelMe; ``codes.txt``; and
    ``obj_class_to_machine_color.json`` and ``meta.json`` of Supervisely.

    Args:
        root: the data set's folder.
        folders: further folders in which tools write such files, those of the splits.
        masks: name of the folder of masks, of which Supervisely has two kinds.

    Returns:
        The classes, or None if no file lists them.

    Raises:
        UserError: for a file that can't be read, an empty or repeated name or color, and files that disagree.
    """
    found: list[ClassList] = []
    for folder in dict.fromkeys([Path(root), *folders]):
        found += [listed for name, parse in FILES.items() if (listed := _read(folder / name, parse)) is not None]
    names = [listed.file for listed in found]
    if 'classes.txt' in names:
        found = [listed for listed in found if listed.file != 'objectInfo150.txt']
    if 'obj_class_to_machine_color.json' in names:
        other = 'obj_class_to_machine_color.json' if masks == 'masks_human' else 'meta.json'
        found = [listed for listed in found if listed.file != other]
    if not found:
        return None
    for number, listed in enumerate(found):
        for earlier in found[:number]:
            _check_same(root, earlier, listed)
    with_colors = [listed for listed in found if listed.colors is not None]
    return with_colors[0]._replace(file=found[0].file) if with_colors else found[0]


def _check_same(root: str | Path, one: ClassList, other: ClassList) -> None:
    """Check that two files have the same classes in the same order, with the same colors."""
    fix = 'correct one of them, or remove it'
    if list(one.names) != list(other.names):
        pairs = enumerate(zip(one.names, other.names, strict=False), 1)
        different = next((f'class {k} is {a!r} and {b!r}' for k, (a, b) in pairs if a != b), None)
        different = different or f'they have {len(one.names)} and {len(other.names)} classes'
        raise UserError(f'{one.file} and {other.file} in {root} disagree, {different}: {fix}')
    if one.colors is not None and other.colors is not None and list(one.colors) != list(other.colors):
        name, a, b = next(t for t in zip(one.names, one.colors, other.colors, strict=True) if t[1] != t[2])
        raise UserError(f'{one.file} and {other.file} in {root} disagree, {name!r} is {a} and {b}: {fix}')


def _read(file: Path, parse: Callable[[Path], list[_Entry] | None]) -> ClassList | None:
    if not file.is_file():
        return None
    entries = parse(file)
    if entries is None:
        return None
    if not 0 < len(entries) <= UNLABELED:
        raise UserError(f'{file} names {len(entries)} classes: there can be 1 to {UNLABELED - 1}, one on a line')
    names = [entry.name for entry in entries]
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            what = f'{name!r} comes twice' if name else f'class {index + 1} has no name'
            raise UserError(f'{file}: {what}: give each class a name of its own, one on a line')
    labels = [entry.label for entry in entries]
    colors = [entry.color for entry in entries if entry.color is not None]
    if colors and len(colors) < len(entries):
        bare = next(entry.name for entry in entries if entry.color is None)
        raise UserError(f'{file}: {bare!r} has no color, unlike others: give each class one')
    for index, color in enumerate(colors):
        if color in colors[:index]:
            twins = f'{names[colors.index(color)]!r} and {names[index]!r} have the same color {color}'
            raise UserError(f'{file}: {twins}: give each class a color of its own')
    if None not in labels:
        return _by_label(file, entries)
    is_table = file.name == 'objectInfo150.txt'
    return ClassList(file.name, names, starts_at_one=is_table, colors=colors or None)


def _by_label(file: Path, entries: Sequence[_Entry]) -> ClassList:
    """List classes whose labels the file states; labels that it leaves out are named after themselves."""
    name_of: dict[int, str] = {}
    for name, _, label in entries:
        if label is None or not 0 <= label < UNLABELED:
            raise UserError(f'{file}: label {label} of {name!r} is not in 0 to {UNLABELED - 1}')
        if label in name_of:
            raise UserError(f'{file}: {name_of[label]!r} and {name!r} have the same label {label}: number them anew')
        name_of[label] = name
    name_of.setdefault(0, 'unlabeled')
    names = [name_of.get(label, f'class_{label}') for label in range(max(name_of) + 1)]
    return ClassList(file.name, names, is_complete=True)


# -- The files


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in read_text(file).rstrip().splitlines()]


def _read_lines(file: Path) -> list[_Entry]:
    """Read a name on each line, or, if the first one has a color, a name and a color on each that is no comment."""
    lines = _lines(file)
    colored = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith('#')]
    if not colored or _as_colored(colored[0][1], _Place(file, 1)) is None:
        return [_Entry(line) for line in lines]
    return _read_colored(file, colored)


def _read_colors(file: Path) -> list[_Entry]:
    lines = enumerate(_lines(file), 1)
    return _read_colored(file, [(number, line) for number, line in lines if line and not line.startswith('#')])


def _read_colored(file: Path, lines: Sequence[tuple[int, str]]) -> list[_Entry]:
    entries = []
    for number, line in lines:
        entry = _as_colored(line, _Place(file, number))
        if entry is None:
            raise UserError(f'{file}:{number}: {quoted(line)} has no color: write name r g b, each from 0 to 255')
        entries.append(entry)
    return entries


def _as_colored(line: str, place: _Place) -> _Entry | None:
    by_hex = HEX.fullmatch(line)
    if by_hex:
        return _Entry(by_hex['name'], _from_hex(by_hex['hex']))
    for pattern, numbers in ((NAME_FIRST, slice(1, 4)), (COLOR_FIRST, slice(0, 3))):
        found = pattern.fullmatch(line)
        if found:
            return _Entry(found['name'].strip(), _color(found.groups()[numbers], place))
    return None


def _read_labelmap(file: Path) -> list[_Entry]:
    """Read CVAT's lines ``name:r,g,b:parts:actions``, whose colors may all be absent."""
    entries = []
    for number, line in enumerate(_lines(file), 1):
        if not line or line.startswith('#'):
            continue
        name, _, rest = line.partition(':')
        numbers = [part for part in rest.split(':')[0].split(',') if part.strip()]
        entries.append(_Entry(name.strip(), _color(numbers, _Place(file, number)) if numbers else None))
    return entries


def _read_class_dict(file: Path) -> list[_Entry]:
    """Read a table with the columns ``name``, ``r``, ``g`` and ``b``."""
    rows = _rows(file)
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    columns = [next((header.index(one) for one in names if one in header), None) for names in COLUMNS]
    if None in columns:
        raise UserError(f'{file}: the columns are {", ".join(header)}: they must be name, r, g and b')
    place = [column for column in columns if column is not None]
    entries = []
    for number, row in rows[1:]:
        if len(row) <= max(place):
            raise UserError(f'{file}:{number}: {len(row)} columns rather than {len(header)}')
        entries.append(_Entry(row[place[0]], _color([row[column] for column in place[1:]], _Place(file, number))))
    return entries


COLUMNS = (('name', 'class', 'class_name', 'label'), ('r', 'red'), ('g', 'green'), ('b', 'blue'))


def _read_values(file: Path) -> list[_Entry] | None:
    """Read Roboflow's table with the columns ``Pixel Value`` and ``Class``; None if it is another kind of table."""
    rows = _rows(file)
    if not rows or [cell.lower() for cell in rows[0][1]] != ['pixel value', 'class']:
        return None
    entries = []
    for number, row in rows[1:]:
        label = read_integer(row[0])
        if len(row) != 2 or label is None:
            raise UserError(f'{file}:{number}: {quoted(", ".join(row))} is not a number and a class')
        entries.append(_Entry(row[1], label=label))
    return entries


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """Return the rows of a table that are no comments, with their lines."""
    return [(number, cells) for number, cells in read_rows(file) if not cells[0].startswith('#')]


def _read_ade(file: Path) -> list[_Entry]:
    """Read a table with the columns Idx, Ratio, Train, Val, Name; a name is a list of synonyms."""
    return [_Entry(line.split('\t')[-1].split(',')[0].strip()) for line in _lines(file)[1:]]


def _read_labelme(file: Path) -> list[_Entry]:
    """Read LabelMe's names, of which ``__ignore__`` is label -1: its pixels are 255 in the masks."""
    entries = _read_lines(file)
    return entries[1:] if entries and entries[0].name == '__ignore__' else entries


def _read_meta(file: Path) -> list[_Entry] | None:
    """Read the classes of a Supervisely project, in whose masks the background is black; None for another file."""
    content = read_json(file)
    classes = content.get('classes') if isinstance(content, dict) else None
    if not isinstance(classes, list) or not all(isinstance(one, dict) and 'title' in one for one in classes):
        return None
    entries = []
    for number, one in enumerate(classes):
        color = re.fullmatch('#([0-9a-fA-F]{6})', str(one.get('color')))
        if color is None:
            raise UserError(f'{file}: classes[{number}].color {quoted(one.get("color"))} is not #rrggbb')
        entries.append(_Entry(str(one['title']), _from_hex(color[1])))
    black = (0, 0, 0)
    return entries if black in [entry.color for entry in entries] else [_Entry('background', black), *entries]


def _read_machine_colors(file: Path) -> list[_Entry] | None:
    """Read Supervisely's labels, each given as a gray color, beside a background of 0; None for another file."""
    content = read_json(file)
    if not isinstance(content, dict):
        return None
    entries = []
    for name, color in content.items():
        if not isinstance(color, list) or len({str(part) for part in color}) != 1 or read_integer(color[0]) is None:
            raise UserError(f'{file}: {name} {quoted(color)} is not a gray color [v, v, v]')
        entries.append(_Entry(name, label=read_integer(color[0])))
    return entries if 0 in [entry.label for entry in entries] else [_Entry('background', label=0), *entries]


def _color(numbers: Sequence[str], place: _Place) -> Color:
    values = [read_integer(number) for number in numbers]
    known = [value for value in values if value is not None and 0 <= value <= 255]
    if len(values) != 3 or len(known) != 3:
        raise UserError(f'{place}: {quoted(",".join(numbers))} is not a color: write r,g,b, each from 0 to 255')
    return known[0], known[1], known[2]


def _from_hex(text: str) -> Color:
    value = int(text, 16)
    return value >> 16, value >> 8 & 255, value & 255


FILES: dict[str, Callable[[Path], list[_Entry] | None]] = {
    'classes.txt': _read_lines,
    'objectInfo150.txt': _read_ade,
    'labelmap.txt': _read_labelmap,
    'label_colors.txt': _read_colors,
    'class_dict.csv': _read_class_dict,
    'class_dict_seg.csv': _read_class_dict,
    '_classes.csv': _read_values,
    'class_names.txt': _read_labelme,
    'labels.txt': _read_labelme,
    'codes.txt': _read_lines,
    'obj_class_to_machine_color.json': _read_machine_colors,
    'meta.json': _read_meta,
}
"""The files of class names by name."""
