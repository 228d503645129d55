"""Read COCO files of any origin: fix what is clear, ignore what is not, and raise errors for anything ambiguous."""

from __future__ import annotations

import gc
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UserError
from ...io.coco_format import CocoAnnotation, CocoImage
from ...io.image_size import ImageSize
from ...io.progress import track
from ..check.records import NOTE
from ..class_choice import ClassChoice
from ..formats import FORMATS
from ..formats.base import Content, Places, Source
from ..formats.faults import Fault, describe_faults, in_brackets
from ..formats.file_cache import kept_while_unchanged
from ..formats.values import read_flag, read_integer
from ..text import count_of, quoted, shortened
from . import index
from .boxes import FORMATS as BOX_FORMATS
from .boxes import find_wrong_convention
from .categories import read_categories
from .chosen import choose_annotations
from .coco_clean import DOUBTFUL, Shapes, clean_annotations, read_shapes
from .coco_images import UNOPENED, UNSIZED, read_images
from .options import BOXES_ALONE, for_each_data_set

UNCHANGED = (None, True, None, False)
"""Settings of :func:`read_coco` by default, with which an index is kept."""
MOST_LOST = 0.05
"""Largest share of a file's annotations that may be dropped or ignored without an error."""


class CocoData(NamedTuple):
    """Content of a COCO file whose faults are fixed or made ignore regions; see :func:`read_coco`."""

    name: str
    """``'train2017'`` for ``instances_train2017.json``."""
    classes: tuple[str, ...]
    """Names of the categories in the order of the file."""
    category_ids: tuple[int, ...]
    """Id of each class, which may have gaps; of several with one name, the one with most annotations."""
    images: list[CocoImage]
    annotations: dict[int, list[CocoAnnotation]]
    """Annotations by image id; each has ``area`` and ``iscrowd``, and its ``category_id`` is in ``category_ids``."""
    has_masks: bool
    """True if annotations have masks; those without ``segmentation`` then don't count for masks."""
    faults: list[Fault]
    total: int = 0
    """Number of annotations in the file, of its chosen classes."""
    lost: int = 0
    """Number of annotations that were dropped or became ignore regions."""
    doubtful: int = 0
    """Number of annotations whose box and mask contradict each other."""
    places: Places | None = None
    """Where each annotation stands, by its id; None if messages name the ids themselves."""
    own_classes: tuple[str, ...] = ()
    """Names of all classes in the file, before a choice."""
    other_ids: tuple[int, ...] = ()
    """Ids of the file's categories that are no classes by the choice, which annotations of ignored classes have; and
    that of ignore regions of any class."""
    of_other_classes: int = 0
    """Number of annotations of classes that are not chosen or ignored."""
    choice_line: str = ''
    """One line about what the choice made of the file's classes."""
    says_masks: bool = False
    """The file has masks, even if none can be read; see :attr:`.formats.base.Content.has_masks`."""

    @property
    def without_mask(self) -> int:
        """Number of objects without a mask."""
        objects = (a for of_image in self.annotations.values() for a in of_image if not a['iscrowd'])
        return sum('segmentation' not in a for a in objects)

    @property
    def regions(self) -> int:
        """Number of annotations that became ignore regions."""
        return sum('ignored' in a for of_image in self.annotations.values() for a in of_image)

    @property
    def has_objects(self) -> bool:
        """True if an annotation is an object, not a crowd or an ignore region, or if there are no annotations."""
        return not (self.total or self.of_other_classes) or any(
            not a['iscrowd'] for of_image in self.annotations.values() for a in of_image
        )

    def describe_no_objects(self, place: str = '') -> str:
        """Say why there is no object; ``place`` is inserted: ``' in FILE'``."""
        if self.of_other_classes:
            total = self.total + self.of_other_classes
            return f'none of the {total} annotations{place} is an object of a chosen class'
        return f'all {self.total} annotations{place} are crowds (iscrowd) or ignored'


class Header(NamedTuple):
    """Name and classes of a split."""

    name: str
    classes: tuple[str, ...]


@kept_while_unchanged
def read_header(source: Source) -> Header:
    """Read the classes without reading the annotations, where the format allows.

    Raises:
        NoData: if there is nothing at the source.
        UserError: if it has no categories.
    """
    file = index.index_file(source, UNCHANGED)
    if file.exists() and (known := index.load_header(file, index.find_state(source))):
        return Header(known['name'], tuple(known['classes']))
    entries = FORMATS[source.format].read_categories(source)
    return Header(source.name, read_categories(source.annotations, entries).names)


