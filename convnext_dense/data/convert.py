"""Read a data set of any format as labeled images, to write it in another format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..counting import counted
from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from .class_choice import ChosenClasses, ClassChoice
from .detection.chosen import NEW_IDS
from .detection.coco import CocoData, read_coco
from .formats import FORMATS, find_sources, find_splits
from .formats.base import WHOLE, Source
from .formats.faults import describe_faults
from .formats.write.base import LabeledData, LabeledImage, LabeledObject
from .image_scan import read_header
from .segmentation.find import find_masks_and_remarks, find_source
from .segmentation.folders import find_folders
from .segmentation.join import describe_pixels
from .segmentation.label_zero import AUTO, LabelZeroSetting
from .segmentation.masks import MaskLabels, check_masks, read_labels
from .segmentation.options import AS_FOUND, FILES, MaskOptions
from .segmentation.panoptic import PanopticSource, find_panoptic

MASK_FORMATS = (FILES, PanopticSource.format)
"""Names of formats of label maps, beside those of :data:`.formats.FORMATS`."""
SPLITS = {'training': 'train', 'validation': 'val'}


class ReadData(NamedTuple):
    """A data set that was read."""

    data: LabeledData
    has_label_maps: bool
    """True if its images have label maps rather than objects."""
    has_masks: bool
    """True if objects have masks, or there are label maps."""
    total: int
    """Number of images."""
    lines: list[str]
    """Lines for the user about what was read, and how it was read."""


def read_data_set(
    root: str,
    name: str | None = None,
    label_zero: LabelZeroSetting = AUTO,
    masks: MaskOptions = AS_FOUND,
    choice: ClassChoice | None = None,
) -> ReadData:
    """Read a data set with objects or label maps.

    Annotations are cleaned as for training, see :func:`~convnext_dense.data.detection.coco.read_coco`.

    Args:
        root: a folder, or a file of a format.
        name: the format, where several may be meant: a key of :data:`.formats.FORMATS`, or one of
            :data:`MASK_FORMATS`.
        label_zero: what label 0 of masks means.
        masks: how masks are found and read, as far as it is set.
        choice: the choice of classes; None for all.

    Raises:
        NoData: if there are no data in a known format.
        UserError: if the data may be in several formats, or are faulty; if the choice names a class that is not there.
    """
    sources = None if name in MASK_FORMATS else find_splits(root, name)
    mask_format = name if name in MASK_FORMATS else _find_mask_format(root, masks) if name is None else None
    if sources is not None and mask_format is not None:
        raise UserError(
            f'{root} has annotations of objects and masks of images: say which with --data-format '
            f'{next(iter(sources.values())).format} or --data-format {mask_format}'
        )
    if mask_format is not None:
        return _read_masks(root, label_zero, masks._replace(format=mask_format), choice)
    if sources is None:
        sources = find_sources(root, WHOLE, name)  # explicit COCO files, or the error
    return _read_objects(root, sources, choice)


def _read_objects(root: str, sources: dict[str, Source], choice: ClassChoice | None) -> ReadData:
    coco = {
        split: read_coco(source, needs_annotations=split != 'test', choice=choice) for split, source in sources.items()
    }
    lines = [line for one in coco.values() for line in describe_faults(one.name, one.faults)]
    classes = list(dict.fromkeys(name for one in coco.values() for name in one.classes))
    if choice is not None:
        own = [name for one in coco.values() for name in one.own_classes]
        choice.check(own, root)
        classes = list(choice.apply(list(dict.fromkeys(own))).names)
        lines = [*(f'{one.name}: {one.choice_line.partition(NEW_IDS)[0]}' for one in coco.values()), *lines]
    lines += _of_any_class(coco, classes)
    splits = {split: _Images(coco[split], sources[split], classes) for split in sources}
    lines += _from_elsewhere(root, sources.values(), (file for one in splits.values() for file in one.files))
    has_masks = any(one.has_masks for one in coco.values())
    return ReadData(LabeledData(classes, splits), False, has_masks, sum(map(len, splits.values())), lines)


def _of_any_class(coco: Mapping[str, CocoData], classes: Sequence[str]) -> Iterator[str]:
    for one in coco.values():
        count = sum(a['category_id'] in one.other_ids for of_image in one.annotations.values() for a in of_image)
        if count:
            regions = counted(count, 'ignore region')
            yield f'{one.name}: {regions} of no class, written as of {classes[0]!r} where the format has such regions'


def _from_elsewhere(root: str, sources: Iterable[Source], files: Iterable[str]) -> Iterator[str]:
    """Yield a line on images that annotations name outside of what the user named, which would be passed on unseen."""
    folders: list[str | Path] = [root if os.path.isdir(root) else os.path.dirname(root)]
    if '.json' in root and not os.path.isdir(root):  # the user named each file, and its folder of images
        folders = [path for one in sources for path in (one.images, one.annotations.parent)]
    inside = tuple(os.path.abspath(path).rstrip(os.sep) + os.sep for path in folders)
    elsewhere = [file for file in files if not os.path.abspath(file).startswith(inside)]
    if elsewhere:
        count = counted(len(elsewhere), 'image lies', 'images lie')
        yield (
            f'{count} outside of {root}, where its files point to, such as {os.path.abspath(elsewhere[0])}: '
            'if they are not meant to be passed on, give --images none, or remove their entries'
        )


class _Images(Iterable[LabeledImage]):
    """The images of a split with their objects."""

    def __init__(self, coco: CocoData, source: Source, classes: Sequence[str]) -> None:
        self._coco, self._source = coco, source
        self._is_upright = FORMATS[source.format].is_upright
        label_of = {name: label for label, name in enumerate(classes)}
        folders = {os.path.dirname(image['file_name']) for image in coco.images}
        is_mixed = len({os.path.isabs(folder) for folder in folders}) > 1
        self._folder = os.path.commonpath(folders) if folders and '' not in folders and not is_mixed else ''
        self._labels = {n: label_of[name] for n, name in zip(coco.category_ids, coco.classes, strict=True)}
        self._labels |= dict.fromkeys(coco.other_ids, 0)  # of ignore regions, of any class

    @property
    def files(self) -> Iterator[str]:
        """The paths of the images."""
        return (os.path.join(self._source.images, image['file_name']) for image in self._coco.images)

    def __len__(self) -> int:
        return len(self._coco.images)

    def __iter__(self) -> Iterator[LabeledImage]:
        for image in self._coco.images:
            objects = [
                LabeledObject(
                    self._labels[one['category_id']],
                    list(one['bbox']),
                    one.get('segmentation'),
                    one['area'],
                    bool(one['iscrowd']),
                    bool(one.get('ignored')),
                )
                for one in self._coco.annotations[image['id']]
            ]
            file = os.path.join(self._source.images, image['file_name'])
            size = ImageSize(image['height'], image['width'])
            name = os.path.relpath(image['file_name'], self._folder) if self._folder else image['file_name']
            yield _with_orientation(LabeledImage(file, name, size, objects), self._is_upright)


def _read_masks(root: str, label_zero: LabelZeroSetting, options: MaskOptions, choice: ClassChoice | None) -> ReadData:
    labels = read_labels(root, label_zero, compare=True, options=options)
    splits = {}
    lines = [*filter(None, [labels.reading]), labels.line]
    chosen = ChosenClasses(tuple(labels.classes), tuple(range(len(labels.classes))))
    if choice is not None:
        choice.check(labels.classes, root)
        chosen = choice.apply(labels.classes)
    source = find_source(root, options)
    for split in source.splits if source else ():
        found = find_masks_and_remarks(root, split, options)
        scans = check_masks(found.pairs, len(labels.classes), labels.reduce_zero_label, labels.reader)
        lines += found.remarks
        if choice is not None:
            said = describe_pixels(choice, labels.classes, labels.first_label, scans)
            lines.append(f'{SPLITS.get(split, split)}: {said}')
        assert source is not None
        lines += _from_elsewhere(root, (), (image for image, _ in found.pairs))
        splits[SPLITS.get(split, split)] = _Masks(found.pairs, source.images_folder(split), labels, chosen)
    return ReadData(LabeledData(list(chosen.names), splits), True, True, sum(map(len, splits.values())), lines)


class _Masks(Iterable[LabeledImage]):
    """The images of a split with their label maps."""

    def __init__(
        self, pairs: Sequence[tuple[str, str]], folder: Path, labels: MaskLabels, chosen: ChosenClasses
    ) -> None:
        self._pairs, self._folder = pairs, folder
        numbers = np.full(UNLABELED + 1, UNLABELED, np.uint8)
        count = len(labels.classes)
        own = [label if label >= 0 else UNLABELED for label in chosen.labels]
        numbers[labels.first_label : labels.first_label + count] = own
        self._numbers, self._reader = numbers, labels.reader

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[LabeledImage]:
        for image, mask in self._pairs:
            labels = self._numbers[self._reader.read(mask)]
            yield _with_orientation(
                LabeledImage(image, os.path.relpath(image, self._folder), ImageSize.of(labels), labels=labels)
            )


def _find_mask_format(root: str, options: MaskOptions) -> str | None:
    """Return the format of the masks in files at a folder; None if there are none."""
    folder = Path(root)
    if find_folders(folder, options):
        return FILES
    return PanopticSource.format if find_panoptic(folder) else None


def _with_orientation(image: LabeledImage, is_upright: bool = False) -> LabeledImage:
    """Look at the file of an image for its orientation, and whether the annotations are of the image as stored.

    Args:
        image: the image.
        is_upright: the annotations are of the upright image also where the size does not tell.

    Raises:
        UserError: if the annotations are for another size than the image has.
    """
    header = read_header(image.file)
    if isinstance(header, str):  # writing the image names the fault
        return image
    if not header.fits(image.size):
        raise UserError(
            f'bad image {image.file} (it is {header.upright_size}, its annotations say {image.size}, height x width): '
            'correct the annotations or remove the image'
        )
    is_stored = image.size == header.size and not (is_upright and image.size == header.upright_size)
    return replace(image, orientation=header.orientation, is_stored=is_stored)
