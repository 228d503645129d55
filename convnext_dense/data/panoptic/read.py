"""Read a panoptic COCO file as classes, things first, and the segments of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ...io.coco_format import CocoImage
from ...io.panoptic import VOID, PanopticTruth, Segment
from ..check.records import NOTE, WARNING
from ..class_choice import ClassChoice, describe_choice
from ..detection.chosen import NEW_IDS
from ..formats.faults import Fault
from ..formats.values import read_flag, read_integer
from ..text import count_of, quoted
from .content import Category, SegmentedImage, read_categories, read_content
from .files import PanopticFiles


class PanopticClasses(NamedTuple):
    """The classes of a file, things first; each kind in the order of the file, or in that of the choice."""

    thing_classes: tuple[str, ...]
    stuff_classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    """Id of each class, by label."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, by label."""
        return self.thing_classes + self.stuff_classes


class PanopticImage(NamedTuple):
    """An image with its segments."""

    image: CocoImage
    truth: PanopticTruth
    id: int | str
    """Its id as the file has it, a number or a name."""


class PanopticData(NamedTuple):
    """Content of a panoptic COCO file."""

    name: str
    """``'panoptic_train2017'``."""
    thing_classes: tuple[str, ...]
    stuff_classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    """Id of each class, by label."""
    images: list[PanopticImage]
    """The images that have an annotation, in the order of the file."""
    faults: list[Fault]
    """What is fixed, left out or doubtful."""
    own_classes: tuple[str, ...]
    """Names of all categories in the order of the file, before a choice."""
    other_ids: tuple[int, ...]
    """Ids of the categories that are no classes, by the choice."""
    choice_line: str = ''
    """One line about what the choice made of the categories."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes, by label."""
        return self.thing_classes + self.stuff_classes


def read_own_classes(path: Path) -> list[str]:
    """Return the names of all categories of a file, in its order."""
    return [one.name for one in read_categories(path)]


def read_classes(path: Path, choice: ClassChoice | None = None) -> PanopticClasses:
    """Read the classes of a file, without reading its segments.

    Raises:
        NoData: if there is no file.
        UserError: if it can't be read, if a category does not say whether it is a thing, or if the choice merges
            things and stuff.
    """
    return _choose(path, read_categories(path), choice).classes


def read_panoptic(files: PanopticFiles, choice: ClassChoice | None = None, skips_bad: bool = False) -> PanopticData:
    """Read a panoptic COCO file; the PNG files are not opened.

    Segments of classes that a choice leaves out or ignores become :data:`~convnext_dense.io.panoptic.VOID`: nothing is
    learned or measured there. Of stuff that it merges, an image has one segment.

    Args:
        files: the files of the split.
        choice: the choice of classes; None for all.
        skips_bad: leave out images that can't be opened and whose size the file lacks.

    Raises:
        UserError: for what :func:`.content.read_content` and :func:`read_classes` refuse, and for an ``iscrowd`` other
            than 0 and 1.
    """
    path = files.annotations
    content = read_content(files, skips_bad)
    chosen = _choose(path, content.categories, choice)
    images = [_read_image(path, one, chosen) for one in content.images]
    faults = [*content.faults, *_faults(content.images, chosen)]
    if content.without:
        faults.append(Fault('left out: without annotation', content.without, 'image', WARNING))
    line = ''
    if choice is not None:
        counts = Counter(one.category for image in content.images for one in image.segments)

        def amount(own: Sequence[int]) -> str:
            return count_of(range(sum(counts[place] for place in own)), 'segment')

        names = [one.name for one in content.categories]
        unlabeled = 'are unlabeled, so that nothing is learned or measured there'
        line = describe_choice(choice, names, amount, unlabeled, unlabeled)
        ids = zip(chosen.classes.classes, chosen.classes.category_ids, strict=True)
        new = [f'{name!r} {number}' for name, number in ids if name not in names]
        line += f'{NEW_IDS}{", ".join(new)}' if new else ''
    return PanopticData(
        path.stem,
        *chosen.classes,
        images,
        faults,
        tuple(one.name for one in content.categories),
        tuple(one.id for one in content.categories if one.id not in chosen.classes.category_ids),
        line,
    )


class _Chosen(NamedTuple):
    classes: PanopticClasses
    labels: list[int]
    """Label of each category of the file; -1 for those that are no class."""
    merged_stuff: frozenset[int]
    """Labels of the stuff that is merged from several categories."""


