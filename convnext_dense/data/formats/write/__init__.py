"""Write data sets and predictions in the formats of other programs: a module for each.

:data:`WRITERS` lists them; :func:`write_data_set` writes a folder completely or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ....errors import UserError
from ....io.files import atomic_folder
from . import coco, cvat, labelme, masks, open_images, supervisely, via, voc, yolo
from .base import LabeledData, LabeledImage, Target
from .class_names import (
    Rule,
    check_class_names,
    held_as_it_is,
    held_by_label_map,
    held_by_labelme,
    held_by_masks,
    held_by_via,
    held_without_spaces,
)
from .kinds import as_label_maps, as_objects
from .upright import arrange


class Writer(NamedTuple):
    """A format that is written."""

    title: str
    """Name for people."""
    write: Callable[[LabeledData, Target], None]
    """Function that writes a data set into the folder of a target."""
    names: Rule = held_without_spaces
    """Which names of classes it can hold."""
    of_label_maps: bool = False
    """True if it has label maps rather than objects."""
    as_stored: bool = False
    """True if annotations are of the image as stored rather than upright, where the size does not tell."""


WRITERS: Mapping[str, Writer] = {
    'coco': Writer('COCO', coco.write, held_as_it_is, as_stored=True),
    'yolo': Writer('YOLO', yolo.write),
    'voc': Writer('Pascal VOC', voc.write),
    'labelme': Writer('LabelMe', labelme.write, held_by_labelme),
    'masks': Writer('index masks', masks.write, held_by_masks, of_label_maps=True, as_stored=True),
    'color_masks': Writer('color masks', masks.write_colors, held_by_label_map, of_label_maps=True, as_stored=True),
    'cvat': Writer('CVAT', cvat.write),
    'via': Writer('VIA', via.write, held_by_via),
    'supervisely': Writer('Supervisely', supervisely.write, held_as_it_is),
    'open_images': Writer('Open Images', open_images.write),
}
"""All formats by their names for ``--to`` and ``--format``."""


class Written(NamedTuple):
    """What was written."""

    images: int
    annotations: int
    """Objects, or label maps."""
    links: int
    """Images that are hard links."""
    copies: int
    """Images that are copies."""
    lost: list[str]
    """What the format could not hold: ``'3 crowds left out (YOLO has none)'``."""
    changed: list[str]
    """What it holds in another way."""


def write_data_set(
    data: LabeledData,
    has_label_maps: bool,
    name: str,
    folder: str | Path,
    images: str = 'link',
    advance: Callable[[], object] = lambda: None,
    scores: bool = False,
) -> Written:
    """Write a data set to a new folder, which appears when it is complete.

    Args:
        data: the data set.
        has_label_maps: True if its images have label maps rather than objects.
        name: the format, a key of :data:`WRITERS`.
        folder: a folder that does not exist or is empty.
        images: ``'link'`` for hard links to the images, or copies where there can be none; ``'copy'``; or ``'none'``.
        advance: called after each image.
        scores: write the scores of predictions also where most programs refuse them.

    Raises:
        UserError: if the folder is not empty or can't be written, or the format can't hold the classes.
    """
    writer = WRITERS[name]
    with atomic_folder(folder) as partial:
        target = Target(partial, images, advance, scores, folder)
        splits = {split: _arranged(labeled, writer) for split, labeled in data.splits.items()}
        data = LabeledData(data.classes, splits)
        if has_label_maps and not writer.of_label_maps:
            data = as_objects(data, target)
        if writer.of_label_maps and not has_label_maps:
            data = as_label_maps(data, target)
        if not data.classes:
            raise UserError('there is no class but the background: nothing would be written')
        check_class_names(data.classes, writer.title, writer.names)
        writer.write(data, target)
    image_count, annotations, links, copies = (target.written[k] for k in ('images', 'annotations', 'links', 'copies'))
    return Written(image_count, annotations, links, copies, target.lost.lines, target.changed.lines)


def _arranged(images: Iterable[LabeledImage], writer: Writer) -> Iterator[LabeledImage]:
    for image in images:
        yield arrange(image, writer.as_stored)
