"""Find lists of images with their classes, such as ``train.csv``, and the images that they name."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ..image_files import is_stray, subfolders
from ..text import count_of, shortened
from .image_names import GENERIC_FOLDERS, Images, folded, path_parts, plain_name, split_of
from .tables import SUFFIXES, Table, read_table

MOST_ABSENT = 0.05
"""Largest share of a list's images that may be absent without an error."""
WHOLE_NAMES = ('labels', 'label', 'annotations', 'annotation', 'metadata', 'list', 'dataset', 'data', 'images')
"""Names of lists of a whole data set or, in the folder of a split, of that."""
ROBOFLOW = '_classes.csv'
PLACES = ('.', 'meta', 'annotations', 'labels', 'lists', 'splits')
EXPLICIT = '--data TRAIN.csv:IMAGES,VAL.csv:IMAGES'


class Lists(NamedTuple):
    """The lists of a data set."""

    files: dict[str, Path]
    """The list of ``'train'`` and of ``'val'``; the same for both if a column tells the split."""
    folders: dict[str, Path]
    """The folder of the images of each split."""
    whole: bool = False
    """True if the list is of the whole data set."""


class ListedImages(NamedTuple):
    """The images of a split by class."""

    folder: Path
    files: list[list[str]]
    """Paths of the images of each class."""
    notes: list[str]
    doubts: Sequence[str] = ()
    """What speaks against the classes, one line each."""


def find_lists(root: str | Path) -> Lists | None:
    """Find the lists of a data set, by their names.

    Args:
        root: a folder; or the lists themselves, ``TRAIN.csv[:IMAGES][,VAL.csv[:IMAGES]]``.

    Returns:
        None if there are none.

    Raises:
        UserError: if several may be meant, or one of those that are given does not exist.
    """
    if not Path(root).is_dir():
        return _explicit(str(root))
    found: dict[str, list[Path]] = {}
    root = Path(root)
    own = [name for name in subfolders(root) if split_of(name)]
    for place in (*PLACES, *own):
        split_of_place = split_of(place)
        for file in _list_files(root / place):
            split = split_of(file.stem)
            if split is None and _is_whole(file):
                split = split_of_place or 'whole'
            if split is not None:
                found.setdefault(split, []).append(file)
    if 'train' not in found and 'whole' not in found and 'val' not in found:
        return None
    files = {}
    for split in ('train', 'val', 'test', 'whole'):
        of_split = found.get(split, [])
        if (split == 'whole' and 'train' in files) or (split == 'test' and 'val' in files):
            continue
        if len(of_split) > 1:
            names = ', '.join(str(file.relative_to(root)) for file in of_split)
            raise UserError(
                f'{root} has several lists for {split} ({names}): say which with --data {of_split[0]}:{root}, or with '
                f'{EXPLICIT}'
            )
        if of_split:
            files[split] = of_split[0]
    if 'test' in files and 'val' not in files and _has_classes(files['test'], root):
        files['val'] = files['test']
    files.pop('test', None)
    whole = files.pop('whole', None)
    if whole is not None:
        files = {'train': whole, **files}
    return Lists(files, dict.fromkeys(files, root), whole is not None) if files else None


def _explicit(value: str) -> Lists | None:
    parts = value.split(',')
    found = [re.fullmatch(r'(.+?\.(?:csv|tsv|txt))(?::(.+))?', part.strip(), re.IGNORECASE) for part in parts]
    if not any(found):
        return None
    if not all(found) or len(found) > 2:
        raise UserError(f'no lists can be read from {value}: write {EXPLICIT}')
    files, folders = {}, {}
    for split, part in zip(('train', 'val'), found, strict=False):
        assert part is not None
        files[split] = file = Path(part[1])
        folders[split] = Path(part[2]) if part[2] else file.parent
        for path in (file, folders[split]):
            if not path.exists():
                raise NoData(f'no data at {path}: write {EXPLICIT}')
    return Lists(files, folders, len(found) == 1)


def has_split(lists: Lists, split: str, label_column: str | None = None) -> bool:
    """Check whether lists have images of ``'train'`` or ``'val'``, also by a column that tells the split."""
    if split in lists.files:
        return True
    if not lists.whole:
        return False
    table = _read(lists, 'train', label_column)
    return table.splits is not None and any(split_of(one) in ('val', 'test') for one in table.splits)


def listed_classes(lists: Lists, label_column: str | None = None) -> list[str]:
    """Return the classes of a data set with lists: those of its training list, sorted.

    Numbers are those of the lines of a ``classes.txt``, if there is one beside the list or in its folder.
    """
    _, names, own, _ = _labels_of(lists, 'train' if 'train' in lists.files else 'val', label_column)
    if names is not None:
        return list(names)
    used = set(own)
    numeric = all(name.isdecimal() for name in used)
    return sorted(used, key=lambda name: (int(name), name) if numeric else (0, name))