def _choose(path: Path, categories: Sequence[Category], choice: ClassChoice | None) -> _Chosen:
    names = [one.name for one in categories]
    is_thing = [_read_kind(path, one) for one in categories]
    chosen, places = names, list(range(len(names)))
    if choice is not None:
        applied = choice.apply(names)
        chosen, places = list(applied.names), list(applied.labels)
    members = [[own for own, place in enumerate(places) if place == new] for new in range(len(chosen))]
    for name, own in zip(chosen, members, strict=True):
        kinds = {is_thing[one]: names[one] for one in own}
        if len(kinds) > 1:
            raise UserError(
                f'{path}: --merge joins things ({kinds[True]}) and stuff ({kinds[False]}) to {name!r}: join classes '
                'of one kind'
            )
    kind_of = [is_thing[own[0]] for own in members]
    order = sorted(range(len(chosen)), key=lambda new: not kind_of[new])  # things first
    label_of = {new: label for label, new in enumerate(order)}
    id_of, highest = {one.name: one.id for one in categories}, max(one.id for one in categories)
    new_names = [name for name in chosen if name not in id_of]
    id_of |= {name: number for number, name in enumerate(new_names, highest + 1)}
    ordered = [chosen[new] for new in order]
    things = sum(kind_of)
    classes = PanopticClasses(tuple(ordered[:things]), tuple(ordered[things:]), tuple(id_of[name] for name in ordered))
    merged = frozenset(label for new, label in label_of.items() if len(members[new]) > 1 and not kind_of[new])
    return _Chosen(classes, [label_of.get(place, -1) for place in places], merged)


def _read_kind(path: Path, category: Category) -> bool:
    what, fix = f'{path}: category {quoted(category.name)} has', 'give each category 1 for things or 0 for stuff'
    if category.isthing is None:
        raise UserError(
            f'{what} no isthing, as in files of instances: take the panoptic file of the same images, such as '
            f'panoptic_train2017.json, or {fix}'
        )
    flag = read_flag(category.isthing)
    if flag is None:
        raise UserError(f'{what} isthing {quoted(category.isthing)}: {fix}')
    return bool(flag)


def _read_image(path: Path, image: SegmentedImage, chosen: _Chosen) -> PanopticImage:
    segments: list[Segment] = []
    replaced: dict[int, int] = {}
    first: dict[tuple[int, int], Segment] = {}
    for number, place, entry in image.segments:
        iscrowd, area = read_flag(entry.get('iscrowd', 0)), read_integer(entry.get('area'))
        label = chosen.labels[place]
        if iscrowd is None:
            what = f'{path}: segment {number} of {image.image["file_name"]}'
            raise UserError(f'{what} has iscrowd {quoted(entry.get("iscrowd"))}: make it 0 or 1')
        if label < 0:
            replaced[number] = VOID
            continue
        area = area if area is not None and area > 0 else None
        segment = Segment(id=number, label=label, iscrowd=iscrowd, area=area)
        kept = first.setdefault((label, iscrowd), segment) if label in chosen.merged_stuff else segment
        if kept is segment:
            segments.append(segment)
        else:
            replaced[number] = kept['id']
            kept['area'] = None if area is None or kept['area'] is None else kept['area'] + area
    truth = PanopticTruth(
        segments_file=image.segments_file,
        segments=segments,
        things=len(chosen.classes.thing_classes),
        size=(image.image['height'], image.image['width']),
    )
    if replaced:
        truth['replaced'] = replaced
    return PanopticImage(image.image, truth, image.id)


def _faults(images: Sequence[SegmentedImage], chosen: _Chosen) -> list[Fault]:
    """List the segments without an area or a box, and the images where stuff of one class has several segments."""
    areas, boxes, parted = [], [], []
    things = len(chosen.classes.thing_classes)
    for image in images:
        name = image.image['file_name']
        for number, _, entry in image.segments:
            if not (read_integer(entry.get('area')) or 0) > 0:
                areas.append(f'{name}: {number}')
            if not _is_box(entry):
                boxes.append(f'{name}: {number}')
        stuff = Counter(place for _, place, entry in image.segments if not read_flag(entry.get('iscrowd', 0)))
        if any(count > 1 and chosen.labels[place] >= things for place, count in stuff.items()):
            parted.append(name)
    found = [
        Fault('without an area, counted in the PNG file', areas, 'segment', NOTE),
        Fault('without a box, found in the PNG file', boxes, 'segment', NOTE),
        Fault('where one class of stuff has several segments, each measured as one of its own', parted, 'image'),
    ]
    return [fault for fault in found if fault.ids]


def _is_box(entry: Mapping) -> bool:
    box = entry.get('bbox')
    return isinstance(box, list) and len(box) == 4 and all(isinstance(side, int | float) for side in box)
