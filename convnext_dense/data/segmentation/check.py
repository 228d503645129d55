"""Read a folder of images and masks for a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import NoData, UserError
from ..check.images import find_stray_files, find_unsupported_formats
from ..check.records import NOTE, PROBLEM, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..class_choice import as_choice
from ..image_scan import ImageScan
from ..text import count_of
from .find import find_masks_and_remarks, images_folder
from .join import describe_pixels, join_labels
from .label_zero import AUTO
from .mask_kinds import read_kind
from .mask_scan import UNLABELED, ImageAndMask, MaskScan, scan_masks
from .masks import MaskLabels, UnusableMasks, agree_on_label_zero, find_bad_masks, mask_classes, read_labels
from .options import MaskOptions
from .readers import INDEX, MaskReader
from .subset import select_masks


@dataclass
class MaskFolderRecords(DatasetRecords):
    """Records of an image/mask folder, with a mask for each image; label ``first_label`` is class 0."""

    unit = 'pixels'
    first_label: int = 0
    is_chosen: bool = False
    """True if only some of the classes may be there, by a choice."""
    label_maps: dict[str, dict[int, int]] = field(default_factory=dict)
    """For masks, by path, whose classes are chosen or are those of another root: class by the root's own one."""
    readers: dict[str, MaskReader] = field(default_factory=dict)
    """How the labels are read, by the path of the mask."""
    pixels: dict[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    """Labels of a usable mask as they are read, each with its number of pixels, by the path of the mask."""

    def read_mask(self, mask: str) -> np.ndarray:
        return self.readers.get(mask, INDEX).read(mask)

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        counts = scan.label_counts or {}
        own = {label - self.first_label: n for label, n in counts.items() if self.first_label <= label != UNLABELED}
        joined = self.label_maps.get(image.mask or '', {})
        counted = Counter[int]()
        for label, n in own.items():
            counted[joined.get(label, label)] += n
        del counted[UNLABELED]
        return dict(counted)

    def check_ground_truth(self, split: SplitRecords, scans: Sequence[ImageScan]) -> Iterable[Finding]:
        """Find masks without a labeled pixel."""
        pairs = zip(split.images, scans, strict=True)
        unlabeled = [
            image for image, scan in pairs if scan.label_counts is not None and not self.count_classes(image, scan)
        ]
        if unlabeled:
            message = f'{count_of(unlabeled, "mask")} without a labeled pixel'
            fix = 'label them, or remove them with their images'
            if self.is_chosen:
                fix = 'they show no chosen class, so that nothing is learned or measured of them'
            masks, images = [str(image.mask) for image in unlabeled], [image.path for image in unlabeled]
            yield Finding(WARNING, split.name, message, fix, masks, images)


def read_mask_folder(sources: Mapping[str, Mapping]) -> MaskFolderRecords:
    """List the images and masks of a folder and the problems with them.

    Args:
        sources: arguments of :class:`~convnext_dense.data.segmentation.dataset.MaskFolder`, ``root``, ``split`` and
            optionally those on reading the masks, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if there are no images in this layout.
    """
    roots = dict.fromkeys(str(source['root']) for source in sources.values())
    data = MaskFolderRecords(list(roots))
    findings, pairs_of = data.findings, {}
    places: dict[tuple[str, str], str] = {}  # of two parts of one folder, what is wrong with it is said once
    left_out: list[str] = []
    options = {str(source['root']): MaskOptions.of(source) for source in sources.values()}
    readers = {}
    for root in roots:
        try:
            readers[root] = read_kind(root, options[root])
        except NoData:
            raise
        except UserError as error:
            findings.append(Finding.of_error('', error))
        else:
            findings += [Finding(NOTE, '', readers[root].line)] if readers[root].line else []
    for name, source in sources.items():
        own = options[str(source['root'])]
        try:
            found = find_masks_and_remarks(source['root'], source['split'], own)
            pairs_of[name], left_out = found.pairs, found.left_out
            findings += [Finding(WARNING, name, remark.removeprefix(f'{name}: ')) for remark in found.remarks]
            findings += [Finding(fault.level, name, fault.line, '', fault.items) for fault in found.faults]
        except NoData:
            raise
        except UserError as error:
            findings.append(Finding.of_error(name, error))
            pairs_of[name] = []
        data.splits.append(SplitRecords(name, [ImageRecord(image, mask=mask) for image, mask in pairs_of[name]]))
        place = (str(source['root']), source['split'] if source.get('subset') else name)
        is_new, places[place] = place not in places, name
        if pairs_of[name] and is_new:
            findings += find_unsupported_formats(name, images_folder(source['root'], source['split'], own))
            findings += find_stray_files(name, left_out)
        reading = readers.get(str(source['root']))
        if reading is not None and reading.reader is not INDEX:
            data.readers |= {mask: reading.reader for _, mask in pairs_of[name]}

    def scanned(name: str) -> list[MaskScan]:
        pairs = pairs_of[name]
        scans = scan_masks(pairs, data.readers.get(pairs[0][1], INDEX)) if pairs else []
        data.pixels |= {mask: scan.pixels for (_, mask), scan in zip(pairs, scans, strict=True) if not scan.fault}
        return scans

    settings = [(source['root'], source.get('reduce_zero_label', AUTO)) for source in sources.values()]
    is_set, labels_error = any(setting != AUTO for _, setting in settings), None
    try:
        setting = agree_on_label_zero(settings, options)
        first_root = next(iter(roots))
        labels = read_labels(first_root, setting if is_set else AUTO, True, options[first_root])
        first = next(iter(sources.values()))
        choice, data.first_label = as_choice(first.get('choice')), labels.first_label
        data.is_chosen = choice is not None
        data.absent_fix = labels.gaps or data.absent_fix
        chosen = labels.classes if choice is None else choice.apply(labels.classes).names
        data.classes = list(chosen if choice is None else first.get('classes') or chosen)
        if labels.doubtful or not is_set:
            findings.append(Finding(WARNING if labels.doubtful else NOTE, '', labels.line))
    except UserError as error:  # then the masks still show the number
        labels_error = error
        data.first_label = int(any(setting is True for _, setting in settings))
        largest = max((scan.largest_label for name in pairs_of for scan in scanned(name)), default=0)
        data.classes = [f'class_{label}' for label in range(data.first_label, min(largest, UNLABELED - 1) + 1)]
    else:
        scans_of = {name: scanned(name) for name in pairs_of}
        _join_roots(data, sources, labels, scans_of)
        for name, source in sources.items():
            if source.get('subset') and pairs_of[name]:
                _select_part(data, name, source, pairs_of[name], scans_of[name], labels)
    most, reduce = UNLABELED - data.first_label, bool(data.first_label)
    for name in places.values():
        pairs = pairs_of[name]
        image_of = {mask: image for image, mask in pairs}
        count = most if labels_error else len(labels.classes)
        for bad in find_bad_masks(pairs, scanned(name), count, reduce) if pairs else ():
            items = [f'{mask} {detail}'.strip() for mask, detail in bad.masks]
            images = [image_of[mask] for mask, _ in bad.masks]
            findings.append(Finding(PROBLEM, name, f'{count_of(items, "mask")} {bad.fault}', bad.fix, items, images))
    is_known = isinstance(labels_error, UnusableMasks) or str(labels_error) in [f.message for f in findings]
    if labels_error and not is_known:
        findings.append(Finding.of_error('', labels_error))
    return data


def _select_part(
    data: MaskFolderRecords,
    name: str,
    source: Mapping[str, Any],
    pairs: Sequence[ImageAndMask],
    scans: Sequence[MaskScan],
    labels: MaskLabels,
) -> None:
    """Leave out the images of other parts of a folder."""
    records = next(split for split in data.splits if split.name == name)
    folder = str(images_folder(source['root'], source['split'], MaskOptions.of(source)))
    try:
        selected = select_masks(pairs, scans, labels, folder, source['subset'])
    except UserError as error:
        data.findings.append(Finding.of_error(name, error))
        return
    records.images = [records.images[index] for index in selected.indices]
    data.findings += [Finding(WARNING, name, note) for note in selected.notes]
    if selected.split and name == 'train':
        data.findings.append(Finding(NOTE, '', selected.split.line))


def _join_roots(
    data: MaskFolderRecords,
    sources: Mapping[str, Mapping],
    labels: MaskLabels,
    scans_of: Mapping[str, Sequence[MaskScan]],
) -> None:
    """Join the classes of splits under other roots than the first one, and those that are chosen, by name."""
    for split, source in zip(data.splits, sources.values(), strict=True):
        is_first, choice = str(source['root']) == data.locations[0], as_choice(source.get('choice'))
        if is_first and choice is None:
            continue
        try:
            reduce, options = labels.reduce_zero_label, MaskOptions.of(source)
            own = labels.classes if is_first else mask_classes(source['root'], reduce, options)
            joined = join_labels(source['root'], own, data.classes, choice)
        except UserError as error:
            data.findings.append(Finding.of_error(split.name, error))
            continue
        data.label_maps |= {image.mask: joined for image in split.images if joined and image.mask}
        if choice is not None and scans_of[split.name]:
            line = describe_pixels(choice, own, labels.first_label, scans_of[split.name])
            data.findings.append(Finding(NOTE, split.name, line))
