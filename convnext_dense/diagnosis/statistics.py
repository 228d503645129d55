"""What a data set consists of: images, classes, and the objects or pixels of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.check.records import DatasetRecords, ImageRecord, SplitRecords
from ..data.image_scan import ImageScan
from ..io.image_size import ImageSize
from .matching import ASPECTS, SIZES

UNITS = {'images': 'images', 'annotations': 'objects', 'pixels': 'pixels', 'segments': 'segments'}
"""What examples of a class are, by :attr:`~convnext_dense.data.check.DatasetRecords.unit`."""


@dataclass(frozen=True, eq=False)
class ObjectStatistics:
    """The N objects of a split, without crowds and ignore regions.

    Attributes:
        labels: int (N,), classes from 0.
        areas: float (N,), in pixels, by which objects are small or large.
        image_areas: float (N,), pixels of their images; NaN where the size of an image is unknown.
        aspects: float (N,), width by height of their boxes; NaN where there are no boxes.
        per_image: int (M,), how many each image has.
    """

    labels: np.ndarray
    areas: np.ndarray
    image_areas: np.ndarray
    aspects: np.ndarray
    per_image: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def relative_sides(self) -> np.ndarray:
        """Sides of squares as large as the objects, in percent of that of a square as large as the image, (N,)."""
        return 100 * np.sqrt(self.areas / self.image_areas)

    def count_sizes(self) -> dict[str, int]:
        """Count ``'small'``, ``'medium'`` and ``'large'`` objects as COCO has them, each once."""
        counts, known = {}, 0
        for name, within in SIZES.items():
            up_to = int((self.areas <= within.areas[1]).sum())
            counts[name], known = up_to - known, up_to
        return counts

    def count_aspects(self) -> dict[str, int]:
        """Count ``'tall'``, ``'square'`` and ``'wide'`` objects, each once; all 0 if there are no boxes."""
        counts, known = {}, 0
        for name, within in ASPECTS.items():
            up_to = int((self.aspects <= within.aspects[1]).sum())
            counts[name], known = up_to - known, up_to
        return counts


@dataclass(frozen=True, eq=False)
class DataStatistics:
    """What a split consists of. Images that training leaves out count in ``left_out`` alone.

    Attributes:
        name: ``'training'`` or ``'tested'``.
        classes: names of the K classes of the model.
        unit: what examples are: ``'images'``, ``'objects'``, ``'pixels'`` or ``'segments'``.
        images: their number.
        left_out: images that training leaves out, such as those without objects.
        sizes: int (S, 2), height and width of images, of all or of a sample.
        class_images: int (K,), images with each class.
        examples: int (K,), examples of each class.
        without: images without an object, or without a labeled pixel; 0 in classification.
        unlabeled: share of the pixels that have no class, in percent; None where that plays no part or is unknown.
        objects: the objects; None for tasks without objects.
        other_classes: names of the data's classes that the model does not have.
        paths: of the images.
        labels: the class of each image; None but in classification.
        class_sets: the classes in each image; None in classification.
    """

    name: str
    classes: Sequence[str]
    unit: str
    images: int
    left_out: int
    sizes: np.ndarray
    class_images: np.ndarray
    examples: np.ndarray
    without: int = 0
    unlabeled: float | None = None
    objects: ObjectStatistics | None = None
    other_classes: Sequence[str] = ()
    paths: Sequence[str] = ()
    labels: Sequence[int] | None = None
    class_sets: Sequence[frozenset[int]] | None = None

    @property
    def countable(self) -> np.ndarray:
        """What can be few of each class, (K,): examples, but images with the class where examples are pixels."""
        return self.class_images if self.unit == 'pixels' else self.examples

    @property
    def countable_unit(self) -> str:
        """Noun for one of :attr:`countable`."""
        return 'image' if self.unit == 'pixels' else self.unit[:-1]

    @property
    def absent(self) -> list[str]:
        """Names of the classes without an example."""
        return [name for name, number in zip(self.classes, self.examples.tolist(), strict=True) if not number]

    @property
    def median_size(self) -> ImageSize | None:
        """Median height and width of the images; None if no size is known."""
        return ImageSize(*np.median(self.sizes, axis=0).astype(int).tolist()) if len(self.sizes) else None


def measure(
    data: DatasetRecords,
    split: SplitRecords,
    name: str,
    sizes: Mapping[str, ImageSize],
    classes: Sequence[str] | None = None,
) -> DataStatistics:
    """Count what a split consists of.

    Args:
        data: the records of the data set.
        split: one of its splits.
        name: see :attr:`DataStatistics.name`.
        sizes: of images, upright, by path, where the records have none; those of some images may be unknown.
        classes: names of the model's classes, to which those of the data are joined by name; None for those of the
            data.
    """
    names = list(data.classes if classes is None else classes)
    label_of = {label: names.index(one) for label, one in enumerate(data.classes) if one in set(names)}
    read = [image for image in split.images if image.is_read]
    pixels: Mapping[str, Sequence[tuple[int, int]]] = getattr(data, 'pixels', {})
    things = len(getattr(data, 'thing_classes', ()))
    of_images = [_count(data, image, pixels, label_of) for image in read]
    class_images, examples = Counter[int](), Counter[int]()
    for counts in of_images:
        class_images.update(counts.keys())
        examples.update(counts)
    known = [size for image in read if (size := image.size or sizes.get(image.path)) is not None]
    is_labeled = data.unit == 'images'
    return DataStatistics(
        name=name,
        classes=names,
        unit=UNITS[data.unit],
        images=len(read),
        left_out=len(split.images) - len(read),
        sizes=np.array(known, int).reshape(-1, 2),
        class_images=np.array([class_images[label] for label in range(len(names))], int),
        examples=np.array([examples[label] for label in range(len(names))], int),
        without=0 if is_labeled else sum(not counts for counts in of_images),
        unlabeled=_unlabeled(data, read, pixels),
        objects=_objects(read, things, label_of) if data.unit in ('annotations', 'segments') else None,
        other_classes=[one for one in data.classes if one not in set(names)],
        paths=[image.path for image in read],
        labels=[label_of.get(-1 if image.label is None else image.label, -1) for image in read]
        if is_labeled
        else None,
        class_sets=None if is_labeled else [frozenset(counts) for counts in of_images],
    )


def _count(
    data: DatasetRecords,
    image: ImageRecord,
    pixels: Mapping[str, Sequence[tuple[int, int]]],
    label_of: Mapping[int, int],
) -> dict[int, int]:
    """Count the examples of each of the model's classes in an image."""
    scan = ImageScan(label_counts=dict(pixels.get(image.mask or '', ())))
    counts = data.count_classes(image, scan)
    return {label_of[label]: number for label, number in counts.items() if label in label_of}


