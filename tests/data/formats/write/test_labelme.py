"""LabelMe's files, read again as plain JSON."""

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


def read(folder: Path) -> dict[str, list[Read]]:
    """Polygons with one group id are one object, as in LabelMe's own converter to COCO."""
    found = {}
    for file in sorted(folder.glob('*.json')):
        content = json.loads(file.read_text(encoding='utf-8'))
        assert (folder / content['imagePath']).is_file()
        size = content['imageHeight'], content['imageWidth']
        masks: dict = {}
        for number, shape in enumerate(content['shapes']):
            assert shape['shape_type'] == 'polygon'
            key = shape['label'], f'shape {number}' if shape['group_id'] is None else shape['group_id']
            masks[key] = masks.get(key, np.zeros(size, bool)) | draw(shape['points'], size)
        found[file.stem] = [Read(name, box_of(mask), mask) for (name, _), mask in masks.items()]
    return found


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'labelme', tmp_path / 'out')
    assert written.images == 9 and not written.lost
    for split in ('train', 'val'):
        check_equals(read(tmp_path / 'out' / split), drawn_images(drawn, split), has_boxes=False)


def test_parts_are_a_group_and_holes_are_cut_open(tmp_path):
    mask = ring_and_island()
    objects = [triangle(1), from_mask(mask), from_mask(mask, 1), LabeledObject(0, [1.5, 2, 10, 20], score=0.875)]
    written = write(tmp_path / 'out', 'labelme', image(tmp_path / 'a.png', *objects))
    outlined = '2 RLEs became polygons along the edges of their pixels'
    assert written.annotations == 4 and written.changed == [outlined, '2 masks with holes cut open by lines']
    content = json.loads((tmp_path / 'out/train/a.json').read_text())
    shapes = content['shapes']
    assert [one['group_id'] for one in shapes] == [None, 1, 1, 2, 2, None]
    assert [one['label'] for one in shapes] == ['dog', 'cat', 'cat', 'dog', 'dog', 'cat']
    assert np.array_equal(draw(shapes[1]['points'], SIZE) | draw(shapes[2]['points'], SIZE), mask)
    assert shapes[0]['points'] == [[10, 5], [30, 5], [20, 25]]
    assert (shapes[5]['shape_type'], shapes[5]['points']) == ('rectangle', [[1.5, 2], [11.5, 22]])
    assert [one['description'] for one in shapes] == [''] * 5 + ['score 0.8750']
    assert (content['imageHeight'], content['imageWidth'], content['imageData']) == (40, 60, None)
    assert (tmp_path / 'out/labels.txt').read_text() == 'cat\ndog\n'


def test_crowds_are_left_out_and_counted(tmp_path):
    written = write(tmp_path / 'out', 'labelme', image(tmp_path / 'a.png', triangle(is_crowd=True), triangle()))
    assert written.annotations == 1 and written.lost == ['1 crowd left out (LabelMe has none)']


def test_files_name_their_image_also_where_it_stays(tmp_path):
    images = [image(tmp_path / f'in/{name}', triangle(), name=name) for name in ('x/ä b.png', 'c.png')]
    write(tmp_path / 'with', 'labelme', *images)
    write(tmp_path / 'deep/without', 'labelme', *images, images='none')
    for folder in (tmp_path / 'with', tmp_path / 'deep/without'):
        for one in images:
            file = (folder / 'train' / one.name).with_suffix('.json')
            content = json.loads(file.read_text(encoding='utf-8'))
            assert (file.parent / content['imagePath']).samefile(one.file)
    assert not list((tmp_path / 'deep').rglob('*.png'))
