"""Pascal VOC's files, read again as plain XML, and by labelformat."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from labelformat.formats.pascalvoc import PascalVOCObjectDetectionInput

from convnext_dense.data.formats.base import WHOLE
from convnext_dense.data.formats.write import write_data_set
from convnext_dense.data.formats.write.base import LabeledData, LabeledObject
from tests.helpers.drawn_truth import class_names, drawn_images
from tests.helpers.labeled import CLASSES, Read, as_read, check_equals, convert, image, triangle, write

EDGES = ('xmin', 'ymin', 'xmax', 'ymax')


def edges(one: ElementTree.Element) -> list[float]:
    return [float(one.findtext(f'bndbox/{edge}')) for edge in EDGES]


def read(folder: Path, split: str) -> dict[str, list[Read]]:
    found = {}
    for stem in (folder / f'ImageSets/Main/{split}.txt').read_text(encoding='utf-8').splitlines():
        root = ElementTree.parse(folder / f'Annotations/{stem}.xml').getroot()
        assert (folder / 'JPEGImages' / root.findtext('filename')).is_file()
        found[stem] = []
        for one in root.iter('object'):
            left, top, right, bottom = edges(one)
            found[stem].append(Read(one.findtext('name'), [left, top, right - left, bottom - top]))
    return found


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'voc', tmp_path / 'out')
    count = sum(len(one.objects) for split in ('train', 'val') for one in drawn_images(drawn, split))
    assert written.annotations == count
    assert f'{count} masks became boxes (VOC has none)' in written.lost
    assert written.changed == ['3 images renamed']  # both splits have 000000000001.jpg, and VOC one folder
    for split, before in (('train', ''), ('val', 'val2017_')):
        found = {name.removeprefix(before): one for name, one in read(tmp_path / 'out', split).items()}
        check_equals(found, drawn_images(drawn, split), masks=False)
    names = class_names(drawn)
    labels = PascalVOCObjectDetectionInput(tmp_path / 'out/Annotations', ','.join(names)).get_labels()
    found = {Path(one.image.filename).stem: [as_read(thing) for thing in one.objects] for one in labels}
    check_equals(
        {name: one for name, one in found.items() if '_' not in name}, drawn_images(drawn, 'train'), masks=False
    )


@pytest.mark.parametrize(
    'box, expected',
    [
        ([0, 0, 60, 40], ['0', '0', '60', '40']),
        ([10.0, 5.0, 20.0, 20.0], ['10', '5', '30', '25']),
        ([10.25, 5.5, 19.504, 0.999], ['10.25', '5.5', '29.75', '6.5']),
        ([0.1, 0.001, 100.0, 10.0], ['0.1', '0', '100.1', '10']),
    ],
)
def test_boxes_are_in_whole_pixels_only_where_they_are(tmp_path, box, expected):
    write(tmp_path / 'out', 'voc', image(tmp_path / 'a.png', LabeledObject(0, box)))
    root = ElementTree.parse(tmp_path / 'out/Annotations/a.xml').getroot()
    assert [root.findtext(f'object/bndbox/{edge}') for edge in EDGES] == expected


def test_crowds_and_ignore_regions_are_difficult(tmp_path):
    objects = [triangle(), triangle(1, is_crowd=True), triangle(1, is_crowd=True, is_region=True)]
    written = write(tmp_path / 'out', 'voc', image(tmp_path / 'a.png', *objects))
    root = ElementTree.parse(tmp_path / 'out/Annotations/a.xml').getroot()
    assert [(one.findtext('name'), one.findtext('difficult')) for one in root.iter('object')] == [
        ('cat', '0'),
        ('dog', '1'),
        ('dog', '1'),
    ]
    assert written.lost == ['1 mask became a box (VOC has none)', '1 crowd became a difficult object']


def test_names_survive_and_classes_without_an_object_are_counted(tmp_path):
    names = ['a & b <1>.png', 'x/1.png', 'x_1.png', 'ä, ö.png']
    classes = ['cat & <dog>', '"größe"', 'unused']
    images = [image(tmp_path / name, triangle(k % 2), name=name) for k, name in enumerate(names)]
    written = write(tmp_path / 'out', 'voc', *images, classes=classes)
    found = read(tmp_path / 'out', 'train')
    assert len(found) == 4 and {'a & b <1>', 'x_1', 'ä, ö'} < found.keys()
    assert [one.name for objects in found.values() for one in objects] == classes[:2] * 2
    assert '1 class without an object (VOC lists no classes)' in written.lost
    assert written.changed == ['2 images renamed']


def test_data_in_no_split_have_no_lists(tmp_path):
    data = LabeledData(CLASSES, {WHOLE: [image(tmp_path / 'a.png', triangle())]})
    write_data_set(data, False, 'voc', tmp_path / 'out')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['Annotations', 'JPEGImages']
