"""Draw the label maps of images from polygons and run-length encodings, such as those of COCO or LabelMe files.

Nothing is written: a label map is drawn whenever it is read.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from ...counting import counted
from ...errors import UserError
from ...io.image_size import ImageSize
from ...io.images import UNLABELED
from ...io.window import Window
from ..class_words import is_background, is_no_class
from ..detection.coco import read_coco, read_header
from ..detection.index import find_state
from ..detection.mask_crops import crop_mask
from ..formats import FORMATS, find_in_formats
from ..formats.base import WHOLE, Source, take_test_for_val
from ..formats.coco_find import are_coco_files, find_coco
from .label_zero import ClassList, LabelCounts
from .readers import MaskReader
from .sources import FoundMasks, MaskSource

IN_ORDER = ('labelme', 'cvat')
"""Formats whose own programs draw objects in the order of the file, later ones over earlier ones."""
DrawnObject = tuple[int, Any, Sequence[float], bool]
"""Label, mask as polygons or RLE or None, box [x, y, width, height], and whether it is an ignore region; of one that
is, or has no mask, the box is unlabeled."""
MOST_UNCOVERED = 0.05
"""Largest share of pixels in no object that are taken for gaps between them, rather than for a background."""


class AnnotationSource(MaskSource, MaskReader):
    """Images whose label maps are drawn from the objects of a detection format.

    Label 0 is that of pixels in no object, label v that of the v-th class. The mask of an image is named by the
    image. Smaller objects are drawn over larger ones, or in their order if the format's own program does so. A crowd
    has the label of its class. Objects that can't be read and ignore regions are unlabeled in their boxes.

    Args:
        root: the data set's folder, or explicit files.
        sources: the annotations by split.
        faulty: lines about other formats, in which the data are faulty.
    """

    kind = 'index'

    def __init__(self, root: Path, sources: Mapping[str, Source], faulty: Sequence[str] = ()) -> None:
        self.root, self.splits, self._faulty = root, sources, faulty
        self.format = next(iter(sources.values())).format
        self._objects: dict[str, bytes] = {}

    @property
    def line(self) -> str:  # type: ignore[override]
        order = 'later objects over earlier ones' if self.format in IN_ORDER else 'smaller objects over larger ones'
        return '; '.join([f'masks are drawn from {FORMATS[self.format].title}, {order}', *self._faulty])

    @property
    def digest(self) -> str:
        return f'{self.format} {self._state()}'

    def _state(self) -> str:
        """Return text that changes with the files that the annotations are read from."""
        return ' '.join(find_state(source).digest for source in self.splits.values())

    @cached_property
    def categories(self) -> list[str]:
        """Names of the classes in the annotations, in the order of the first split's."""
        return list(read_header(next(iter(self.splits.values()))).classes)

    @cached_property
    def _labels(self) -> dict[str, int]:
        """The label of each class: 0 for a background, 255 for what is no class."""
        named = [name for name in self.categories if not is_background(name) and not is_no_class(name)]
        if len(named) > UNLABELED - 1:
            raise UserError(f'{self.root} has {len(named)} classes: there can be at most {UNLABELED - 1}')
        zero = {name: 0 for name in self.categories if is_background(name)}
        void = {name: UNLABELED for name in self.categories if is_no_class(name)}
        return {**zero, **void, **{name: label for label, name in enumerate(named, 1)}}

    def has_masks(self) -> bool:
        """Check whether an object has a mask; True if the annotations can't be read, which is reported later."""
        try:
            return any(FORMATS[self.format].has_masks(source) for source in self.splits.values())
        except UserError:
            return True

    def listed(self, seen: LabelCounts | None) -> ClassList:
        """Return the classes with a name for label 0, which is that of gaps if few pixels are in no object."""
        own = next((name for name in self.categories if is_background(name)), None)
        is_gap = own is None and seen is not None and seen.number and seen.share(0) < MOST_UNCOVERED
        first = own or ('unlabeled' if is_gap else 'background')
        names = [name for name, label in self._labels.items() if label not in (0, UNLABELED)]
        return ClassList(FORMATS[self.format].title, [first, *names], is_complete=True)

    def _find(self, split: str) -> FoundMasks:
        return self._read(self.splits[self.own_name(split)])

    def _read(self, source: Source) -> FoundMasks:
        coco = read_coco(source, needs_annotations=False)
        if coco.annotations and not coco.has_masks:
            raise UserError(
                f'{source.annotations} has boxes without masks, of which no label maps can be drawn: draw polygons, '
                'or take a config of a detector, such as faster_rcnn_convnext_t_coco.py'
            )
        labels = {}
        for number, name in zip(coco.category_ids, coco.classes, strict=True):
            if name not in self._labels:
                raise UserError(f'{coco.name} has the class {name!r}, which {self.categories} lack: name them alike')
            labels[number] = self._labels[name]
        pairs = []
        for image in coco.images:
            path = os.path.join(source.images, image['file_name'])
            objects = _in_order(coco.annotations.get(image['id'], []), self.format)
            drawn = [
                (labels.get(a['category_id'], UNLABELED), a.get('segmentation'), a['bbox'], 'ignored' in a)
                for a in objects
            ]
            self._objects[path] = pickle.dumps(((image['height'], image['width']), drawn))
            pairs.append((path, path))
        remarks = []
        if coco.without_mask:
            what = counted(coco.without_mask, 'object')
            remarks.append(f'{coco.name}: {what} without a mask, whose boxes are unlabeled')
        return FoundMasks(sorted(pairs), remarks, [], coco.name, coco.faults)

    def _objects_of(self, mask: str) -> tuple[tuple[int, int], list[DrawnObject]]:
        """Return the size of an image, and its objects in the order of drawing."""
        for split in self.splits:
            if mask in self._objects:
                break
            self.find(split)
        size, objects = pickle.loads(self._objects[mask])
        return size, objects

    def size(self, mask: str) -> ImageSize:
        return ImageSize(*self._objects_of(mask)[0])

    def reads_windows(self, mask: str) -> bool:
        return True

    def read(self, mask: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
        """Draw the label map of an image, or of a window of it, uint8 (H, W)."""
        size, objects = self._objects_of(mask)
        return draw(objects, size, window)


def _in_order(annotations: Sequence[Any], name: str) -> list[Any]:
    """Return annotations in the order of drawing: what is unlabeled, crowds, and objects."""

    def rank(annotation: Any) -> tuple[bool, bool, float]:
        is_region = 'ignored' in annotation or 'segmentation' not in annotation
        return not is_region, not annotation['iscrowd'], 0 if name in IN_ORDER else -float(annotation['area'])

    return sorted(annotations, key=rank)


def draw(objects: Sequence[DrawnObject], size: tuple[int, int], window: Window | None = None) -> np.ndarray:
    """Draw objects over each other.

    Args:
        objects: the objects in the order of drawing.
        size: height and width of the image.
        window: the part that is drawn; None for all of it.

    Returns:
        uint8 (H, W), 0 where there is no object.
    """
    labels = np.zeros(size if window is None else window.size, np.uint8)
    left, top = (0, 0) if window is None else (window.left, window.top)
    for label, mask, (x, y, w, h), is_region in objects:
        if is_region or mask is None:
            edges = (round(y) - top, round(y + h) - top, round(x) - left, round(x + w) - left)
            y1, y2, x1, x2 = (max(edge, 0) for edge in edges)
            labels[y1:y2, x1:x2] = UNLABELED
            continue
        runs: Any = mask if window is None else crop_mask(mask, window, ImageSize(*size))
        if runs is None:
            continue
        runs = rle.frPyObjects(runs, *labels.shape) if isinstance(runs, list) else runs
        if isinstance(runs, dict) and isinstance(runs['counts'], list):
            runs = rle.frPyObjects(runs, *labels.shape)
        runs = rle.merge(runs) if isinstance(runs, list) else runs
        labels[rle.decode(runs).view(bool)] = label
    return labels


def find_annotations(root: Path, chosen: str | None) -> list[AnnotationSource]:
    """Find the annotations of a data set from which label maps may be drawn.

    Args:
        root: the data set's folder, or explicit COCO files.
        chosen: the format, or None for all of them.

    Raises:
        UserError: if the annotations are in one format, in which they are faulty.
    """
    if are_coco_files(str(root)):
        explicit = {_split_of(split): source for split, source in find_coco(str(root), WHOLE).items()}
        return [AnnotationSource(root, explicit)]
    sources = []
    found, faulty = find_in_formats(root, chosen)
    for splits in found.values():
        own = {_split_of(split): source for split, source in take_test_for_val(splits).items()}
        sources.append(AnnotationSource(root, own, faulty))
    return sources


def _split_of(split: str) -> str:
    return {'train': 'training', 'val': 'validation'}.get(split, split)
