"""The drawn sample as the product's own writers write it in every format."""

from pathlib import Path
from typing import NamedTuple

from convnext_dense.cli.commands.sample import read_sample
from convnext_dense.data.formats.write import WRITERS, write_data_set
from tests.helpers.drawn_truth import DrawnImage, class_names, drawn_images, with_boxes_of_masks
from tests.helpers.labeled import box_of

OF_OBJECTS = [name for name, writer in WRITERS.items() if not writer.of_label_maps]
BOXES_ALONE = ('voc', 'open_images')
EXACT = ('coco', 'labelme', 'via')
"""Formats whose numbers are those of the COCO file, with its masks as polygons or as they are."""


class Expected(NamedTuple):
    """What a folder in a format holds of a split."""

    images: list[DrawnImage]
    masks: bool
    tolerance: float
    """Of the boxes, in pixels."""


def write_all(drawn: Path, folder: Path) -> Path:
    """Write the drawn sample into a folder for each format."""
    for name in WRITERS:
        read = read_sample(drawn, name)
        write_data_set(read.data, read.has_label_maps, name, folder / name)
    return folder


def expected(name: str, drawn: Path, split: str) -> Expected:
    images, masks = drawn_images(drawn, split), name not in BOXES_ALONE
    if name == 'voc' and split == 'val':  # one folder for the images of all splits
        for image in images:
            image.file = image.file.with_name(f'val2017_{image.file.name}')
    if name == 'supervisely':  # bitmaps, whose boxes are those of their pixels
        for one in (one for image in images for one in image.objects):
            one.box = box_of(one.mask)
    elif masks and name != 'coco':
        images = with_boxes_of_masks(images)
    return Expected(images, masks, 1.01 if name == 'cvat' else 0.5)  # some are bitmaps there, too


def listed_classes(name: str, drawn: Path) -> list[str]:
    """Return the names of the classes that a format lists: all, or those that occur, sorted."""
    names = class_names(drawn)
    if name not in ('voc', 'via'):
        return names
    used = {one.name for split in ('train', 'val') for image in drawn_images(drawn, split) for one in image.objects}
    return sorted(used)
