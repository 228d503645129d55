"""COCO files, read again as plain JSON, by labelformat and by pycocotools."""

import json
from pathlib import Path

from labelformat.formats.coco import COCOObjectDetectionInput
from pycocotools.coco import COCO

from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.write import write_data_set
from convnext_dense.data.formats.write.base import LabeledData, LabeledObject
from tests.helpers.drawn_truth import check_equals_drawn, decode, drawn_images
from tests.helpers.labeled import (
    CLASSES,
    SIZE,
    Read,
    check_equals,
    convert,
    from_mask,
    image,
    ring_and_island,
    triangle,
    write,
)


def read(folder: Path, split: str) -> dict[str, list[Read]]:
    content = json.loads((folder / f'annotations/instances_{split}2017.json').read_text())
    names = {one['id']: one['name'] for one in content['categories']}
    found = {one['id']: (one, []) for one in content['images']}
    for one in content['annotations']:
        about, objects = found[one['image_id']]
        mask = decode(one['segmentation'], about['height'], about['width'])
        assert one['iscrowd'] == 0
        objects.append(Read(names[one['category_id']], one['bbox'], mask))
    for about, _ in found.values():
        assert (folder / f'{split}2017' / about['file_name']).is_file()
    return {Path(about['file_name']).stem: objects for about, objects in found.values()}


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'coco', tmp_path / 'out')
    assert (written.images, written.lost, written.changed) == (9, [], [])
    for split in ('train', 'val'):
        truth = drawn_images(drawn, split)
        check_equals(read(tmp_path / 'out', split), truth)
        file = tmp_path / f'out/annotations/instances_{split}2017.json'
        check_equals_drawn(Source(file, tmp_path / f'out/{split}2017'), truth, masks=True)
        labels = list(COCOObjectDetectionInput(file).get_labels())
        assert sum(len(one.objects) for one in labels) == sum(len(one.objects) for one in truth)


def test_each_kind_of_object(tmp_path):
    mask = ring_and_island()
    objects = [
        triangle(1, area=200.0, score=0.75),
        from_mask(mask),
        LabeledObject(0, [0.5, 1.25, 20, 10]),
        triangle(is_crowd=True),
        LabeledObject(0, [0, 0, 5, 5], is_crowd=True, is_region=True),
    ]
    written = write(tmp_path / 'out', 'coco', image(tmp_path / 'a.png', *objects))
    assert written.annotations == 5 and not written.lost
    truth = COCO(str(tmp_path / 'out/annotations/instances_train2017.json'))
    entries = truth.loadAnns(truth.getAnnIds())
    assert [one['iscrowd'] for one in entries] == [0, 0, 0, 1, 1]
    assert [one['category_id'] for one in entries] == [2, 1, 1, 1, 1]
    assert [one['bbox'] for one in entries] == [one.box for one in objects]
    assert [one['area'] for one in entries] == [200, mask.sum(), 200, 400, 25]
    assert [one.get('score') for one in entries] == [0.75, None, None, None, None]
    assert (truth.annToMask(entries[1]) == mask).all()
    assert 'segmentation' not in entries[2]


def test_data_in_no_split_and_names_in_folders(tmp_path):
    images = [image(tmp_path / name, triangle(), name=name) for name in ('x/1, a.png', 'y/1, a.png', 'ä ö.png')]
    data = LabeledData(CLASSES, {WHOLE: images})
    written = write_data_set(data, False, 'coco', tmp_path / 'out')
    assert written.links == 3 and not written.changed
    content = json.loads((tmp_path / 'out/annotations/instances_default.json').read_text(encoding='utf-8'))
    assert [one['file_name'] for one in content['images']] == ['x/1, a.png', 'y/1, a.png', 'ä ö.png']
    assert {(one['height'], one['width']) for one in content['images']} == {tuple(SIZE)}
    for one, entry in zip(images, content['images'], strict=True):
        assert (tmp_path / 'out/images/default' / entry['file_name']).samefile(one.file)


def test_ignore_regions_are_counted_as_crowds(tmp_path):
    regions = [LabeledObject(0, [1.0, 2, 10, 20], is_region=True), LabeledObject(0, [1.0, 2, 10, 20], is_crowd=True)]
    written = write_data_set(
        LabeledData(['cat'], {'train': [image(tmp_path / 'a.png', *regions)]}), False, 'coco', tmp_path / 'out'
    )
    assert written.changed == ['1 ignore region became a crowd']