@kept_while_unchanged
def has_masks(source: Source) -> bool:
    """Check whether an object of a split has a mask, even one that can't be read."""
    file = index.index_file(source, UNCHANGED)
    if file.exists() and (known := index.load_header(file, index.find_state(source))):
        return bool(known['says_masks'])
    return FORMATS[source.format].has_masks(source)


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Pause the search for garbage, which takes half of the time where millions of objects are made and kept."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_paused_garbage_collection()
def read_coco(
    source: Source,
    box_format: str | None = None,
    needs_annotations: bool = True,
    choice: ClassChoice | None = None,
    skips_bad: bool = False,
) -> CocoData:
    """Read the annotations of a split; all that is fixed, dropped or ignored is listed in ``faults``.

    *Fixed* is what is clear: numbers, ids and flags in other JSON types; category ids with one name, which are one
    class; an image that is listed twice; file names of :mod:`.file_names`; sizes, read from the images; annotation
    ids, which are given anew if they are missing or repeated; masks in the forms of :func:`.coco_mask.read_mask`; a
    missing or unusable box, taken from its mask; a box that extends beyond the image by more than a pixel, which is
    clipped (COCO's own do by less); a missing ``area``, computed from the mask, or from the box.

    *Ignored* is an annotation with no usable box or mask: it becomes an ignore region (``ignored``), where nothing is
    learned as background and nothing counts as a false positive. It covers the whole image if nothing tells where it
    is. *Dropped* are those without any area or completely outside the image.

    *Without a mask* is an annotation in a file with masks whose own is missing, is a broken RLE (its size differs
    from the image, or its runs don't cover it exactly), or has no polygon with three points.

    A missing ``iscrowd`` is 0, which is no fault. The key ``ignore`` is listed and has no effect, as in pycocotools.

    What was read from large files is kept in the cache, see :mod:`.index`.

    Args:
        source: the file or folder of the annotations, and the images.
        box_format: convention of the boxes of a COCO file, a name in :data:`.boxes.FORMATS`; None for COCO's, which is
            checked.
        needs_annotations: False for a file that may have no annotations and no categories.
        choice: the choice of classes, which comes before all else: what is left out is not checked; None for all.
        skips_bad: leave out images that can't be opened and whose size is needed, with their objects.

    Raises:
        UserError: for a file that can't be read, is not JSON or not in COCO's format; without categories, images or
            usable annotations; for ids of images or categories that are not integers or not unique; for a missing
            category name; for an annotation of an unknown category or image; for an ``iscrowd`` other than 0 and 1;
            for an image without file name or that is not in the folder; for boxes in another convention; for a
            ``box_format`` of another format than COCO's.
    """
    settings = (box_format, needs_annotations, choice, skips_bad)
    state = index.find_state(source)
    if not state.is_large:
        return _read(source, *settings)
    file = index.index_file(source, settings)
    with index.locked(file):
        fields = index.load(file, state, source.images)
        if fields is None:
            data = _read(source, *settings)
            reads_images = any(fault.message in (UNSIZED, UNOPENED) for fault in data.faults)
            if reads_images and not FORMATS[source.format].lists_images:
                return data  # which may change
            if not index.save(file, state, data._asdict()):
                return data
            del data  # which takes more memory
            fields = index.load(file, state, source.images)
            if fields is None:
                return _read(source, *settings)
    return CocoData(**fields)


