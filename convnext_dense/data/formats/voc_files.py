"""Find the XML file and the image of each name of a VOC split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..check.records import NOTE, WARNING
from ..image_files import EXTENSIONS, find_files
from ..text import count_of, shortened
from .faults import Fault
from .file_cache import kept_by_file
from .file_names import Folder
from .text_files import read_bytes, read_lines
from .voc_layout import VocData, VocPart
from .voc_xml import VocFile, read_voc


class VocImage(NamedTuple):
    """An image and its XML file."""

    path: str
    annotations: str
    """Path of the XML file; empty if there is none."""


def read_file(image: VocImage, root: Path) -> VocFile:
    """Read the XML file of an image; messages name it relative to the root."""
    return read_voc(read_bytes(Path(image.annotations)), os.path.relpath(image.annotations, root))


class VocSummary(NamedTuple):
    """What an XML file tells of its data set."""

    filename: str
    names: frozenset[str]
    """Classes of its objects."""
    has_masks: bool


@kept_by_file
def read_summary(path: Path) -> VocSummary:
    """Read what a file tells of its data set."""
    file = read_voc(read_bytes(path), str(path))
    objects = [one for one in file.objects if not (one.is_deleted or one.is_difficult)]
    return VocSummary(file.filename, frozenset(file.names), any(one.usable_polygons for one in objects))


def find_images(data: VocData, split: str, needs_annotations: bool) -> tuple[list[VocImage], list[Fault]]:
    """Find the images of a split and their XML files.

    An XML file belongs to the image of its own name, else to the one that its ``filename`` names. Images without XML
    file are left out, since nobody may have looked at them.

    Args:
        data: the data set.
        split: one of its splits.
        needs_annotations: False to take images without XML file, too.

    Raises:
        UserError: if a listed name has no image or no XML file, if an XML file may belong to several images, or if
            none has an image.
    """
    part = data.parts[split]
    files = _by_stem(find_files(part.annotations).files, part.annotations, ('.xml',))
    images = _by_stem(find_files(part.images).images, part.images, EXTENSIONS)
    faults: list[Fault] = []
    if part.names is not None:
        files, images = _select(part, files, images, needs_annotations)
    pairs, others = _pair(part, files, images)
    by_filename, lost = _find_by_filename(data, others, images, set(pairs.values()))
    if part.names is not None and lost:
        raise UserError(
            f'{part.names}: {count_of(lost, "image")} not in {part.images} ({shortened(lost, 3)}): get or remove them'
        )
    pairs |= by_filename
    if not pairs and needs_annotations:
        raise UserError(
            f'none of {count_of(lost, "XML file")} in {part.annotations} has an image of its name in {part.images}'
        )
    used = set(pairs.values())
    free = [image for stem in images.values() for image in stem if image not in used]
    found = [VocImage(image, file) for file, image in pairs.items()]
    if not needs_annotations:
        found += [VocImage(image, '') for image in free]
    elif part.names is None:
        unseen = [os.path.relpath(image, data.root) for image in free]
        faults.append(Fault('without an XML file, left out', unseen, 'image', WARNING))
    relative = [os.path.relpath(file, data.root) for file in by_filename]
    faults += [
        Fault('without an image of its name, which is found by filename', relative, 'XML file', NOTE),
        Fault('without an image, left out', [os.path.relpath(file, data.root) for file in lost], 'XML file', WARNING),
    ]
    return sorted(found), [fault for fault in faults if fault.ids]


def _by_stem(paths: Sequence[str], folder: Path, suffixes: Sequence[str]) -> dict[str, list[str]]:
    """Sort files by their paths in a folder, without suffix."""
    start = len(os.path.join(folder, ''))
    found: dict[str, list[str]] = {}
    for path in paths:
        if path.lower().endswith(tuple(suffixes)):
            found.setdefault(os.path.splitext(path[start:])[0], []).append(path)
    return found


def _select(
    part: VocPart, files: Mapping[str, list[str]], images: Mapping[str, list[str]], needs_annotations: bool
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Select the files and images that a list names."""
    assert part.names is not None
    names = []
    for line in read_lines(part.names):
        readings = [line, re.sub(r'\s+(-1|0|1)$', '', line)]  # lists of a class end with what is in the image
        readings += [os.path.splitext(one)[0] for one in readings if one.lower().endswith((*EXTENSIONS, '.xml'))]
        readings += [os.path.basename(one) for one in readings]
        names.append(next((one for one in readings if one in files or one in images), line))
    names = list(dict.fromkeys(names))
    if not names:
        raise UserError(f'{part.names} is empty')
    without = [name for name in names if name not in files]
    if without and needs_annotations:
        raise UserError(
            f'{part.names}: {count_of(without, "image")} of {len(names)} without an XML file in {part.annotations} '
            f'({shortened(without, 3)}): get or remove them'
        )
    missing = [name for name in without if name not in images]
    if missing:
        raise UserError(
            f'{part.names}: {count_of(missing, "image")} of {len(names)} not in {part.images} '
            f'({shortened(missing, 3)}): get or remove them'
        )
    chosen = {name: files[name] for name in names if name in files}
    return chosen, {name: images[name] for name in names if name in images}


def _pair(
    part: VocPart, files: Mapping[str, list[str]], images: Mapping[str, list[str]]
) -> tuple[dict[str, str], list[str]]:
    """Pair XML files with the images of their names, and list the others."""
    bases: dict[str, list[str]] = {}
    for stem, of_stem in images.items():
        bases.setdefault(os.path.basename(stem), []).extend(of_stem)
    pairs, others, unclear = {}, [], []
    for stem, of_stem in files.items():
        fitting = images.get(stem) or bases.get(os.path.basename(stem), [])
        if len(fitting) > 1:
            named = os.path.basename(read_summary(Path(of_stem[0])).filename)
            fitting = [image for image in fitting if os.path.basename(image) == named] or fitting
        if len(fitting) > 1 or len(of_stem) > 1:
            unclear.append(f'{of_stem[0]} of {" or ".join(map(os.path.basename, fitting or of_stem))}')
        elif fitting:
            pairs[of_stem[0]] = fitting[0]
        else:
            others.append(of_stem[0])
    if unclear:
        raise UserError(
            f'{part.annotations}: {count_of(unclear, "XML file")} may be {unclear[0]}: rename or remove one'
        )
    doubled = [image for image, count in Counter(pairs.values()).items() if count > 1]
    if doubled:
        raise UserError(f'{part.annotations}: several XML files may be of {doubled[0]}: rename or remove all but one')
    return pairs, others


def _find_by_filename(
    data: VocData, files: Sequence[str], images: Mapping[str, list[str]], taken: set[str]
) -> tuple[dict[str, str], list[str]]:
    """Find the images of XML files by their ``filename``, and list the files that have none."""
    if not files:
        return {}, []
    folder = Path(os.path.commonpath([os.path.dirname(p) for of in images.values() for p in of])) if images else None
    named = {file: read_summary(Path(file)).filename for file in files}
    matched = Folder(folder).match(name for name in named.values() if name) if folder else {}
    stems = {os.path.basename(stem): of_stem for stem, of_stem in images.items()}
    pairs, lost = {}, []
    for file, name in named.items():
        place = matched.get(name)
        image = os.path.normpath(os.path.join(folder, place)) if folder and place else None
        if image is None and name in stems and len(stems[name]) == 1:  # a filename without suffix
            image = stems[name][0]
        if image is None or image in taken:
            lost.append(file)
        else:
            pairs[file] = image
            taken.add(image)
    return pairs, lost
