"""Data sets of Pascal VOC in the layouts of the devkit, Roboflow, Kaggle, LabelImg and CVAT."""

import re
import shutil

import pytest
from hypothesis import strategies as st
from labelformat.formats.coco import COCOObjectDetectionInput
from labelformat.formats.pascalvoc import PascalVOCObjectDetectionOutput
from PIL import Image

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.voc import VocFormat
from convnext_dense.errors import UserError
from tests.helpers import drawn_voc
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, drawn_images, write_coco
from tests.helpers.drawn_voc import OFFICIAL, OTHERS, ROBOFLOW, xml
from tests.helpers.fuzzing import FEW, MANY, check_each
from tests.helpers.read_source import said
from tests.helpers.read_source import write_and_read as read
from tests.helpers.small_files import write_files

VOC = VocFormat()
CAT, DOG = ('cat', (4, 4, 10, 8)), ('dog', (10, 2, 20, 10))
SMALL = {'a.png': None, 'a.xml': xml([CAT, DOG], filename='a.png'), 'b.png': None, 'b.xml': xml([DOG])}


# -- layouts, with the drawn scenes


LAYOUTS = {
    'devkit': ('VOCdevkit/VOC2007/JPEGImages', 'VOCdevkit/VOC2007/Annotations', OFFICIAL),
    'Roboflow': ('{valid}', '{valid}', ROBOFLOW),
    'folders in splits': ('{}/images', '{}/annotations', OTHERS),
    'splits in folders': ('Images/{}', 'annotations/{}', OTHERS),
}


@pytest.mark.parametrize('layout', LAYOUTS.values(), ids=LAYOUTS.keys())
def test_boxes_equal_what_is_drawn(tmp_path, drawn, layout):
    image_folder, annotations, convention = layout
    scenes = drawn_images(drawn, 'train')
    by_split = {'train': scenes[:4], 'val': scenes[4:]}
    for split, images in by_split.items():
        valid = {'train': 'train', 'val': 'valid'}[split]
        places = [tmp_path / one.format(split, valid=valid) for one in (image_folder, annotations)]
        drawn_voc.lay_out(images, *places, convention)
        if convention == OFFICIAL:
            stems = [one.file.stem for one in images]
            lists = {f'{split}.txt': '\n'.join(stems), f'cat_{split}.txt': ' -1\n'.join(stems)}
            write_files(tmp_path / 'VOCdevkit/VOC2007/ImageSets/Main', lists)
    sources = find_sources(str(tmp_path))
    assert sources.keys() == {'train', 'val'}
    for split, images in by_split.items():
        check_equals_drawn(sources[split], images, masks=False)
    classes = sorted({one.name for images in by_split.values() for image in images for one in image.objects})
    assert [read_coco(source).classes for source in sources.values()] == [tuple(classes)] * 2


@pytest.mark.parametrize(('images', 'annotations'), [('.', '.'), ('JPEGImages', 'Annotations'), ('images', 'xmls')])
def test_data_in_no_split_equal_coco(tmp_path, drawn, images, annotations):
    scenes = drawn_images(drawn, 'train')
    drawn_voc.lay_out(scenes, tmp_path / images, tmp_path / annotations)
    source = Source(tmp_path, tmp_path, 'voc')
    assert VOC.find(tmp_path) == {WHOLE: source}
    check_equals_drawn(source, scenes, masks=False)
    if images == '.':
        names = sorted({one.name for image in scenes for one in image.objects})
        coco = write_coco(tmp_path / 'coco.json', scenes, names, masks=False)
        check_trains_alike(Source(coco, drawn / 'coco/train2017'), source, masks=False)


def test_what_labelformat_writes(tmp_path, drawn):
    images = drawn_images(drawn, 'train')
    coco = write_coco(tmp_path / 'coco.json', images, [*{o.name for i in images for o in i.objects}], masks=False)
    PascalVOCObjectDetectionOutput(tmp_path / 'Annotations').save(COCOObjectDetectionInput(coco))
    shutil.copytree(drawn / 'coco/train2017', tmp_path / 'images')
    check_equals_drawn(find_sources(str(tmp_path), name='voc')['val'], images, masks=False)


# -- what is read


def boxes(coco):
    """All objects as (class, box), by the name of their image; ignored ones with None for the class."""
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    return {
        image['file_name']: [
            (None if a['iscrowd'] else names[a['category_id']], tuple(a['bbox']))
            for a in coco.annotations[image['id']]
        ]
        for image in coco.images
    }


