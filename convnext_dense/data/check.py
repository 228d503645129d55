"""Everything that is in a data set, looked at before a run, and what of it would harm the run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from ..errors import NoData, UserError
from .classification.dataset import files_by_class, scan_classes
from .detection.coco import CocoSource, check_same_categories, read_coco
from .image_files import EXTENSIONS
from .image_scan import Header, Look, look_at_all
from .segmentation.mask_scan import UNLABELED, scan
from .segmentation.masks import bad_masks, find_masks, mask_classes

PROBLEM, WARNING, NOTE = 'problem', 'warning', 'note'
TINY = 32  # pixels: a shorter side leaves nothing of the image at the last stage's stride
HUGE = Image.MAX_IMAGE_PIXELS or 2**27  # pixels; Pillow refuses twice as many
USUAL_MODES = ('RGB', 'L', 'P', '1')
NOT_READ = ('.gif', '.heic', '.heif', '.avif', '.jfif', '.jp2', '.tga', '.psd', '.dng', '.cr2', '.nef', '.jxl')
SKIP = 'restore or remove them, or train without them: --on-bad-image skip'


class Finding(NamedTuple):
    """Something that a person should know of."""

    level: str
    """``'problem'``: it would stop a run or spoil its result; ``'warning'``: it may; ``'note'``: good to know."""
    split: str
    """``'train'``, ``'val'``, or nothing where it is about both."""
    what: str
    fix: str = ''
    things: Sequence[str] = ()
    """Which files or annotations it is about, with details."""
    images: Sequence[str] = ()
    """Paths of images that show it."""


class ImageRecord(NamedTuple):
    path: str
    ground_truth: Any
    """Its label; its annotations, as :class:`~convnext_dense.data.detection.dataset.CocoDataset` hands them on; or the
    path of its mask."""
    size: tuple[int, int] | None = None
    """Width and height, in pixels, that its annotations were made for, where they say so."""


@dataclass
class Split:
    name: str
    images: list[ImageRecord] = field(default_factory=list)


@dataclass
class DataSet:
    """A data set as the data loaders of a config see it, before any image is opened."""

    unit: ClassVar[str]
    """Counted for each class: ``'images'``, ``'annotations'`` or ``'pixels'``."""
    localized: ClassVar[bool] = True
    """Whether ground truth refers to positions in the image, so that turning the image matters."""

    places: list[str]
    """Where it lies."""
    classes: list[str]
    splits: list[Split]
    findings: list[Finding]

    def count_units(self, image: ImageRecord, look: Look) -> dict[int, int]:
        """The number of units of each class in an image."""
        raise NotImplementedError

    def mask(self, image: ImageRecord) -> str | None:
        """The path of the image's mask, whose labels are to be counted; None without masks."""
        return None

    def contradict(self, image: ImageRecord, copy: ImageRecord) -> bool:
        """Whether two images of equal content can't both have the right ground truth."""
        return False

    def check_split(self, split: Split, looks: Sequence[Look]) -> Iterable[Finding]:
        """Findings about the ground truth of a split that take the labels of its masks."""
        return ()


@dataclass
class ImageFolderData(DataSet):
    """An image folder, where an image is an example of one class."""

    unit = 'images'
    localized = False

    def count_units(self, image: ImageRecord, look: Look) -> dict[int, int]:
        return {image.ground_truth: 1}

    def contradict(self, image: ImageRecord, copy: ImageRecord) -> bool:
        return image.ground_truth != copy.ground_truth


@dataclass
class CocoData(DataSet):
    """COCO files, whose examples are annotations that are no crowds."""

    unit = 'annotations'

    def count_units(self, image: ImageRecord, look: Look) -> dict[int, int]:
        return dict(Counter(a['bbox_label'] for a in image.ground_truth if not a['ignore_flag']))


@dataclass
class MaskFolderData(DataSet):
    """Images with masks, whose examples are labeled pixels."""

    unit = 'pixels'

    first_label: int = 0
    """The label of class 0 in the masks."""

    def count_units(self, image: ImageRecord, look: Look) -> dict[int, int]:
        return _labeled(look.labels or {}, self.first_label)

    def mask(self, image: ImageRecord) -> str | None:
        return image.ground_truth

    def check_split(self, split: Split, looks: Sequence[Look]) -> Iterable[Finding]:
        pairs = zip(split.images, looks, strict=True)
        bare = [p for p, one in pairs if one.labels is not None and not _labeled(one.labels, self.first_label)]
        if bare:
            what = f'{_count(bare, "mask")} without a labeled pixel'
            fix = 'label them, or remove them with their images'
            masks, images = [p.ground_truth for p in bare], [p.path for p in bare]
            yield Finding(WARNING, split.name, what, fix, masks, images)


