"""Write CVAT's XML file, "CVAT for images 1.1"."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from ....io.image_size import ImageSize
from ....io.mask_box import box_around
from ....results.rle import decode_mask
from .base import LabeledData, LabeledObject, Target, count_outlined, objects_only, split_folder
from .outlines import as_parts

TITLE = 'CVAT'


def write(data: LabeledData, target: Target) -> None:
    """Write ``annotations.xml`` with the images in ``images/{split}/``, each with its ``subset``.

    A mask of one part is a polygon, one with holes or several parts a mask, and an object without a mask a box.
    """
    root = ElementTree.Element('annotations')
    ElementTree.SubElement(root, 'version').text = '1.1'
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task'), 'labels')
    for name in data.classes:
        ElementTree.SubElement(ElementTree.SubElement(labels, 'label'), 'name').text = name
    number = 0
    for split, labeled in data.splits.items():
        folder = target.folder('images', split_folder(split))
        for image in labeled:
            name = target.place(image, folder)
            about = {'id': str(number), 'name': name, **({'subset': split} if split_folder(split) else {})}
            height, width = map(str, image.size)
            entry = ElementTree.SubElement(root, 'image', {**about, 'width': width, 'height': height})
            objects = objects_only(image, target, TITLE)
            for one in objects:
                _add_shape(entry, one, data.classes[one.label], image.size, target)
            number += 1
            target.written['annotations'] += len(objects)
            target.advance()
    ElementTree.indent(root)
    target.write_bytes(target.root / 'annotations.xml', ElementTree.tostring(root, 'utf-8', xml_declaration=True))


def _add_shape(entry: ElementTree.Element, one: LabeledObject, name: str, size: ImageSize, target: Target) -> None:
    about = {'label': name, 'source': 'manual' if one.score is None else 'auto', 'occluded': '0', 'z_order': '0'}
    parts = [] if one.segmentation is None else as_parts(one.segmentation, size)
    if not parts:
        edges = zip(('xtl', 'ytl', 'xbr', 'ybr'), one.corners, strict=True)
        ElementTree.SubElement(entry, 'box', {**about, **{key: f'{edge:.2f}' for key, edge in edges}})
    elif len(parts) == 1 and not parts[0].holes:
        count_outlined(one, target)
        ring = parts[0].outline
        points = ';'.join(f'{x:.2f},{y:.2f}' for x, y in zip(ring[::2], ring[1::2], strict=True))
        ElementTree.SubElement(entry, 'polygon', {**about, 'points': points})
    else:
        assert one.segmentation is not None
        mask = decode_mask(one.segmentation, size)
        left, top, right, bottom = box_around(mask)
        inner = mask[top:bottom, left:right]
        place = {'left': left, 'top': top, 'width': inner.shape[1], 'height': inner.shape[0]}
        runs = {'rle': ', '.join(map(str, _runs(inner))), **{key: str(value) for key, value in place.items()}}
        ElementTree.SubElement(entry, 'mask', {**about, **runs})


def _runs(mask: np.ndarray) -> list[int]:
    """Return the lengths of the runs of 0, 1, 0, ... along the rows of a mask; the first may be 0."""
    flat = np.concatenate([[False], mask.ravel()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
