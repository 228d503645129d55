"""Panoptic result: the segments of one image, things and stuff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np
from PIL import Image

from ..io.coco_format import CocoImage
from ..io.georeference import Georeference
from ..io.image_size import ImageSize
from ..io.panoptic import VOID, Segments, colors_of_ids, id_of_color
from ..io.shrunk_image import shrink_factor, shrink_labels
from .colors import segment_colors
from .drawing import draw_segments, tags_fit
from .label_map import strips
from .polygons import write_regions
from .result import Result, import_supervision
from .segmentation import LEGEND_ROWS
from .text import drawable_names
from .writing import image_to_draw_on, save_drawing, save_image


class PanopticSegment(NamedTuple):
    """A segment of an image."""

    id: int
    """Its id in the map of ids: the segment's color R + 256 G + 65536 B."""
    label: int
    """Index of its class, things first."""
    name: str
    """Name of its class."""
    isthing: bool
    """True for an object, False for the whole region of a class of stuff."""
    area: int
    """Number of its pixels."""
    box: tuple[int, int, int, int]
    """Left, top, right and bottom edge in pixels."""
    iscrowd: bool = False
    """True for a group of things in a ground truth whose borders are not annotated."""


class SegmentEntry(TypedDict):
    """A segment in a JSON file, as in COCO's panoptic files; ``bbox`` is [x, y, width, height] in pixels."""

    id: int
    category_id: int
    category: str
    isthing: int
    area: int
    bbox: list[int]
    iscrowd: int


class _PanopticEntry(TypedDict):
    image_id: int | str | None
    path: str | None
    segments_info: list[SegmentEntry]


class PanopticEntry(_PanopticEntry, total=False):
    """An image in a JSON file, as in COCO's panoptic results files, with the PNG file of the ids if it is known."""

    file_name: str


