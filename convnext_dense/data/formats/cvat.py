"""CVAT's own XML files: ``CVAT for images 1.1``, and ``CVAT for video 1.1`` with its frames.

https://docs.cvat.ai/docs/manual/advanced/xml_format/ describes them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import UserError
from ...io.image_size import ImageSize
from ..check.records import NOTE
from ..image_files import is_stray, subfolders
from ..image_scan import read_header
from ..text import quoted, shortened
from .base import WHOLE, Content, Format, Source
from .building import ContentBuilder, categories_of
from .cvat_shapes import SHAPES, is_crowd, read_shape
from .first_files import any_below, first_files, head
from .image_index import ImageIndex
from .shapes import Shape, Unreadable
from .split_folders import find_split_folders
from .split_names import split_of
from .values import read_flag, read_integer, read_size
from .xml_files import Element, iterate_xml

ROOT = 'annotations'
IMAGE = re.compile(rb'<image\s[^>]*>')
SUBSET = re.compile(rb'\ssubset\s*=\s*["\']([^"\']*)["\']')
FILE_SUBSET = re.compile(rb'<subset>([^<]*)</subset>')
FRAME = re.compile(r'frame_(\d+)')
OTHER_TYPES = ('tag', 'skeleton', 'points', 'polyline', 'cuboid')
"""Types of labels that never have a box or a mask."""


class CvatFormat(Format):
    """CVAT's XML files, alone or with ``images/`` beside them, as CVAT exports a project, a task or a job."""

    name = 'cvat'
    title = 'CVAT'
    expected = 'annotations.xml of CVAT with images/ beside it'
    is_upright = True

    def find(self, root: Path) -> dict[str, Source] | None:
        if root.is_file():
            return _by_subset([str(root)], root, root.parent) if _is_cvat(str(root)) else None
        folders = find_split_folders(root, _holds_files) if root.is_dir() else {}
        if folders:
            return {split: Source(path, root, self.name) for split, path in folders.items()}
        if not any_below(root, 1, _has_files):
            return None
        files = _cvat_files(root)
        return _by_subset(files, Path(files[0]) if len(files) == 1 else root, root)

    def read_categories(self, source: Source) -> list[dict]:
        classes = _listed_classes(source)
        return self.read(source).categories if classes is None else categories_of(classes)

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        reader = _Reader(source)
        for file in _files_of(source):
            reader.read_file(Path(file))
        reader.images.check(reader.total)
        return reader.builder.build(source.annotations, _listed_classes(source), needs_annotations, '<meta>')


def _is_cvat(path: str) -> bool:
    content = head(path)
    return b'<annotations' in content[:4096] and any(tag in content for tag in (b'<meta', b'<image ', b'<track '))


def _has_files(folder: Path) -> bool:
    return any(map(_is_cvat, first_files(folder, '.xml', of_images=False)))


def _holds_files(folder: Path) -> bool:
    return any_below(folder, 1, _has_files)


def _cvat_files(folder: Path) -> list[str]:
    """List CVAT's files in a folder and its subfolders, such as those of several tasks."""
    files = []
    for inside in (folder, *(folder / name for name in subfolders(folder))):
        names = sorted(os.listdir(inside)) if os.access(inside, os.R_OK) else []
        files += [str(inside / name) for name in names if name.lower().endswith('.xml') and not is_stray(name)]
    return [file for file in files if _is_cvat(file)]


def _files_of(source: Source) -> list[str]:
    path = source.annotations
    files = [str(path)] if path.is_file() else _cvat_files(path) if path.is_dir() else []
    if not files:
        raise UserError(f'{path} holds no files of CVAT')
    return files


def _by_subset(files: list[str], annotations: Path, root: Path) -> dict[str, Source]:
    """Return the source of each subset that is a split, or of all images."""
    found: dict[str, Source] = {}
    for file in files:
        for subset in _subsets(file):
            split = split_of(subset)
            if split is not None:
                found.setdefault(split, Source(annotations, root, CvatFormat.name, subset))
    return found or {WHOLE: Source(annotations, root, CvatFormat.name)}


def _subsets(file: str) -> list[str]:
    """List the subsets of a file's images, or that of the file, without parsing it."""
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise UserError(f'{file} cannot be read ({error.strerror})') from None
    of_images = (SUBSET.search(tag[0]) for tag in IMAGE.finditer(content))
    found = dict.fromkeys(match[1] for match in of_images if match)
    if not found:
        found = dict.fromkeys(match[1].strip() for match in FILE_SUBSET.finditer(content[: 1 << 20]))
        found = found if len(found) == 1 else {}
    return [name.decode('utf-8', 'replace') for name in found]


def _listed_classes(source: Source) -> list[str] | None:
    """Return the labels that the files list, in their order; None if they list none.

    Raises:
        UserError: if two files list different ones.
    """
    first: tuple[str, list[str]] | None = None
    for file in _files_of(source):
        meta = next((element for element in iterate_xml(Path(file), ROOT) if element.tag == 'meta'), None)
        names = [] if meta is None else _labels(meta)
        if first is not None and set(names) != set(first[1]):
            different = shortened(sorted(set(names) ^ set(first[1])))
            raise UserError(f'{first[0]} and {file} have different labels ({different}): give them the same in CVAT')
        first = first or (file, names)
    return first[1] if first and first[1] else None


def _labels(meta: Element) -> list[str]:
    """Return the names of the labels of a project, task or job that objects with a box or mask may have."""
    labels = [label for kind in ('project', 'task', 'job') for label in meta.find_all(kind, 'labels', 'label')]
    names = [
        label.text_at('name')
        for label in labels
        if label.text_at('type') not in OTHER_TYPES and not label.text_at('parent')
    ]
    return list(dict.fromkeys(name for name in names if name))