def _read(
    source: Source, box_format: str | None, needs_annotations: bool, choice: ClassChoice | None, skips_bad: bool
) -> CocoData:
    path, folder = source.annotations, source.images
    if box_format is not None and box_format not in BOX_FORMATS:
        raise UserError(f'box_format {box_format!r} does not exist: take one of {", ".join(BOX_FORMATS)}')
    if box_format is not None and source.format != 'coco':
        title = FORMATS[source.format].title
        raise UserError(
            f'{path}: box_format is {box_format!r}, and {title} itself says how its boxes are written: leave it out'
        )
    content = FORMATS[source.format].read(source, needs_annotations)
    says_masks = content.has_masks  # before the ids change
    categories = read_categories(path, content.categories)
    images, merged, image_faults, unopened = read_images(path, folder, content.images, skips_bad)
    sizes = {image['id']: ImageSize(image['height'], image['width']) for image in images}
    annotations = content.annotations
    faults = [*content.faults, *categories.faults, *image_faults, *_number(annotations)]
    classified = [annotation for annotation in annotations if annotation['id'] not in content.unclassified]
    of_any_class = min([0, *categories.labels]) - 1  # an id that no category has
    for annotation in annotations if content.unclassified else ():
        annotation.setdefault('category_id', of_any_class)
    faults += _resolve(path, classified, 'category', categories.labels.keys())
    faults += _resolve(path, annotations, 'image', sizes.keys() | merged.keys() | unopened)
    if unopened:
        left_out = [annotation['id'] for annotation in annotations if annotation['image_id'] in unopened]
        faults += [Fault('left out with an image that cannot be opened', left_out)] if left_out else []
        annotations, classified = (
            [annotation for annotation in some if annotation['image_id'] not in unopened]
            for some in (annotations, classified)
        )
    faults += _read_crowds(path, annotations)
    for annotation in annotations:
        annotation['image_id'] = merged.get(annotation['image_id'], annotation['image_id'])
    if merged:
        annotations = _without_copies(annotations, faults)
    category_ids = _unite_categories(classified, categories.labels, len(categories.names))
    names, in_file = categories.names, len(annotations)
    other_ids: tuple[int, ...] = ()
    ignored: dict[int, str] = {}
    line = ''
    if choice is not None:
        chosen = choose_annotations(choice, names, category_ids, annotations)
        names, category_ids, other_ids, annotations, ignored, line = chosen
    total = len(annotations) - len(ignored)
    other_ids += (of_any_class,) if content.unclassified else ()

    shapes = [
        read_shapes(a, sizes[a['image_id']], box_format or 'xywh') for a in track(annotations, 'checking annotations')
    ]
    if box_format is None:
        _check_convention(source, annotations, shapes, sizes)
    ignored = {**content.ignored, **ignored}
    tells_areas = content.places is None  # COCO's files
    cleaned = clean_annotations(annotations, shapes, sizes, content.unreadable, ignored, tells_areas)
    faults = _with_places(faults + cleaned.faults, content)
    data = CocoData(
        source.name,
        names,
        category_ids,
        images,
        cleaned.by_image,
        cleaned.has_masks,
        faults,
        total,
        cleaned.lost,
        cleaned.doubtful,
        content.places,
        categories.names,
        other_ids,
        in_file - total,
        line,
        says_masks,
    )
    if total and not any(not a.get('ignored') for of_image in cleaned.by_image.values() for a in of_image):
        lines = '; '.join(describe_faults(data.name, _with_places(cleaned.faults, content)))
        raise UserError(f'{path} has no annotation that can be used: {lines}')
    return data


def check_enough_is_left(path: Path, coco: CocoData, needs_masks: bool, most_lost: float = MOST_LOST) -> None:
    """Check that not too many annotations of a file are dropped or ignored.

    Args:
        path: the file.
        coco: its content.
        needs_masks: True if objects without a mask are ignored.
        most_lost: largest share of annotations, in [0, 1], that may be lost or have a box that contradicts its mask.

    Raises:
        UserError: if there are more, or ``most_lost`` is not a share.
    """
    is_number = isinstance(most_lost, int | float) and not isinstance(most_lost, bool)
    if not (is_number and 0 <= most_lost <= 1):
        raise UserError(f'most_lost is {quoted(most_lost)}: give a share of the annotations, from 0 to 1, such as 0.2')
    unmasked = coco.without_mask if needs_masks and coco.has_masks else 0
    lost = coco.lost + unmasked + coco.doubtful
    if lost > most_lost * coco.total:
        allowed = math.ceil(100 * lost / coco.total) / 100
        losses = '; '.join(_losses(coco, needs_masks))
        boxes = f'to learn boxes alone, since the pipeline loads masks, give {BOXES_ALONE}; '
        raise UserError(
            f'{path}: {lost} of {coco.total} annotations ({lost / coco.total:.0%}) are {_what_happens(coco)}, more '
            f'than {most_lost:.0%} ({losses}): correct the file; {boxes if unmasked else ""}'
            f'to allow more, give {for_each_data_set(f"most_lost={allowed:g}")}'
        )


def _what_happens(coco: CocoData) -> str:
    return 'dropped or ignored' if not coco.doubtful else 'dropped, ignored or contradictory'


def _losses(coco: CocoData, needs_masks: bool) -> list[str]:
    actions = ('dropped', 'ignored', DOUBTFUL, *(['used as a box only'] if needs_masks else []))
    return [fault.line for fault in coco.faults if fault.message.startswith(actions)]


def _with_places(faults: Sequence[Fault], content: Content) -> list[Fault]:
    """Name annotations by their places in the user's files, and images by their files, if no file has their ids."""
    if content.places is None:
        return list(faults)
    files = {image['id']: image['file_name'] for image in content.images}
    names: dict[str, Any] = {'annotation': content.places, 'image': files}
    return [
        fault._replace(ids=[names[fault.part][n] if isinstance(n, int) else n for n in fault.ids])
        if fault.part in names
        else fault
        for fault in faults
    ]


