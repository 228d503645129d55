"""Write Pascal VOC's XML files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from .base import LabeledData, LabeledImage, LabeledObject, Target, split_folder

TITLE = 'VOC'


def write(data: LabeledData, target: Target) -> None:
    """Write ``Annotations/*.xml``, ``JPEGImages/`` and ``ImageSets/Main/{split}.txt``.

    Corners count from 0, and ``xmax`` - ``xmin`` is the width, as in the files of LabelImg, CVAT and most programs; in
    VOC's own, pixels count from 1 and the last is included. They are integers where the box has whole pixels, and have
    up to two decimals where it has not. Crowds and ignore regions are ``difficult``.
    """
    annotations, images = target.folder('Annotations'), target.folder('JPEGImages')
    used = set()
    for split, labeled in data.splits.items():
        listed = []
        for image in labeled:
            name = target.place(image, images, flat=True)
            listed.append(Path(name).stem)
            target.write_bytes(annotations / f'{listed[-1]}.xml', _as_xml(image, name, data.classes))
            used |= {one.label for one in image.objects}
            _count_losses(image, target)
            target.advance()
        if split_folder(split):
            lines = ''.join(f'{stem}\n' for stem in listed)
            target.write_text(target.folder('ImageSets', 'Main') / f'{split}.txt', lines)
    ending = f'without an object ({TITLE} lists no classes)'
    target.lost.add(f'class {ending}', f'classes {ending}', len(data.classes) - len(used))


def _count_losses(image: LabeledImage, target: Target) -> None:
    target.written['annotations'] += len(image.objects)
    masks = sum(one.is_object and one.segmentation is not None for one in image.objects)
    target.lost.add(f'mask became a box ({TITLE} has none)', f'masks became boxes ({TITLE} has none)', masks)
    crowds = sum(one.is_crowd and not one.is_region for one in image.objects)
    target.lost.add('crowd became a difficult object', 'crowds became difficult objects', crowds)


def _as_xml(image: LabeledImage, name: str, classes: list[str]) -> bytes:
    root = ElementTree.Element('annotation')
    _add(root, 'folder', 'JPEGImages')
    _add(root, 'filename', name)
    _add(ElementTree.SubElement(root, 'source'), 'database', 'Unknown')  # as LabelImg's: not VOC's own convention
    size = ElementTree.SubElement(root, 'size')
    for side, value in (('width', image.size.width), ('height', image.size.height), ('depth', 3)):
        _add(size, side, value)
    _add(root, 'segmented', 0)
    for one in image.objects:
        _add_object(root, one, classes[one.label])
    ElementTree.indent(root)
    return ElementTree.tostring(root, 'utf-8')


def _add_object(root: ElementTree.Element, one: LabeledObject, name: str) -> None:
    entry = ElementTree.SubElement(root, 'object')
    for key, value in (
        ('name', name),
        ('pose', 'Unspecified'),
        ('truncated', 0),
        ('difficult', int(not one.is_object)),
    ):
        _add(entry, key, value)
    if one.score is not None:
        _add(entry, 'confidence', f'{one.score:.4f}')
    box = ElementTree.SubElement(entry, 'bndbox')
    left, top, right, bottom = one.corners
    for key, edge in (('xmin', left), ('ymin', top), ('xmax', right), ('ymax', bottom)):
        _add(box, key, f'{edge:.2f}'.rstrip('0').rstrip('.'))


def _add(parent: ElementTree.Element, name: str, text: object) -> None:
    ElementTree.SubElement(parent, name).text = str(text)