class Balance(NamedTuple):
    """How often each of K classes occurs."""

    images: np.ndarray
    """(K,): images that show it."""
    amount: np.ndarray
    """(K,): units, see :attr:`DataSet.unit`."""


class Checked(NamedTuple):
    """What came out."""

    data: DataSet
    looks: list[list[Look]]
    """For each split, of each image."""
    balance: list[Balance]
    """For each split."""
    findings: list[Finding]
    """The worst first."""


# -- reading


def read_image_folder(sources: Mapping[str, Mapping]) -> ImageFolderData:
    """An image folder.

    Args:
        sources: the arguments of the data sets called ``'train'`` and ``'val'``, with ``root`` and ``split``.

    Raises:
        NoData: if there is none in its layout.
    """
    findings = []
    root = next(iter(sources.values()))['root']
    try:
        classes = scan_classes(root)
    except NoData:
        raise
    except UserError as error:  # the splits have other classes
        findings.append(_of_error('', error))
        folders = (Path(root, split) for split in ('train', 'val'))
        classes = sorted({entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()})
    data = ImageFolderData([str(root)], classes, [], findings)
    for name, source in sources.items():
        files_of, empty = files_by_class(source['root'], source['split'], classes)
        if empty and not findings:
            what = f'class folder{"s that hold" if len(empty) > 1 else " that holds"} no images'
            findings.append(Finding(PROBLEM, name, f'{len(empty)} {what}', 'fill or remove them', _texts(empty)))
        images = [ImageRecord(file, label) for label, files in enumerate(files_of) for file in files]
        data.splits.append(Split(name, images))
        findings += _left_out(name, Path(source['root'], source['split']))
    return data


def read_coco_files(sources: Mapping[str, Mapping]) -> CocoData:
    """COCO files.

    Args:
        sources: the arguments of the data sets called ``'train'`` and ``'val'``, with ``annotations``, ``images`` and
            ``pipeline``.

    Raises:
        NoData: if one is not there.
    """
    from .detection.dataset import instance_of  # here, because it imports mmcv, which classification does without

    data = CocoData([], [], [], [])
    findings, read = data.findings, []
    for name, source in sources.items():
        file = source['annotations']
        data.places.append(str(file))
        data.splits.append(Split(name))
        if not Path(file).is_file():
            raise NoData(f'no annotations at {file}: give another root with --data PATH, or take --data sample')
        try:
            coco = read_coco(CocoSource(Path(file), Path(source['images'])))
        except UserError as error:
            findings.append(_of_error(name, error))
            continue
        read.append(coco)
        data.classes = list(coco.classes)
        labels = {number: label for label, number in enumerate(coco.category_ids)}
        for problem in coco.problems:
            ids = [f'annotation {number}' for number in problem.ids]
            findings.append(Finding(WARNING, name, f'{_count(ids, "annotation")} {problem.what}', '', ids))
        if not coco.masks and any(step.get('with_mask') for step in source.get('pipeline', ())):
            what = f'{file} has no masks, which the detector is to learn'
            findings.append(
                Finding(PROBLEM, name, what, 'annotate them, or take a config of a detector without masks')
            )
        bare = []
        for image in coco.images:
            path = os.path.join(source['images'], image['file_name'])
            ground_truth = [instance_of(a, labels[a['category_id']]) for a in coco.annotations[image['id']]]
            data.splits[-1].images.append(ImageRecord(path, ground_truth, (image['width'], image['height'])))
            if not ground_truth:
                bare.append(path)
        if bare:
            findings.append(Finding(NOTE, name, f'{_count(bare, "image")} without annotations', '', bare, bare))
    if len(read) == 2:
        try:
            check_same_categories(*read)
        except UserError as error:
            findings.append(_of_error('', error))
    return data