class _Reader:
    """Reads the files of a split one by one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.split = split_of(source.split)
        near = source.images / source.split if source.split else source.annotations
        self.images = ImageIndex(source.images, near)
        self.builder = ContentBuilder()
        self.total = 0

    def read_file(self, path: Path) -> None:
        subset, size = '', None
        frames: dict[int, list[tuple[Element, str]]] | None = None
        for element in iterate_xml(path, ROOT):
            if element.tag == 'meta':
                subset = next((name for kind in ('task', 'job') if (name := element.text_at(kind, 'subset'))), '')
                original = next((e for kind in ('task', 'job') for e in element.find_all(kind, 'original_size')), None)
                size = read_size(original.text_at('height'), original.text_at('width')) if original else None
            elif element.tag == 'image':
                self._read_image(path, element, element.attributes.get('subset', subset))
            elif element.tag == 'track':
                frames = {} if frames is None else frames
                for shape in element.children:
                    number = read_integer(shape.attributes.get('frame'))
                    if number is None:
                        raise UserError(f'{path}:{shape.line}: <{shape.tag}> has no frame: export the task again')
                    shape.attributes.setdefault('group_id', element.attributes.get('group_id', '0'))
                    frames.setdefault(number, []).append((shape, element.attributes.get('label', '')))
            elif element.tag != 'version':
                self.builder.note(f'left out: unknown <{element.tag}>', self._place(path, element), 'element')
        if frames is not None and self._is_of_split(subset):
            self._read_frames(path, frames, size)

    def _is_of_split(self, subset: str) -> bool:
        return self.split is None or split_of(subset) == self.split

    def _folders(self, path: Path, subset: str) -> list[Path]:
        folders = [path.parent, *([self.source.images] if path.parent != self.source.images else [])]
        inside = ('images/' + subset, 'images', '') if subset else ('images', '')
        return [folder / name for folder in folders for name in inside]

    def _read_image(self, path: Path, element: Element, subset: str) -> None:
        place = f'{self.images.relative(path)}:{element.line}'
        name = element.attributes.get('name', '')
        if not self._is_of_split(subset):
            if split_of(subset) is None:
                self.builder.note(f'left out: of the subset {quoted(subset)}, which is no split', place, 'image')
            return
        if not name.strip():
            raise UserError(f'{path}:{element.line}: <image> has no name: export the task again')
        self.total += 1
        file = self.images.find(name, self._folders(path, subset))
        if file is None:
            self.images.note_absent(name, place)
            return
        size = read_size(element.attributes.get('height'), element.attributes.get('width'))
        shapes = [(child, child.attributes.get('label', '')) for child in element.children]
        self._add_objects(path, file, size, shapes)

    def _read_frames(self, path: Path, frames: dict[int, list[tuple[Element, str]]], size: ImageSize | None) -> None:
        """Read the objects of a video, whose frames are images."""
        files: dict[int, str] = {}
        for file in self.images.inside(self._folders(path, self.source.split)):
            if match := FRAME.fullmatch(os.path.splitext(os.path.basename(file))[0]):
                files.setdefault(int(match[1]), file)
        if not files:
            raise UserError(
                f'{path} is of "CVAT for video", and the images of its frames (frame_000000.png and so on) are not in '
                f'{path.parent / "images"}: export the task as "CVAT for images 1.1" with its images'
            )
        for number in sorted(frames.keys() - files.keys()):
            for shape, _ in frames[number]:
                if not read_flag(shape.attributes.get('outside', 0)):
                    self.builder.note('left out: in a frame that has no image', self._place(path, shape))
        for number, file in sorted(files.items()):
            self.total += 1
            shapes = [
                (shape, label)
                for shape, label in frames.get(number, [])
                if not read_flag(shape.attributes.get('outside', 0))
            ]
            self._add_objects(path, file, size, shapes)

    def _place(self, path: Path, element: Element) -> str:
        return f'{self.images.relative(path)}:{element.line}'

    def _add_objects(self, path: Path, file: str, size: ImageSize | None, shapes: list[tuple[Element, str]]) -> None:
        if size is None and any(element.tag == 'mask' for element, _ in shapes):
            header = read_header(os.path.join(self.source.images, file))
            size = None if isinstance(header, str) else header.upright_size
        image = self.builder.add_image(file, size)
        groups: dict[tuple[str, str], list[Element]] = {}
        for number, (element, label) in enumerate(shapes):
            if element.tag not in SHAPES:
                message = f'left out: <{element.tag}>, which has neither box nor mask'
                self.builder.note(message, self._place(path, element))
                continue
            if not label.strip():
                raise UserError(f'{path}:{element.line}: <{element.tag}> has no label: give it one in CVAT')
            group = element.attributes.get('group_id', '0')
            key = f'alone {number}' if group.strip() in ('', '0') else group
            groups.setdefault((label.strip(), key), []).append(element)
        for (label, _), elements in groups.items():
            self._add_object(path, image, label, elements, size)

    def _add_object(self, path: Path, image: int, label: str, elements: list[Element], size: ImageSize | None) -> None:
        shapes: list[Shape] = []
        reason = ''
        for element in elements:
            try:
                shapes.append(read_shape(element))
            except Unreadable as error:
                reason = reason or str(error)
        if size is None and any(shape.bitmap for shape in shapes):
            reason, shapes = reason or 'mask of an image whose size is not known', []
        for element in elements[1:]:
            joined = 'joined with another one of the same label and group_id'
            self.builder.note(joined, self._place(path, element), level=NOTE)
        self.builder.add_object(
            image,
            label,
            (self.images.relative(path), elements[0].line),
            shapes,
            size,
            unreadable=reason,
            is_crowd=any(map(is_crowd, elements)),
        )
