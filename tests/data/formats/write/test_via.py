"""VIA's files, read again as plain JSON."""

import json
from pathlib import Path

import numpy as np

from convnext_dense.data.formats.write.base import LabeledObject
from tests.helpers.drawn_truth import drawn_images
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


def polygon(region: dict) -> np.ndarray:
    shape = region['shape_attributes']
    assert shape['name'] == 'polygon'
    return np.stack([shape['all_points_x'], shape['all_points_y']], axis=1)


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'via', tmp_path / 'out')
    assert written.images == 9 and written.lost == ['1 class without an object (VIA lists no classes)']
    for split in ('train', 'val'):
        truth = {one.file.name: one for one in drawn_images(drawn, split)}
        found = {}
        for key, entry in json.loads((tmp_path / f'out/{split}/via_region_data.json').read_text()).items():
            file = tmp_path / 'out' / split / entry['filename']
            assert key == f'{entry["filename"]}{entry["size"]}' and file.stat().st_size == entry['size']
            size = truth[file.name].height, truth[file.name].width
            masks = [(one['region_attributes']['class'], draw(polygon(one), size)) for one in entry['regions']]
            found[file.stem] = [Read(name, box_of(mask), mask) for name, mask in masks]
        check_equals(found, list(truth.values()), has_boxes=False)


def test_each_kind_of_object(tmp_path):
    mask = ring_and_island()
    objects = [from_mask(mask), triangle(1), LabeledObject(0, [1.5, 2, 10, 20]), triangle(is_crowd=True)]
    written = write(tmp_path / 'out', 'via', image(tmp_path / 'a.png', *objects))
    joined = '1 mask with holes or several parts joined by lines to one polygon'
    assert written.changed == [joined, '1 RLE became polygons along the edges of its pixels']
    assert written.lost == ['1 crowd left out (VIA has none)']
    content = json.loads(Path(tmp_path / 'out/train/via_region_data.json').read_text())
    ((*regions,),) = [one['regions'] for one in content.values()]
    assert [one['region_attributes']['class'] for one in regions] == ['cat', 'dog', 'cat']
    assert np.array_equal(draw(polygon(regions[0]), SIZE), mask)
    assert regions[2]['shape_attributes'] == {'name': 'rect', 'x': 1.5, 'y': 2, 'width': 10, 'height': 20}