@pytest.mark.parametrize(
    ('database', 'corners', 'box'),
    [
        ('The VOC2012 Database', (1, 1, 40, 20), (0, 0, 40, 20)),
        ('The VOC2012 Database', (5.5, 5, 14, 5), (4.5, 4, 9.5, 1)),
        ('The VOC2012 Database', (0, 1, 39, 19), (0, 1, 39, 18)),  # which can't be counted from 1
        ('roboflow.ai', (1, 1, 41, 21), (0, 0, 40, 20)),
        ('Unknown', (1, 1, 40, 20), (1, 1, 39, 19)),
        ('', (0.5, 0.25, 40, 20), (0.5, 0.25, 39.5, 19.75)),
    ],
)
def test_conventions(tmp_path, database, corners, box):
    x, y, right, bottom = corners
    text = xml([('cat', (x, y, right - x, bottom - y))], convention=(database, 0, 0))
    coco = read(tmp_path, {'a.png': None, 'a.xml': text})
    assert boxes(coco)['a.png'] == [('cat', box)]
    assert any('below 1' in line for line in said(coco)) == (corners[0] == 0)


@pytest.mark.parametrize(
    ('more', 'objects', 'line'),
    [
        ('<truncated>1</truncated><occluded>1</occluded>', [CAT], ''),
        ('<difficult>Unspecified</difficult>', [CAT], ''),  # the second one
        (
            '<part><name>head</name><bndbox/></part>',
            [CAT],
            'whose parts or actions are not learned (a.xml: object[1])',
        ),
        ('<actions><jumping>1</jumping></actions>', [CAT], 'whose parts or actions are not learned'),
        ('<deleted>1</deleted>', [], 'left out, deleted in the tool that wrote them (a.xml: object[1])'),
    ],
)
def test_parts_of_objects(tmp_path, more, objects, line):
    files = {'a.png': None, 'a.xml': xml([CAT], more=more), 'b.png': None, 'b.xml': xml([DOG])}
    coco = read(tmp_path, files)
    assert boxes(coco) == {'a.png': objects, 'b.png': [DOG]}
    assert line in '\n'.join(said(coco)) and bool(line) == bool(said(coco))


def test_difficult_objects_are_ignored_and_not_lost(tmp_path):
    text = xml([CAT, DOG]).replace('<difficult>0', '<difficult>1', 1)
    coco = read(tmp_path, {'a.png': None, 'a.xml': text})
    assert boxes(coco)['a.png'] == [(None, CAT[1]), DOG]
    assert (coco.total, coco.lost) == (2, 0)
    (line,) = said(coco)
    assert line.endswith(': 1 annotation ignored, with its area: marked as difficult (a.xml: object[1])')
    odd = read(tmp_path, {'a.xml': text.replace('<difficult>1', '<difficult>maybe')})
    assert boxes(odd)['a.png'] == [CAT, DOG] and 'neither 0 nor 1' in said(odd)[0]


@pytest.mark.parametrize(
    ('polygon', 'expected'),
    [
        ('<x1>4</x1><y1>4</y1><x2>14</x2><y2>4</y2><x3>14</x3><y3>12</y3>', [4, 4, 14, 4, 14, 12]),
        ('<pt><x>4</x><y>4</y></pt><pt><x>14</x><y>4</y></pt><pt><x>14</x><y>12</y></pt>', [4, 4, 14, 4, 14, 12]),
        ('<x1>4</x1><y1>4</y1><x2>14</x2><y2>no</y2><x3>14</x3><y3>12</y3>', None),
        ('<x1>4</x1><y1>4</y1><x2>1e12</x2><y2>4</y2><x3>14</x3><y3>12</y3>', None),
        ('<x1>4</x1><y1>4</y1><x2>14</x2>', None),
        ('', None),
    ],
)
def test_polygons(tmp_path, polygon, expected):
    text = xml([CAT], more=f'<polygon>{polygon}</polygon>')
    files = {'a.png': None, 'a.xml': text, 'b.png': None}
    coco = read(tmp_path, {**files, 'b.xml': xml([CAT])})
    (one,) = coco.annotations[coco.images[0]['id']]
    assert one['bbox'] == list(CAT[1])
    assert one.get('segmentation') == (expected and [expected])
    only_polygon = re.sub('<bndbox>.*?</bndbox>', '', text)
    if expected:
        assert boxes(read(tmp_path, {'a.xml': only_polygon}))['a.png'] == [CAT]
        assert VOC.has_masks(Source(tmp_path, tmp_path, 'voc'))