def read_mask_folder(sources: Mapping[str, Mapping]) -> MaskFolderData:
    """A folder of images and masks.

    Args:
        sources: the arguments of the data sets called ``'train'`` and ``'val'``, with ``root``, ``split`` and
            ``reduce_zero_label``.

    Raises:
        NoData: if there is none in its layout.
    """
    first = next(iter(sources.values()))
    root, reduce = first['root'], first.get('reduce_zero_label', True)
    data = MaskFolderData([str(root)], [], [], [], int(reduce))
    findings, pairs_of = data.findings, {}
    for name, source in sources.items():
        try:
            pairs_of[name] = find_masks(source['root'], source['split'])
        except NoData:
            raise
        except UserError as error:
            findings.append(_of_error(name, error))
            pairs_of[name] = []
        data.splits.append(Split(name, [ImageRecord(image, mask) for image, mask in pairs_of[name]]))
        folders = {os.path.dirname(image) for image, _ in pairs_of[name]}
        for folder in sorted(folders):
            findings += _left_out(name, Path(folder))
    most, nameless = UNLABELED - data.first_label, None
    try:
        data.classes = mask_classes(root, reduce)
    except UserError as error:  # the masks or the list of names can't be used: the masks still tell the number
        nameless = error
        largest = max((look.largest for pairs in pairs_of.values() if pairs for look in scan(pairs)), default=0)
        data.classes = [f'class_{label}' for label in range(data.first_label, min(largest, UNLABELED - 1) + 1)]
    for name, pairs in pairs_of.items():
        images = {mask: image for image, mask in pairs}
        for kind in bad_masks(pairs, most if nameless else len(data.classes), reduce) if pairs else ():
            things = [f'{mask} {detail}'.strip() for mask, detail in kind.masks]
            shown = [images[mask] for mask, _ in kind.masks]
            what = f'{_count(things, "mask")} {kind.fault}'
            findings.append(Finding(PROBLEM, name, what, kind.cure, things, shown))
    if nameless and not any(finding.level == PROBLEM for finding in findings):
        findings.append(_of_error('', nameless))
    return data


# -- checking


def check(data: DataSet, workers: int, advance: Callable[[], object] = lambda: None, skip: bool = False) -> Checked:
    """Decode every image, and weigh what was found.

    Args:
        data: what was read.
        workers: processes that decode.
        advance: called after each image.
        skip: the run passes over images that can't be read: they are no problem, and still a warning.
    """
    findings, looks, balance = list(data.findings), [], []
    for split in data.splits:
        seen = look_at_all([(image.path, data.mask(image)) for image in split.images], workers, advance)
        looks.append(seen)
        findings += _of_images(split, seen, data.localized, skip)
        balance.append(_balance(data, split, seen))
        findings += data.check_split(split, seen)
    findings += _copies(data, looks)
    findings += _of_balance(data, balance)
    order = (PROBLEM, WARNING, NOTE)
    return Checked(data, looks, balance, sorted(findings, key=lambda finding: order.index(finding.level)))


def _of_images(split: Split, looks: Sequence[Look], localized: bool, skip: bool) -> Iterable[Finding]:
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}

    def note(level: str, what: str, fix: str, path: str, detail: object = '') -> None:
        found.setdefault((level, what, fix), []).append((path, f'{path} ({detail})' if detail else path))

    for (path, _, size), one in zip(split.images, looks, strict=True):
        unusable = WARNING if skip else PROBLEM
        if one.header is None:
            note(unusable, "that can't be decoded", SKIP, path, one.fault)
            continue
        header, (width, height) = one.header, one.header.size
        if not header.fits(size):
            detail = f'{width} x {height}, annotations: {size[0]} x {size[1]}' if size else ''
            note(unusable, 'of another size than the annotations were made for', SKIP, path, detail)
        if min(width, height) < TINY:
            note(WARNING, f'with a side of less than {TINY} pixels', 'remove them', path, f'{width} x {height}')
        if width * height > HUGE:
            fix = 'make them smaller: they are slow to decode, and Pillow refuses twice as many'
            note(WARNING, f'of more than {HUGE / 1e6:.0f} million pixels', fix, path, f'{width} x {height}')
        if header.orientation > 1:
            if not localized:
                note(NOTE, 'turned upright, as EXIF says', '', path, f'orientation {header.orientation}')
            elif header.orientation < 5 or width == height:  # no size tells which way the annotations mean
                fix = 'look whether the annotations fit the image as it is stored; save it without EXIF'
                note(WARNING, 'that EXIF would turn, and that the run takes as stored', fix, path)
            else:
                note(NOTE, 'on their side by EXIF, taken the way that fits the annotations', '', path)
        if header.mode not in USUAL_MODES:
            note(NOTE, f'of the mode {header.mode}, read as 8-bit RGB', '', path)
        if not _is_named_well(path, header):
            note(NOTE, 'of another format than the name says', '', path, header.format)
    for (level, what, fix), entries in found.items():
        paths, things = zip(*entries, strict=True)
        yield Finding(level, split.name, f'{_count(paths, "image")} {what}', fix, things, paths)