def list_images(lists: Lists, split: str, classes: Sequence[str], label_column: str | None = None) -> ListedImages:
    """Find the images of a split that its list names.

    Raises:
        NoData: if there is no list for the split.
        UserError: for an unknown class, an image with two, or if too many images are absent.
    """
    if not has_split(lists, split, label_column):
        raise NoData(f'no list of images for {split} beside {next(iter(lists.files.values()))}: write {EXPLICIT}')
    source = split if split in lists.files else 'train'
    table, own, rows, said = _rows_of(lists, source, split, label_column)
    folder = lists.folders[source]
    unknown = sorted({own[row] for row in rows} - set(classes))
    if unknown:
        raise UserError(
            f'{table.file} has {count_of(unknown, "class", "classes")} that train does not have '
            f'({shortened(unknown)}): add training images or remove the lines'
        )
    images = Images(folder, split)
    label_of = {name: label for label, name in enumerate(classes)}
    found = images.match([table.names[row] for row in rows])
    labels: dict[str, int] = {}
    absent, repeated = [], 0
    for row in rows:
        name, label = table.names[row], label_of[own[row]]
        path = found[name]
        if path is None:
            absent.append(name)
            continue
        repeated += path in labels
        if labels.setdefault(path, label) != label:
            raise UserError(f'{table.file} has two classes for {name} ({classes[labels[path]]}, {own[row]}): keep one')
    if len(absent) > MOST_ABSENT * len(rows):
        raise UserError(
            f'{table.file}: {len(absent)} of {count_of(rows, "image")} not in {folder} ({shortened(absent, 3)}): get '
            f'or remove them, or name another folder with {EXPLICIT}'
        )
    files: list[list[str]] = [[] for _ in classes]
    for path in sorted(labels):
        files[labels[path]].append(path)
    note = f'{count_of(list(labels), "image")} for {split} and their classes are read from {table.file}: '
    note += table.columns + said
    note += f'; {count_of(absent, "image")} in it absent: {shortened(absent, 3)}' if absent else ''
    note += f'; {repeated} of its lines are repeated' if repeated else ''
    if unlisted := images.beside(labels):
        note += f'; {count_of(unlisted, "image")} beside them not in the list: {shortened(unlisted, 3)}'
    return ListedImages(folder, files, [note], [table.doubt] if table.doubt else [])


def _has_classes(file: Path, root: Path) -> bool:
    """Check whether a list of test images has their classes, which many have not."""
    try:
        table = read_table(file, Images(root, 'test').is_image)
    except UserError:
        return False
    return table.labels is not None


def _read(lists: Lists, source: str, label_column: str | None) -> Table:
    return read_table(lists.files[source], Images(lists.folders[source], source).is_image, label_column)


def _rows_of(
    lists: Lists, source: str, split: str, label_column: str | None
) -> tuple[Table, list[str], list[int], str]:
    """Return a list, the class name in each of its rows, the rows of the split, and what to say about them."""
    table, _, own, said = _labels_of(lists, source, label_column)
    rows = list(range(len(own)))
    if table.splits is not None and lists.whole:
        splits = [split_of(one) for one in table.splits]
        unknown = sorted({text for text, one in zip(table.splits, splits, strict=True) if one is None})
        if not unknown:
            wanted = {split} if split == 'train' or 'val' in splits else {'test'}
            rows = [row for row in rows if splits[row] in wanted]
            said += f', by its column of splits ({", ".join(sorted(map(str, wanted)))})'
        elif any(splits):
            raise UserError(f'{table.file}: unknown splits in its column ({shortened(unknown)}): write train or val')
    return table, own, rows, said


def _labels_of(
    lists: Lists, source: str, label_column: str | None
) -> tuple[Table, Sequence[str] | None, list[str], str]:
    """Return a list, the names in ``classes.txt`` if it has numbers of them, the class of each row, and a remark."""
    table = _read(lists, source, label_column)
    if table.labels is None:
        labels = [_folder_of(table, row) for row in range(len(table.names))]
    else:
        labels = table.labels
    file = _class_file(lists, source)
    if file is None or not all(label.isdecimal() for label in labels):
        return table, None, labels, ''
    names = _class_names(file)
    # of all splits, so that one without the first or last class is understood as the others are
    numbers = [int(label) for label in labels]
    for other in lists.files.keys() - {source}:
        more = _read(lists, other, label_column).labels or []
        numbers += [int(label) for label in more if label.isdecimal()]
    least, most = min(numbers), max(numbers)
    first = 0 if least == 0 or most < len(names) else 1
    if least > 0 and most < len(names):
        raise UserError(
            f'{table.file} has the numbers {least} to {most}, and {file} {len(names)} names, of which the first may '
            'be that of 0 or of 1: write the names into the list'
        )
    if most - first >= len(names):
        raise UserError(
            f'{table.file} has the numbers {least} to {most}, and {file} {len(names)} names: write one for each number'
        )
    return (
        table,
        names,
        [names[int(label) - first] for label in labels],
        f', numbers of the lines of {file}, from {first}',
    )


def _class_file(lists: Lists, source: str) -> Path | None:
    folders = (lists.files[source].parent, lists.folders[source])
    return next((folder / 'classes.txt' for folder in folders if (folder / 'classes.txt').is_file()), None)


def _class_names(file: Path) -> list[str]:
    try:
        names = [line.strip() for line in file.read_text(encoding='utf-8-sig').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{file} cannot be read ({error}): save it as UTF-8 text') from None
    numbered = [re.fullmatch(r'(\d+)[\s,:;]+(.+)', name) for name in names]
    if names and all(numbered):
        found = [(int(one[1]), one[2]) for one in numbered if one]
        if [number for number, _ in found] in (list(range(len(found))), list(range(1, len(found) + 1))):
            names = [name for _, name in found]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f'{file}: {twice[0]!r} comes twice: give each class a name of its own, one on a line')
    return names


def _folder_of(table: Table, row: int) -> str:
    *folders, _ = path_parts(table.names[row]) or ['']
    if not folders or folded(folders[-1]) in GENERIC_FOLDERS:
        raise UserError(
            f'{table.file} has no class for {table.names[row]}: write it behind the name, separated by a comma'
        )
    return folders[-1]


def _list_files(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.lower().endswith(SUFFIXES) and not is_stray(name) and (folder / name).is_file():
            yield folder / name


def _is_whole(file: Path) -> bool:
    """Check whether a list is of all images in its folder, by its name."""
    plain = plain_name(file.stem)
    return file.suffix.lower() != '.txt' and (plain in WHOLE_NAMES or file.name == ROBOFLOW)
