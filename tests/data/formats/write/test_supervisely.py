"""Supervisely's files, read again as plain JSON."""

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from convnext_dense.data.formats.write.base import LabeledObject
from tests.helpers.drawn_truth import class_names, drawn_images
from tests.helpers.labeled import (
    SIZE,
    Read,
    box_of,
    check_equals,
    convert,
    from_mask,
    image,
    ring_and_island,
    triangle,
    write,
)


def mask_of(one: dict, size: tuple[int, int]) -> np.ndarray:
    assert one['geometryType'] == 'bitmap'
    pixels = np.asarray(Image.open(io.BytesIO(zlib.decompress(base64.b64decode(one['bitmap']['data']))))) > 0
    x, y = one['bitmap']['origin']
    mask = np.zeros(size, bool)
    mask[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return mask


def read(folder: Path, split: str) -> dict[str, list[Read]]:
    found = {}
    for file in sorted((folder / split / 'ann').glob('*.json')):
        assert (folder / split / 'img' / file.stem).is_file()
        content = json.loads(file.read_text(encoding='utf-8'))
        size = content['size']['height'], content['size']['width']
        masks = [(one['classTitle'], mask_of(one, size)) for one in content['objects']]
        found[Path(file.stem).stem] = [Read(name, box_of(mask), mask) for name, mask in masks]
    return found


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'supervisely', tmp_path / 'out')
    assert (written.images, written.lost, written.changed) == (9, [], [])
    for split in ('train', 'val'):
        check_equals(read(tmp_path / 'out', split), drawn_images(drawn, split), has_boxes=False)
    meta = json.loads((tmp_path / 'out/meta.json').read_text())
    assert [one['title'] for one in meta['classes']] == class_names(drawn)


def test_each_kind_of_object(tmp_path):
    mask = ring_and_island()
    objects = [from_mask(mask), LabeledObject(1, [1.0, 2, 10, 20]), triangle(is_crowd=True)]
    written = write(tmp_path / 'out', 'supervisely', image(tmp_path / 'a.png', *objects))
    assert written.lost == ['1 crowd left out (Supervisely has none)']
    bitmap, box = json.loads((tmp_path / 'out/train/ann/a.png.json').read_text())['objects']
    assert np.array_equal(mask_of(bitmap, SIZE), mask)
    assert (box['classTitle'], box['geometryType']) == ('dog', 'rectangle')
    assert box['points']['exterior'] == [[1, 2], [10, 21]]  # the first and the last pixel


def test_rounded_boxes_are_counted(tmp_path):
    boxes = [LabeledObject(0, box) for box in ([1.0, 2, 10, 20], [1.4, 2, 10, 20], [1.0, 2, 10, 20.5])]
    written = write(tmp_path / 'out', 'supervisely', image(tmp_path / 'a.png', *boxes))
    assert written.changed == ['2 boxes rounded to whole pixels']