@pytest.mark.parametrize(
    ('files', 'line', 'objects'),
    [
        (
            {'a.xml': xml([CAT, DOG], filename='other.png')},
            '1 XML file taken for the image of its own name, not of',
            3,
        ),
        ({'a.xml': xml([CAT, DOG], filename='C:\\x\\a.jpg')}, '', 3),
        ({'a.xml': xml([CAT], size=(0, 0))}, '1 image fixed: with no size, which is read from the image (a.png)', 2),
        ({'a.xml': xml([CAT], size=(20, 40))}, '1 image fixed: with another size than its image', 2),
        ({'a.xml': xml([CAT]).replace('<size>', '<x>').replace('</size>', '</x>')}, 'with no size', 2),
        ({'a.xml': xml([])}, '', 1),
        ({'a.xml': xml([CAT, CAT])}, '1 object left out, a copy of another object of its image (a.xml: object[2])', 2),
        ({'c.png': None}, '1 image without an XML file, left out (c.png)', 3),
        ({'c.xml': xml([DOG])}, '1 XML file without an image, left out (c.xml)', 3),
        ({'c.xml': xml([DOG], filename='d.png'), 'd.png': None}, '1 XML file without an image of its name', 4),
        ({'c.xml': xml([DOG], filename='d'), 'd.png': None}, 'which is found by filename (c.xml)', 4),
        ({'a.jpg': None}, '1 image without an XML file, left out (a.jpg)', 3),
    ],
)
def test_what_is_said(tmp_path, files, line, objects):
    coco = read(tmp_path, {**SMALL, **files})
    assert line in '\n'.join(said(coco)) and bool(line) == bool(said(coco))
    assert sum(map(len, boxes(coco).values())) == coco.total == objects


@pytest.mark.parametrize(
    ('old', 'new', 'reason'),
    [
        ('<xmin>4</xmin>', '', 'ignored, the whole image: not one xmin in its bndbox'),
        ('<xmin>4</xmin>', '<xmin>four</xmin>', 'ignored, the whole image: xmin is not a number'),
        ('<xmin>4</xmin>', '<xmin>nan</xmin>', 'xmin is not a number'),
        ('<xmin>4</xmin>', '<xmin>30</xmin>', 'ignored, with its area: xmin and xmax exchanged'),
        ('<xmin>4</xmin>', '<xmin>14</xmin>', 'dropped: box of zero area'),
        ('<xmin>4</xmin>', '<xmin>4</xmin><xmin>5</xmin>', 'not one xmin in its bndbox'),
        ('</bndbox>', '</bndbox><bndbox/>', 'several boxes (bndbox) in an object'),
        ('bndbox', 'robndbox', 'a rotated box (robndbox), which is not read'),
        ('bndbox', 'box', 'no box (bndbox)'),
    ],
)
def test_unusable_boxes_are_ignored_and_counted(tmp_path, old, new, reason):
    text = xml([CAT])
    assert old in text
    coco = read(tmp_path, {**SMALL, 'a.xml': text.replace(old, new)})
    assert (coco.total, coco.lost) == (2, 1)
    assert any(reason in line and 'a.xml: object[1]' in line for line in said(coco))