@dataclass(frozen=True, eq=False)
class Panoptic(Result):
    """The segments of an image, which do not overlap.

    Attributes:
        path: the image's file, or None.
        ids: int32 (H, W), the id of each pixel's segment, or 0 where there is none.
        segments: the segments, the largest first.
        names: K class names, things first.
        category_ids: K ids of the classes in the COCO file that the model was trained on, or None if unknown.
        image_id: the image's id in results files, or None.
        png: name of the PNG file of the ids, or None.
    """

    ids: np.ndarray
    segments: Sequence[PanopticSegment]
    names: Sequence[str]
    category_ids: Sequence[int] | None = None
    image_id: int | str | None = None
    png: str | None = None

    @classmethod
    def from_map(
        cls,
        path: str | None,
        numbers: np.ndarray,
        labels: Mapping[int, int],
        names: Sequence[str],
        colors: Sequence | np.ndarray,
        stuff: int,
        category_ids: Sequence[int] | None = None,
        crowds: Sequence[int] = (),
        out: np.ndarray | None = None,
    ) -> Panoptic:
        """Make a result of a map of segments, which get ids anew.

        Args:
            path: the image's file, or None.
            numbers: integers (H, W), the number of each pixel's segment.
            labels: label of each segment by its number; pixels with other numbers have none.
            names: K class names, things first.
            colors: uint8 (K, 3), RGB.
            stuff: number of the last classes that are stuff.
            category_ids: ids of the classes, or None if unknown.
            crowds: numbers of the segments that are crowds.
            out: int32 (H, W) for the ids, which may be ``numbers``; made if it is None.
        """
        own, counts = _counts(numbers)
        known = [place for place in np.argsort(-counts, kind='stable').tolist() if int(own[place]) in labels]
        of_classes = np.array([labels[int(own[place])] for place in known], int)
        are_things = of_classes < len(names) - stuff
        shown = segment_colors(np.asarray(colors, np.uint8)[of_classes], are_things)
        found = np.zeros(len(own), np.int32)
        free = _FreeIds()
        for place, color in zip(known, shown, strict=True):
            found[place] = free.take(color)
        ids = np.empty(numbers.shape, np.int32) if out is None else out
        boxes = _renumbered(numbers, own, found, ids)
        segments = [
            PanopticSegment(
                int(found[place]),
                label := int(of_classes[n]),
                names[label],
                bool(are_things[n]),
                int(counts[place]),
                boxes[place],
                int(own[place]) in crowds,
            )
            for n, place in enumerate(known)
        ]
        return cls(path, ids, segments, names, category_ids)

    @classmethod
    def from_truth(
        cls, path: str, truth: Segments, names: Sequence[str], colors: Sequence | np.ndarray, stuff: int
    ) -> Panoptic:
        """Make a result of the ground truth of an image; see :meth:`from_map`."""
        labels = {segment['id']: segment['label'] for segment in truth.segments}
        crowds = [segment['id'] for segment in truth.segments if segment['iscrowd']]
        return cls.from_map(path, truth.ids, labels, names, colors, stuff, crowds=crowds)

    @property
    def size(self) -> ImageSize:
        """Height and width of the image."""
        return ImageSize.of(self.ids)

    def with_image_id(self, image_id: int | str) -> Panoptic:
        return replace(self, image_id=image_id)

    def with_extra_files(self, *files: Path) -> Panoptic:
        (png,) = files
        return replace(self, png=png.name)

    def coco_image(self) -> CocoImage | None:
        if self.image_id is None or self.path is None:
            return None
        number = cast(int, self.image_id)  # or a name, where the file of --annotations has names
        return {'id': number, 'file_name': self.path, 'height': self.size.height, 'width': self.size.width}

    def draw(
        self, out: str | Path | None = None, image: np.ndarray | None = None, legend_rows: int | None = None
    ) -> np.ndarray:
        """Draw the segments over the image, things with their names, above a legend of the stuff.

        Things of one class have different colors, and stuff has the color of its class. Where names would cover the
        image of a result with a :attr:`drawn_side`, they are left out.

        Args:
            out, image: see :meth:`Result.draw`.
            legend_rows: number of rows of the legend, the largest regions first; None for as many as it takes.
        """
        factor = shrink_factor(self.size, self.drawn_side)
        pixels = image_to_draw_on(self.path, image, self.size, self.value_range, self.opening, factor)
        ids = self.ids if factor == 1 else shrink_labels(lambda window: self.ids[window.slices], self.size, factor)
        places = _places_of(ids, [segment.id for segment in self.segments])
        names = drawable_names(self.names)
        tags = [
            f'{names[one.label]}{" (crowd)" if one.iscrowd else ""}' if one.isthing else '' for one in self.segments
        ]
        stuff = [(names[one.label], place) for place, one in enumerate(self.segments) if not one.isthing]
        colors = colors_of_ids(np.array([segment.id for segment in self.segments], np.int32))
        shares = np.array([segment.area for segment in self.segments]) / (self.size.height * self.size.width)
        if self.drawn_side is not None and not tags_fit(pixels, [tag for tag in tags if tag]):
            tags = [''] * len(tags)
        return save_drawing(draw_segments(pixels, places, colors, tags, stuff, legend_rows, shares), out)

    def draw_frame(self, frame: np.ndarray) -> np.ndarray:
        return self.draw(image=frame, legend_rows=LEGEND_ROWS)

    def as_json(self) -> PanopticEntry:
        """Return an entry as in COCO's panoptic results files.

        It has ``image_id`` (None if it is not known), ``path``, ``file_name`` (the PNG file, if it is known), and
        ``segments_info`` with ``id``, ``category_id`` (from ``category_ids``, or the label if there are none),
        ``category`` (the name), ``isthing``, ``area``, ``bbox`` and ``iscrowd`` of each segment.
        """
        ids = range(len(self.names)) if self.category_ids is None else self.category_ids
        entry: PanopticEntry = {'image_id': self.image_id, 'path': self.path, 'segments_info': []}
        if self.png is not None:
            entry['file_name'] = self.png
        for one in self.segments:
            x1, y1, x2, y2 = one.box
            entry['segments_info'].append(
                {
                    'id': one.id,
                    'category_id': ids[one.label],
                    'category': one.name,
                    'isthing': int(one.isthing),
                    'area': one.area,
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'iscrowd': int(one.iscrowd),
                }
            )
        return entry

    def save_ids(self, out: str | Path) -> None:
        """Write the ids as a PNG file, in COCO's format: id = R + 256 G + 65536 B.

        Its colors are those of the drawing.

        Raises:
            UserError: if the file can't be written.
        """
        colors = np.empty((*self.size, 3), np.uint8)
        for window in strips(self.size):
            colors[window.slices] = colors_of_ids(self.ids[window.slices])
        save_image(Image.fromarray(colors), out)

    def save_extra_files(self, *files: Path) -> None:
        (png,) = files
        self.save_ids(png)

    def save_polygons(self, out: Path, georeference: Georeference) -> int:
        """Write the connected regions of each segment; see :meth:`Result.save_polygons`."""
        ids = range(len(self.names)) if self.category_ids is None else self.category_ids
        of_segments = {
            one.id: {'id': one.id, 'category_id': ids[one.label], 'category': one.name, 'isthing': int(one.isthing)}
            for one in self.segments
        }
        return write_regions(out, self.ids, georeference, of_segments.__getitem__, str(self.path))

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``, one for each segment; ``data`` has ``class_name`` and ``isthing``.

        Raises:
            UserError: if the supervision package is not installed.
        """
        return import_supervision().Detections(
            xyxy=np.array([one.box for one in self.segments], np.float32).reshape(-1, 4),
            mask=np.array([self.ids == one.id for one in self.segments], bool).reshape(-1, *self.size),
            class_id=np.array([one.label for one in self.segments], np.int64),
            data={
                'class_name': np.array([one.name for one in self.segments], dtype=str),
                'isthing': np.array([one.isthing for one in self.segments], bool),
            },
        )


def _counts(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers in a map in ascending order, and the pixels of each, looking at some rows at a time."""
    total: dict[int, int] = {}
    for window in strips(ImageSize.of(numbers)):
        for number, count in zip(*np.unique(numbers[window.slices], return_counts=True), strict=True):
            total[int(number)] = total.get(int(number), 0) + int(count)
    own = sorted(total)
    return np.array(own, np.int64), np.array([total[number] for number in own], np.int64)