def _is_named_well(path: str, header: Header) -> bool:
    of_name = Image.registered_extensions().get(os.path.splitext(path)[1].lower())
    return header.format in (of_name, 'MPO')  # MPO: a JPEG with a preview, as cameras write it


def _copies(data: DataSet, looks: Sequence[Sequence[Look]]) -> Iterable[Finding]:
    """Images of equal content: in both splits, in several classes, in one split."""
    first: dict[bytes, tuple[str, ImageRecord]] = {}
    shared: list[tuple[str, str]] = []
    contradictory: list[tuple[str, str]] = []
    repeated: dict[str, list[tuple[str, str]]] = {split.name: [] for split in data.splits}
    for split, seen in zip(data.splits, looks, strict=True):
        for image, one in zip(split.images, seen, strict=True):
            if one.header is None:
                continue
            name, original = first.setdefault(one.digest, (split.name, image))
            if original is image:
                continue
            pair = (image.path, original.path)
            if name != split.name:
                shared.append(pair)
            else:
                repeated[name].append(pair)
            if data.contradict(image, original):
                contradictory.append(pair)
    kinds = [
        (PROBLEM, '', 'that val shares with train: its results will look better than they are', shared),
        (WARNING, '', 'in two classes', contradictory),
        *((NOTE, name, 'with the content of another one', pairs) for name, pairs in repeated.items()),
    ]
    for level, name, what, pairs in kinds:
        if pairs:
            fix = '' if level == NOTE else 'remove one of each pair'
            things = [f'{one} = {other}' for one, other in pairs]
            yield Finding(level, name, f'{_count(pairs, "image")} {what}', fix, things, [one for one, _ in pairs])


# -- classes


def _balance(data: DataSet, split: Split, looks: Sequence[Look]) -> Balance:
    images, amount = Counter[int](), Counter[int]()
    for image, one in zip(split.images, looks, strict=True):
        of_this = data.count_units(image, one)
        images.update(of_this.keys())
        amount.update(of_this)
    places = range(len(data.classes))
    return Balance(np.array([images[k] for k in places], int), np.array([amount[k] for k in places], int))


def _labeled(labels: Mapping[int, int], first: int) -> dict[int, int]:
    """Pixels of each class."""
    return {label - first: n for label, n in labels.items() if first <= label != UNLABELED}


def _of_balance(data: DataSet, balance: Sequence[Balance]) -> Iterable[Finding]:
    for split, of_split in zip(data.splits, balance, strict=True):
        absent = [name for name, n in zip(data.classes, of_split.amount, strict=True) if not n]
        if absent and split.images:
            learns = split.name == 'train'
            what = f'{_count(absent, "class", "classes")} of {len(data.classes)} without an example'
            fix = 'they are not learnt: add examples, or take them off the list' if learns else 'they are not measured'
            yield Finding(WARNING if learns else NOTE, split.name, what, fix, absent)


# -- saying it


def _left_out(name: str, folder: Path) -> Iterable[Finding]:
    """Images in formats that are not read."""
    files = [os.path.join(parent, file) for parent, _, names in os.walk(folder, followlinks=True) for file in names]
    left_out = sorted(file for file in files if file.lower().endswith(NOT_READ))
    if left_out:
        what = f'{_count(left_out, "image")} in a format that is not read'
        yield Finding(WARNING, name, what, f'save them as one of {", ".join(EXTENSIONS)}', left_out)


def _of_error(name: str, error: UserError) -> Finding:
    return Finding(PROBLEM, name, str(error))


def _count(things: Sequence, name: str, names: str | None = None) -> str:
    return f'{len(things)} {name if len(things) == 1 else names or name + "s"}'


def _texts(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths]
