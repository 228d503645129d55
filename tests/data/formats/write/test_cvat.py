"""CVAT's file, read again as plain XML."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from convnext_dense.data.formats.write.base import LabeledObject
from tests.helpers.drawn_truth import class_names, drawn_images
from tests.helpers.labeled import (
    SIZE,
    Read,
    box_of,
    check_equals,
    convert,
    draw,
    from_mask,
    image,
    ring_and_island,
    triangle,
    write,
)


def mask_of(one: ElementTree.Element, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    if one.tag == 'polygon':
        return draw([[float(value) for value in point.split(',')] for point in one.get('points').split(';')], size)
    left, top, width, height = (int(one.get(key)) for key in ('left', 'top', 'width', 'height'))
    runs = [int(run) for run in one.get('rle').split(',')]
    pixels = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool)
    mask[top : top + height, left : left + width] = pixels.reshape(height, width)
    return mask


def read(folder: Path, split: str) -> dict[str, list[Read]]:
    found = {}
    for entry in ElementTree.parse(folder / 'annotations.xml').getroot().iter('image'):
        if entry.get('subset') == split:
            assert (folder / 'images' / split / entry.get('name')).is_file()
            size = int(entry.get('height')), int(entry.get('width'))
            masks = [(one.get('label'), mask_of(one, size)) for one in entry]
            found[Path(entry.get('name')).stem] = [Read(name, box_of(mask), mask) for name, mask in masks]
    return found


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'cvat', tmp_path / 'out')
    assert (written.images, written.lost, written.changed) == (9, [], [])
    for split in ('train', 'val'):
        check_equals(read(tmp_path / 'out', split), drawn_images(drawn, split), has_boxes=False)
    labels = ElementTree.parse(tmp_path / 'out/annotations.xml').iterfind('meta/task/labels/label/name')
    assert [one.text for one in labels] == class_names(drawn)


def test_each_kind_of_object(tmp_path):
    mask = ring_and_island()
    objects = [from_mask(mask), triangle(1, score=0.5), LabeledObject(0, [1.5, 2, 10, 20]), triangle(is_crowd=True)]
    written = write(tmp_path / 'out', 'cvat', image(tmp_path / 'ä & <b>.png', *objects))
    assert written.lost == ['1 crowd left out (CVAT has none)']
    (entry,) = ElementTree.parse(tmp_path / 'out/annotations.xml').getroot().iter('image')
    assert entry.get('name') == 'ä & <b>.png'
    assert [(one.tag, one.get('label'), one.get('source')) for one in entry] == [
        ('mask', 'cat', 'manual'),
        ('polygon', 'dog', 'auto'),
        ('box', 'cat', 'manual'),
    ]
    assert np.array_equal(mask_of(entry[0], SIZE), mask)
    assert [float(entry[2].get(key)) for key in ('xtl', 'ytl', 'xbr', 'ybr')] == [1.5, 2, 11.5, 22]
