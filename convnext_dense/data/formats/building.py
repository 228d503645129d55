"""Collect what a reader of a format finds in the user's files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...io.image_size import ImageSize
from ..check.records import WARNING
from ..text import quoted
from .base import Content, Places
from .faults import Fault
from .shapes import Shape, geometry


def categories_of(names: Iterable[str]) -> list[dict]:
    """Return categories with these names in their order, whose ids count from 1."""
    return [{'id': number, 'name': name} for number, name in enumerate(names, 1)]


class ContentBuilder:
    """Builds a :class:`~.base.Content` of objects whose classes are names."""

    def __init__(self) -> None:
        self.places = Places()
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._labels: list[str | None] = []
        self._unreadable: dict[int, str] = {}
        self._ignored: dict[int, str] = {}
        self._notes: dict[tuple[str, str, str], list[str]] = {}

    def add_image(self, file_name: str, size: ImageSize | None = None) -> int:
        """Add an image, and return its id."""
        image: dict[str, Any] = {'id': len(self._images) + 1, 'file_name': file_name}
        if size is not None:
            image |= {'height': size.height, 'width': size.width}
        self._images.append(image)
        return image['id']

    def add_object(
        self,
        image: int,
        label: str | None,
        place: tuple[str, int | str],
        shapes: Sequence[Shape],
        size: ImageSize | None = None,
        unreadable: str = '',
        ignored: str = '',
        is_crowd: bool = False,
    ) -> None:
        """Add an object.

        Args:
            image: the id of its image.
            label: its class; None for one that is ignored or unreadable, which may be of any.
            place: the file where it stands, relative to the data set's root, and the line or path of keys there.
            shapes: its parts; none if it is unreadable and nothing tells where it is.
            size: the size of the image, which bitmaps need.
            unreadable: the reason why it can't be used, or an empty string.
            ignored: the reason why it is ignored by a rule of the format, or an empty string.
            is_crowd: True for a group of objects.
        """
        number = self.places.add(*place)
        self._annotations.append(
            {'id': number, 'image_id': image, 'iscrowd': int(is_crowd)} | (geometry(shapes, size) if shapes else {})
        )
        self._labels.append(label)
        if unreadable:
            self._unreadable[number] = unreadable
        if ignored:
            self._ignored[number] = ignored

    def note(self, message: str, place: str, part: str = 'annotation', level: str = WARNING) -> None:
        """Note what else a user should know of a part at a place; see :class:`~.faults.Fault`."""
        self._notes.setdefault((message, part, level), []).append(place)

    def build(self, path: Path, classes: Sequence[str] | None, needs_annotations: bool, listed_in: str) -> Content:
        """Return the content.

        Args:
            path: of the annotations, for messages.
            classes: names of the classes by label; None for those that occur, sorted.
            needs_annotations: False for a split that may have no objects.
            listed_in: what lists the classes, for messages.

        Raises:
            UserError: if there are no images; if there is no object, and some are needed; for an object whose class is
                not among the classes.
        """
        names = list(classes) if classes is not None else sorted({name for name in self._labels if name is not None})
        if not self._images:
            raise UserError(f'{path} has no images')
        if needs_annotations and not self._annotations:
            left_out = '; '.join(fault.line for fault in self._faults() if fault.part == 'annotation')
            raise UserError(f'{path} has no objects{f" ({left_out})" if left_out else ""}: draw boxes or polygons')
        if needs_annotations and not names:
            raise UserError(f'{path} has no classes: give the objects labels')
        ids = {name: number for number, name in enumerate(names, 1)}
        for annotation, label in zip(self._annotations, self._labels, strict=True):
            if label is None:
                continue
            if label not in ids:
                raise UserError(
                    f'{self.places[annotation["id"]]} is of the class {quoted(label)}, which {listed_in} '
                    'does not have: add it there, or correct it'
                )
            annotation['category_id'] = ids[label]
        return Content(
            self._images,
            self._annotations,
            categories_of(names),
            self.places,
            self._unreadable,
            self._ignored,
            {number for number, label in enumerate(self._labels, 1) if label is None},
            self._faults(),
        )

    def _faults(self) -> list[Fault]:
        return [Fault(message, places, part, level) for (message, part, level), places in self._notes.items()]