def _number(annotations: list[Any]) -> list[Fault]:
    """Give the annotations new ids if one is missing or repeated; nothing refers to them."""
    ids = [annotation.get('id') for annotation in annotations]
    if all(type(number) is int for number in ids) and len(set(ids)) == len(ids):
        return []
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    repeated = Counter(map(repr, ids))
    wrong = [n for n, own in enumerate(ids, 1) if type(own) is not int or repeated[repr(own)] > 1]
    return [Fault('fixed: id missing or repeated, all are numbered anew', wrong, level=NOTE)]


def _resolve(path: Path, annotations: list[Any], kind: str, known: Collection[int]) -> list[Fault]:
    """Set each ``category_id`` or ``image_id`` to an integer.

    Raises:
        UserError: if one is not known.
    """
    key = f'{kind}_id'
    unresolved, rewritten = [], []
    for annotation in annotations:
        value = annotation.get(key)
        number = read_integer(value)
        if number is None or number not in known:
            unresolved.append(annotation)
        elif type(value) is not int:
            rewritten.append(annotation['id'])
            annotation[key] = number
    if unresolved:
        unknown = list(dict.fromkeys(quoted(a.get(key)) for a in unresolved))
        raise UserError(
            f'{path}: {count_of(unresolved, "annotation")} with unknown {key} {shortened(unknown, 5)} '
            f'{in_brackets("annotation", [a["id"] for a in unresolved])}: correct or remove them'
        )
    return [Fault(f'fixed: {key} is not an integer', rewritten, level=NOTE)] if rewritten else []


def _read_crowds(path: Path, annotations: list[Any]) -> list[Fault]:
    """Set each ``iscrowd`` to 0 or 1.

    Raises:
        UserError: if one is something else.
    """
    unknown: dict[str, None] = {}
    wrong, as_text = [], []
    for annotation in annotations:
        value = annotation.get('iscrowd')
        flag = 0 if value is None else read_flag(value)
        if flag is None:
            unknown[quoted(value)] = None
            wrong.append(annotation['id'])
        elif isinstance(value, str):
            as_text.append(annotation['id'])
        annotation['iscrowd'] = flag
    if wrong:
        raise UserError(
            f'{path}: {count_of(wrong, "annotation")} with iscrowd {shortened(list(unknown))} '
            f'{in_brackets("annotation", wrong)}: write 0 or 1'
        )
    return [Fault('fixed: iscrowd is text', as_text, level=NOTE)] if as_text else []


def _check_convention(
    source: Source, annotations: list[Any], shapes: list[Shapes], sizes: dict[int, ImageSize]
) -> None:
    pairs = zip(annotations, shapes, strict=True)
    boxed = [(s.box.box, s.extent, sizes[a['image_id']]) for a, s in pairs if s.box.box is not None]
    is_coco = source.format == 'coco'
    boxes, extents, of_images = zip(*boxed, strict=True) if boxed else ((), (), ())
    wrong = find_wrong_convention(boxes, extents, of_images, is_settable=is_coco)
    if wrong:
        as_they_are = f'; if they are right, give {for_each_data_set("box_format=xywh")}' if is_coco else ''
        raise UserError(f'{source.annotations}: its boxes are {wrong}{as_they_are}')


def _without_copies(annotations: list[Any], faults: list[Fault]) -> list[Any]:
    """Leave out annotations that are equal to another one of the same image, and list them."""
    seen, kept, copies = set(), [], []
    for annotation in annotations:
        content = json.dumps({**annotation, 'id': None}, sort_keys=True)
        if content in seen:
            copies.append(annotation['id'])
        else:
            seen.add(content)
            kept.append(annotation)
    if copies:
        faults.append(Fault('left out: equal to another one of the same image, which is listed twice', copies))
    return kept


def _unite_categories(annotations: list[Any], labels: dict[int, int], count: int) -> tuple[int, ...]:
    """Choose the id of each class, and give it to all its annotations."""
    uses = Counter(annotation['category_id'] for annotation in annotations)
    ids: list[list[int]] = [[] for _ in range(count)]
    for number, label in labels.items():
        ids[label].append(number)
    chosen = tuple(max(of_class, key=lambda number: uses[number]) for of_class in ids)
    for annotation in annotations if len(labels) > count else ():
        annotation['category_id'] = chosen[labels[annotation['category_id']]]
    return chosen