@pytest.mark.parametrize('orientation', [1, 6])
def test_turned_images(tmp_path, orientation):
    """Boxes are of the image as its size says: as stored or upright; else upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_files(tmp_path, SMALL)
    Image.new('RGB', (40, 20)).save(tmp_path / 'a.png', exif=exif)
    upright = (20, 40) if orientation == 1 else (40, 20)
    for size, expected in {(40, 20): (20, 40), (0, 0): upright, (7, 7): upright}.items():
        (tmp_path / 'a.xml').write_text(xml([CAT], size=size))
        image = read_coco(Source(tmp_path, tmp_path, 'voc')).images[0]
        assert (image['height'], image['width']) == expected
    if orientation == 6:
        (tmp_path / 'a.xml').write_text(xml([CAT], size=(20, 40)))
        coco = read_coco(Source(tmp_path, tmp_path, 'voc'))
        assert (coco.images[0]['height'], said(coco)) == (40, [])


@pytest.mark.parametrize(
    ('files', 'classes'),
    [
        ({}, ('cat', 'dog')),
        ({'classes.txt': 'dog\ncat\nbird\n'}, ('dog', 'cat', 'bird')),
        ({'labels.txt': 'dog\r\ncat'}, ('dog', 'cat')),
        ({'labelmap.txt': '# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:1,2,3::\ncat:::'}, ('dog', 'cat')),
        ({'label_map.pbtxt': 'item {\n id: 2\n name: \'cat\'\n}\nitem { name: "dog" id: 1 }'}, ('dog', 'cat')),
    ],
)
def test_classes(tmp_path, files, classes):
    assert read(tmp_path, {**SMALL, **files}).classes == classes
    assert [one['name'] for one in VOC.read_categories(Source(tmp_path, tmp_path, 'voc'))] == list(classes)


def test_classes_of_all_splits_count(tmp_path):
    files = {'train/a.png': None, 'train/a.xml': xml([DOG]), 'test/b.png': None, 'test/b.xml': xml([CAT])}
    assert read(tmp_path, files).classes == ('cat', 'dog')


LISTED = {
    'JPEGImages/a.png': None, 'Annotations/a.xml': xml([CAT]),
    'JPEGImages/b.png': None, 'Annotations/b.xml': xml([DOG]),
    'ImageSets/Main/trainval.txt': 'a\n', 'ImageSets/Main/test.txt': 'b\r\n', 'ImageSets/Main/dog_train.txt': 'b 1\n',
}  # fmt: skip


@pytest.mark.parametrize(
    ('files', 'splits'),
    [
        ({}, {'train': ['a'], 'val': ['b']}),
        ({'ImageSets/Main/train.txt': 'b', 'ImageSets/Main/val.txt': 'a.png'}, {'train': ['b'], 'val': ['a']}),
        ({'ImageSets/Main/train.txt': 'JPEGImages/b.png\na -1\n'}, {'train': ['a', 'b'], 'val': ['b']}),
    ],
)
def test_lists(tmp_path, files, splits):
    sources = find_sources(str(write_files(tmp_path, {**LISTED, **files})))
    found = {split: [name[11] for name in boxes(read_coco(source))] for split, source in sources.items()}
    assert found == splits


# -- what is refused

OBJECT = '<annotation><object><name>&b;</name></object></annotation>'
BOMB = f'<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>{OBJECT}'
STEALING = f'<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>{OBJECT}'


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({'a.xml': BOMB}, r'a.xml defines a document type or entities'),
        ({'a.xml': STEALING}, r'a.xml defines a document type or entities'),
        ({'a.xml': xml([CAT])[:-20]}, r'a.xml is not XML \(unclosed token: line 1'),
        ({'a.xml': b'\x89PNG\0\0'}, r'a.xml is not XML'),
        ({'a.xml': ''}, r'a.xml is not XML'),
        (
            {'a.xml': xml([CAT]).replace('</name>', '</name><object/>')},
            r'a.xml has an <object> that is not directly in',
        ),
        ({'a.xml': '<annotations/>'}, r"a.xml is not in Pascal VOC's format: its root is <annotations>"),
        ({'a.xml': xml([CAT, ('', CAT[1])])}, r'a.xml: object\[2\] has no name'),
        ({'classes.txt': 'cat'}, r"a.xml: object\[2\] is of the class 'dog', which .*classes.txt does not have"),
        ({'classes.txt': 'cat\ndog', 'labels.txt': 'dog\ncat'}, r'has the class names in .* and in .*: remove one'),
        ({'classes.txt': 'cat\ndog\ncat'}, r'classes.txt has a class twice'),
        ({'label_map.pbtxt': 'item { id: 1 }'}, r'label_map.pbtxt has no classes that can be read'),
        ({'c.xml': xml([CAT]), 'c.jpg': None, 'c.png': None}, r'1 XML file may be .*c.xml of c.jpg or c.png'),
        ({'a.png': b'no image'}, r'1 image that cannot be opened.*a.png: no known image format'),
        ({'a.xml': xml([]), 'b.xml': xml([])}, r'has no objects: draw boxes or polygons'),
    ],
)
def test_what_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, {**SMALL, **files})
    assert '\n' not in str(error.value) and 'root:' not in str(error.value)


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        (
            {'ImageSets/Main/trainval.txt': 'a\nc'},
            r'trainval.txt: 1 image of 2 without an XML file in .*Annotations \(c\)',
        ),
        ({'ImageSets/Main/trainval.txt': 'c', 'Annotations/c.xml': xml([CAT])}, r'1 image not in .*JPEGImages'),
        ({'ImageSets/Main/trainval.txt': '\n'}, r'trainval.txt is empty'),
        ({'ImageSets/Main/val.txt': 'b'}, r'has trainval.txt and val.txt: write train.txt'),
    ],
)
def test_lists_that_are_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, {**LISTED, **files})


def test_several_years_are_asked_for(tmp_path):
    files = {f'VOCdevkit/VOC{year}/{name}': content for year in (2007, 2012) for name, content in LISTED.items()}
    with pytest.raises(UserError, match=r'holds VOC2007, VOC2012: give one of them, such as --data .*VOC2012'):
        find_sources(str(write_files(tmp_path, files)))
    assert find_sources(str(tmp_path / 'VOCdevkit/VOC2007')).keys() == {'train', 'val'}


def test_images_without_xml_are_for_prediction(tmp_path):
    write_files(tmp_path, {**SMALL, 'c.png': None})
    source = find_sources(str(tmp_path))['val']
    assert len(read_coco(source).images) == 2
    assert len(read_coco(source, needs_annotations=False).images) == 3


# -- whose data these are


@pytest.mark.parametrize(
    'files',
    [
        {'annotations/instances_train2017.json': '{}', 'train2017/1.jpg': None},
        {'train/cat/1.jpg': None, 'train/dog/2.jpg': None, 'val/cat/3.jpg': None},
        {'images/train/1.jpg': None, 'annotations/train/1.png': None},
        {
            'images/train/1.jpg': None,
            'labels/train/1.txt': '0 .5 .5 .1 .1',
            'data.yaml': 'names: [cat]\ntrain: images',
        },
        {'1.jpg': None, '1.json': '{}'},
        {'images/1.jpg': None, 'annotations.xml': '<annotations><version>1.1</version></annotations>'},
        {'JPEGImages/1.jpg': None, 'SegmentationClass/1.png': None, 'ImageSets/Segmentation/train.txt': '1'},
        {'.idea/workspace.xml': '<project/>', 'pom.xml': '<project/>'},
    ],
)
def test_data_of_others_are_not_voc(tmp_path, files):
    assert VOC.find(write_files(tmp_path, files)) is None
    assert VOC.find(tmp_path / 'none') is None


# -- any file


@st.composite
def mutations(draw):
    """XML with some parts or bytes changed."""
    text = xml(draw(st.lists(st.sampled_from([CAT, DOG, ('fox', (0, 0, 40, 20))]), max_size=4)), filename='a.png')
    parts = re.split('(?=<)', text)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(parts) - 1))
        match draw(st.sampled_from(['drop', 'double', 'value', 'swap'])):
            case 'drop':
                parts[place] = ''
            case 'double':
                parts[place] *= 2
            case 'value':
                new = draw(st.sampled_from(['nan', '-7', '1e400', '', 'x', '3.5', '&lt;', '0', '99999999999']))
                parts[place] = f'{parts[place].partition(">")[0]}>{new}'
            case 'swap':
                other = draw(st.integers(0, len(parts) - 1))
                parts[place], parts[other] = parts[other], parts[place]
    content = ''.join(parts).encode()
    for _ in range(draw(st.integers(0, 1))):
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.sampled_from([b'\xff', b'\0', b'<', b'>', b'&'])) + content[place + 1 :]
    return content


def check_any_file(folder, content):
    (folder / 'a.xml').write_bytes(content)
    written = 1 + len(re.findall(rb'<object>', content))
    try:
        coco = read_coco(Source(folder, folder, 'voc'))
    except UserError as error:
        assert '\n' not in str(error) and len(str(error)) < 1000
        return
    left_out = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('left out'))
    dropped = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('dropped'))
    assert sum(map(len, coco.annotations.values())) + dropped == coco.total
    assert coco.total + left_out == written


def fuzz(folder, examples):
    write_files(folder, SMALL)
    check_each(mutations(), lambda content: check_any_file(folder, content), examples)


def test_any_file_is_read_or_refused(tmp_path):
    fuzz(tmp_path, FEW)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_any_of_many_files_is_read_or_refused(tmp_path):
    fuzz(tmp_path, MANY)