def _unlabeled(
    data: DatasetRecords, read: Sequence[ImageRecord], pixels: Mapping[str, Sequence[tuple[int, int]]]
) -> float | None:
    """Compute the share of pixels without a class, in percent."""
    total = labeled = 0
    if data.unit == 'pixels':
        for image in read:
            counts = dict(pixels.get(image.mask or '', ()))
            total += sum(counts.values())
            labeled += sum(data.count_classes(image, ImageScan(label_counts=counts)).values())
    elif data.unit == 'segments':
        for image in read:
            areas = [segment['area'] for segment in image.segments]
            if image.size is not None and None not in areas:
                total += image.size.height * image.size.width
                labeled += sum(area or 0 for area in areas)
    return 100 * max(total - labeled, 0) / total if total else None


def _objects(read: Sequence[ImageRecord], things: int, label_of: Mapping[int, int]) -> ObjectStatistics:
    found, per_image = [], []
    for image in read:
        own = [row for row in _rows(image, things) if row[0] in label_of]
        found += [(label_of[int(label)], *others) for label, *others in own]
        per_image.append(len(own))
    table = np.array(found, float).reshape(-1, 4)
    return ObjectStatistics(
        table[:, 0].astype(int), table[:, 1], table[:, 2], table[:, 3], np.array(per_image, int).reshape(-1)
    )


def _rows(image: ImageRecord, things: int) -> Iterator[tuple[Any, ...]]:
    """Yield label, area, area of the image and aspect of each object of an image."""
    whole = float('nan') if image.size is None else float(image.size.height * image.size.width)
    for instance in image.instances:
        left, top, right, bottom = instance['bbox']
        if not instance['ignore_flag']:
            aspect = (right - left) / (bottom - top) if bottom > top else float('nan')
            yield instance['bbox_label'], float(instance['area']), whole, aspect
    for segment in image.segments:
        if segment['label'] < things and not segment['iscrowd'] and segment['area']:
            yield segment['label'], float(segment['area']), whole, float('nan')