def _renumbered(
    numbers: np.ndarray, own: np.ndarray, ids: np.ndarray, out: np.ndarray
) -> list[tuple[int, int, int, int]]:
    """Replace the numbers of a map, some rows at a time, and return the box around each: left, top, right and bottom.

    Args:
        numbers: integers (H, W).
        own: the numbers in it, in ascending order.
        ids: what each becomes.
        out: int32 (H, W) to fill, which may be ``numbers``.
    """
    from scipy import ndimage  # here, since it takes long to import

    boxes = np.tile(np.array([out.shape[1], out.shape[0], 0, 0]), (len(own), 1))
    for window in strips(ImageSize.of(numbers)):
        places = np.searchsorted(own, numbers[window.slices])
        out[window.slices] = ids[places]
        for place, found in enumerate(ndimage.find_objects(places + 1)):
            if found is not None:
                (rows, columns), top = found, window.top
                boxes[place, :2] = np.minimum(boxes[place, :2], (columns.start, top + rows.start))
                boxes[place, 2:] = np.maximum(boxes[place, 2:], (columns.stop, top + rows.stop))
    return [tuple(box) for box in boxes.tolist()]


def _places_of(ids: np.ndarray, segments: Sequence[int]) -> np.ndarray:
    """Return the place of each pixel's id in a list, int32 (H, W), or -1 where it is not in it."""
    known, order = np.unique(np.array([VOID, *segments], np.int64), return_index=True)
    return (order[np.searchsorted(known, ids)] - 1).astype(np.int32)


class _FreeIds:
    """Ids that are given to segments: that of a color, or the next one that no segment has."""

    def __init__(self) -> None:
        self._taken = {VOID}
        self._next: dict[int, int] = {}  # by the id of a color, where to look on

    def take(self, color: np.ndarray) -> int:
        """Return an id for a color, which is then taken."""
        own = id_of_color(color)
        number = self._next.get(own, own)
        while number in self._taken:
            number = (number + 1) % (1 << 24)
        self._taken.add(number)
        self._next[own] = number
        return number
