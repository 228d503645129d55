"""Find the images of a YOLO split and their label files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ..check.records import NOTE
from ..image_files import EXTENSIONS, find_files
from ..text import count_of, quoted, shortened
from .faults import Fault
from .file_names import Folder
from .image_sizes import relative
from .text_files import first_line, list_names, read_text
from .yolo_data import YoloData, label_folder
from .yolo_labels import is_label_line
from .yolo_names import is_names_file

LISTED_ELSEWHERE = 'fixed: path in a list file is of another place, or written in another way'


def find_images(data: YoloData, split: str) -> tuple[list[str], list[Fault]]:
    """Find the images of a split, each once.

    Raises:
        UserError: if there are none, or a list file names something else or what is not there.
    """
    images: list[str] = []
    faults = []
    for entry in data.splits[split]:
        if entry.is_dir():
            found = find_files(entry).images
        elif entry.suffix.lower() in EXTENSIONS:
            found = [str(entry)]
        else:
            found, moved = _read_list(entry, data.root)
            faults.append(Fault(LISTED_ELSEWHERE, moved, 'image', NOTE))
        if not found:
            raise UserError(f'no images in {entry}, which is {split} of {data.file}')
        images += map(os.path.normpath, found)
    repeated = [name for name, count in Counter(images).items() if count > 1]
    faults.append(Fault('fixed: listed several times, taken once', relative(repeated, data.root), 'image'))
    return list(dict.fromkeys(images)), [fault for fault in faults if fault.ids]


def _read_list(file: Path, root: Path) -> tuple[list[str], list[str]]:
    """Read the images of a list file, and which of its paths are of another place."""
    lines = {n: line.strip() for n, line in enumerate(read_text(file).splitlines(), 1) if line.strip()}
    for number, line in lines.items():
        if not line.lower().endswith(EXTENSIONS):
            what = 'another list file, which goes into data.yaml itself' if line.endswith('.txt') else 'no image'
            raise UserError(f'{file}:{number} has {quoted(line)}, {what}: write the path of an image')
    names = list(dict.fromkeys(lines.values()))
    found: dict[str, str | None] = {}
    moved = []
    for start, roots in ((True, (file.parent, root)), (False, (root, file.parent))):
        first, second = map(Folder, roots)
        some = [name for name in names if name.startswith('./') == start]
        in_first = first.match(some)
        exact = {name for name in some if in_first[name] != name and second.has(name)}
        in_second = second.match(name for name in some if in_first[name] is None and name not in exact)
        for name in some:
            if in_first[name] is not None and name not in exact:
                folder, place = first, in_first[name]
            else:
                folder, place = second, name if name in exact else in_second[name]
            found[name] = None if place is None else os.path.join(folder.path, place)
            if place not in (None, name):
                moved.append(name)
    missing = [f'{file.name}:{number} {line}' for number, line in lines.items() if found[line] is None]
    if missing:
        raise UserError(
            f'{file}: {count_of(missing, "image")} of {len(lines)} not in {root} ({shortened(missing, 3)}): '
            'get them, or remove the lines'
        )
    return [os.path.normpath(str(found[line])) for line in lines.values()], moved


class LabelFiles:
    """The label files of images: where ``labels`` is in place of the last ``images`` in the path, or beside them."""

    def __init__(self) -> None:
        self._places: dict[str, list[tuple[str, dict[str, str]]]] = {}
        self._stems: dict[str, set[str]] = {}

    def find(self, image: str) -> str | None:
        """Return the label file of an image, or None.

        Raises:
            UserError: if there are two, which differ.
        """
        found = self._of_image(image)
        if len(found) > 1 and Path(found[0]).read_bytes() != Path(found[1]).read_bytes():
            raise UserError(f'{image} has different labels in {found[0]} and in {found[1]}: remove one of them')
        return found[0] if found else None

    def around(self, images: Sequence[str]) -> list[str]:
        """List all label files of images, and those of no image in the same folders."""
        return [*(file for image in images for file in self._of_image(image)), *self._others()]

    def places(self) -> list[str]:
        """List the folders that were searched."""
        return list(dict.fromkeys(place for places in self._places.values() for place, _ in places))

    def without_image(self) -> list[str]:
        """List the files with labels in the same folders that belong to no image."""
        return [file for file in self._others() if is_label_line(first_line(file))]

    def _of_image(self, image: str) -> list[str]:
        folder, name = os.path.split(image)
        stem = os.path.splitext(name)[0]
        return [os.path.join(place, files[stem]) for place, files in self._of(folder) if stem in files]

    def _others(self) -> list[str]:
        """List the text files in the same folders that are named as no image."""
        stems: dict[str, set[str]] = {}
        files: dict[str, dict[str, str]] = {}
        for folder, places in self._places.items():
            for place, of_place in places:
                stems.setdefault(place, set()).update(self._stems[folder])
                files[place] = of_place
        return [
            os.path.join(place, name)
            for place, of_place in files.items()
            for stem, name in of_place.items()
            if stem not in stems[place] and not is_names_file(name)
        ]

    def _of(self, folder: str) -> list[tuple[str, dict[str, str]]]:
        if folder not in self._places:
            names = list_names(folder)
            self._stems[folder] = {os.path.splitext(n)[0] for n in names if n.lower().endswith(EXTENSIONS)}
            labels = label_folder(folder)
            listed = [(labels, list_names(labels))] if labels else []
            self._places[folder] = [
                (place, {os.path.splitext(n)[0]: n for n in some if n.lower().endswith('.txt')})
                for place, some in (*listed, (folder, names))
            ]
        return self._places[folder]
