"""YOLO data sets in the layouts of Ultralytics, Darknet, Roboflow, CVAT, Label Studio and LabelImg."""

import re
import shutil

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.yolo import YoloFormat
from convnext_dense.errors import UserError
from tests.helpers import drawn_voc
from tests.helpers.fuzzing import FEW, MANY, check_each
from tests.helpers.layouts import touch
from tests.helpers.read_source import said
from tests.helpers.read_source import write_and_read as read
from tests.helpers.small_files import write_files
from tests.helpers.small_yolo import BOX, CONFIG, IMAGES, SMALL

YOLO = YoloFormat()
LISTED = CONFIG.replace('images/train', 't.txt')
ELSEWHERE = 'path: d\n' + CONFIG.replace('images/train', '/x/images/train')


# -- what is read


def boxes(coco):
    """All annotations as (class, box, has a mask, is ignored), by the name of their image."""
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    return {
        image['file_name']: [
            (names[a['category_id']], a['bbox'], 'segmentation' in a, bool(a['iscrowd']))
            for a in coco.annotations[image['id']]
        ]
        for image in coco.images
    }


@pytest.mark.parametrize(
    ('label', 'expected'),
    [
        (BOX, [('cat', [16, 6, 8, 8], False, False)]),
        ('1.0 0.5 0.5 1 1', [('dog', [0, 0, 40, 20], False, False)]),
        (
            '\ufeff0 .5 .5 2e-1 4E-1\r\n\r\n1\t0.5  0.5 1 1 \r',
            [('cat', [16, 6, 8, 8], False, False), ('dog', [0, 0, 40, 20], False, False)],
        ),
        ('0 0 0 0.5 0 0.5 1', [('cat', [0, 0, 20, 20], True, False)]),
        (
            '0 0 0 0.5 0 0.5 1\n1 0.5 0.5 1 1',
            [('cat', [0, 0, 20, 20], True, False), ('dog', [0, 0, 40, 20], False, False)],
        ),
        ('0 0.1 0.1 0.3 0.1 0.3 0.5 0.1 0.5', [('cat', [4, 2, 8, 8], True, False)]),
        ('0 0.5 0.5 1.0000005 1', [('cat', [-0.00001, 0, 40.00002, 20], False, False)]),
        ('0 0.0 0.5 0.5 1', [('cat', [0, 0, 10, 20], False, False)]),  # clipped
    ],
)
def test_lines(tmp_path, label, expected):
    found = boxes(read(tmp_path, {**SMALL, 'labels/train/a.txt': label}))['images/train/a.png']
    assert [(n, m, i) for n, _, m, i in found] == [(n, m, i) for n, _, m, i in expected]
    for (_, box, *_), (_, other, *_) in zip(found, expected, strict=True):
        assert box == pytest.approx(other)


def test_upright_images(tmp_path):
    write_files(tmp_path, SMALL)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new('RGB', (40, 20)).save(tmp_path / 'images/train/a.png', exif=exif)
    coco = read_coco(find_sources(str(tmp_path))['train'])
    assert [(i['height'], i['width']) for i in coco.images] == [(40, 20), (20, 40)]
    assert boxes(coco)['images/train/a.png'] == [('cat', [8, 12, 4, 16], False, False)]


@pytest.mark.parametrize('name', ['yolo', 'voc'])
def test_images_that_are_turned_by_half(tmp_path, name):
    """Tools of both formats show the upright image, whose size is that of the stored one."""
    write_files(
        tmp_path, {'a.png': None, 'a.txt': BOX, 'classes.txt': 'cat', 'a.xml': drawn_voc.xml([('cat', (4, 4, 9, 9))])}
    )
    exif = Image.Exif()
    exif[0x0112] = 3
    image = Image.new('RGB', (40, 20))
    image.putpixel((0, 0), (0, 0, 255))
    image.save(tmp_path / 'a.png', exif=exif)
    dataset = CocoDataset(str(tmp_path), str(tmp_path), [dict(type='convnext_dense.LoadImage')], format=name)
    assert np.argwhere(dataset[0]['img']).tolist() == [[19, 39, 0]]


@pytest.mark.parametrize(
    ('names', 'classes'),
    [
        ('[no, 1.0, 007]', {0: 'no', 1: '1.0', 2: '007'}),
        ('{3: cat, "1": dog}', {1: 'dog', 3: 'cat'}),
        ('{0: cat, 1: dog}\nnc: 2', {0: 'cat', 1: 'dog'}),
        ('{0: cat, 4: dog}\nnc: 5', {0: 'cat', 4: 'dog'}),
        ('my.names', {0: 'bird', 1: 'fish'}),
        ('\nnc: 2', {0: 'class_0', 1: 'class_1'}),
    ],
)
def test_names(tmp_path, names, classes):
    files = {'data.yaml': f'train: images\nnames: {names}\n', 'sub/my.names': 'no', 'images/a.png': None}
    write_files(tmp_path, {**files, **({'my.names': 'bird\nfish\n'} if names == 'my.names' else {})})
    source = YOLO.find(tmp_path)['train']
    assert {one['id']: one['name'] for one in YOLO.read_categories(source)} == classes


POSE = 'names: [cat]\nkpt_shape: [2, 3]\ntrain: images/train\nval: images/val\n'


@pytest.mark.parametrize(
    ('files', 'line', 'objects'),
    [
        ({'labels/train/a.txt': 2 * BOX}, '1 line left out, a copy of another line of its file (labels/train/a', 2),
        ({'labels/train/a.txt': '0 .5 .5 .2 .4 \n0 0.50 0.5 0.2 0.4'}, '1 line left out, a copy', 2),
        ({'labels/train/b.txt': ''}, '', 1),
        ({'labels/train/b.txt': '\n \n'}, '', 1),
        ({'images/train/x.png': None}, '1 image without a label file, so without objects (images/train/x.png)', 2),
        ({'labels/train/x.txt': BOX}, '1 label file without an image, left out (labels/train/x.txt)', 2),
        ({'images/train/a.jpg': None}, 'with the labels of another one, of the same name with another suffix', 3),
        ({'data.yaml': CONFIG.replace('images/train', '[images/train, images]')}, '2 images fixed: listed several', 3),
        ({'data.yaml': CONFIG.replace('images/train', '/x/y/images/train')}, '/x/y/images/train, which is', 2),
        ({'data.yaml': LISTED, 't.txt': 'images/train/a.png\n/m/images/train/b.png'},
         '1 image fixed: path in a list file is of another place, or written in another way (/m/images', 2),
        ({'data.yaml': POSE, 'labels/train/a.txt': '0 .5 .5 .2 .4 .1 .1 2 .2 .2 2'},
         '1 line used as a box, without its keypoints (labels/train/a.txt:1)', 2),
    ],
)  # fmt: skip
def test_what_is_said(tmp_path, files, line, objects):
    coco = read(tmp_path, {**SMALL, **files})
    assert line in '\n'.join(said(coco))
    assert sum(len(of_image) for of_image in coco.annotations.values()) == objects
    if not line:
        assert not said(coco)


@pytest.mark.parametrize(
    ('label', 'reason'),
    [
        ('0 0.5 0.5 0.2 0.4 0.9', 'ignored, with its area: six numbers, a box with a score'),
        ('0 0.5 0.5 0.2', 'ignored, the whole image: fewer numbers than the five of a box'),
        ('0', 'fewer numbers than the five of a box'),
        ('0 0 0 0.5 0 0.5 1 0.9', 'ignored, the whole image: a polygon with an odd number of coordinates'),
        ('0 nan 0.5 0.2 0.4', 'ignored, the whole image: box with NaN or infinity'),
        ('0 0 0 0.5 inf 0.5 1', 'a polygon with NaN, or far outside the image'),
        ('0 0 0 0.5 1e15 0.5 1', 'a polygon with NaN, or far outside the image'),
        ('0 0.5 x 0.2 0.4', 'text rather than a number'),
        ('0 0,5 0,5 0,2 0,4', 'commas between the numbers'),
        ('0 0.5 0.5 0.2 1_0', 'text rather than a number'),
        ('0 0.5 0.5 0 0.4', 'dropped: box of zero area'),
        ('0 0.5 0.5 -0.2 0.4', 'ignored, with its area: box of negative size'),
        ('0 2.5 0.5 0.2 0.4', 'dropped: box outside its image'),
        ('0 300 200 20 40', 'dropped: box outside its image'),
    ],
)
def test_unusable_lines_are_ignored_and_counted(tmp_path, label, reason):
    coco = read(tmp_path, {**SMALL, 'labels/train/a.txt': f'{label}\n{BOX}'})
    assert (coco.total, coco.lost) == (3, 1)
    assert any(reason in line and 'labels/train/a.txt:1' in line for line in said(coco))
    used = [a for of_image in coco.annotations.values() for a in of_image if not a['iscrowd']]
    assert [a['bbox'] for a in used] == [pytest.approx([16, 6, 8, 8])] * 2


# -- what is refused

LEVELS = ''.join(
    f'{one}: &{one} [{", ".join([f"*{other}"] * 10)}]\n' for other, one in zip('abcdefgh', 'bcdefghi', strict=True)
)
BOMB = f'train: images/train\nval: images/val\nnc: 1\na: &a [{"x, " * 9}x]\n{LEVELS}names: NAMES\n'
"""A config of a few lines whose values have a billion items."""


def named(names):
    return CONFIG.replace('[cat, dog]', names)


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({'labels/train/a.txt': '2 .5 .5 .2 .4'}, r'labels/train/a.txt:1 has the class 2, and .*the classes 0 to 1'),
        ({'labels/train/a.txt': BOX + '-1 .5 .5 .2 .4\n9 .1 .1 .1 .1'}, r'a.txt:2 has the class -1, .*1 other'),
        ({'labels/train/a.txt': '0.5 .5 .5 .2 .4'}, r'a.txt:1 has 0.5 for the id of a class, which is not an integer'),
        ({'labels/train/a.txt': 'cat .5 .5 .2 .4'}, r'a.txt:1 has cat for the id of a class'),
        ({'labels/train/a.txt': 'nan .5 .5 .2 .4'}, r'a.txt:1 has nan for the id'),
        ({'labels/train/a.txt': '0,.5,.5,.2,.4'}, r'a.txt:1 has commas between its numbers: write spaces'),
        ({'labels/train/a.txt': b'0 .5\0'}, r'a.txt is not text'),
        ({'labels/train/a.txt': b'0 .5 .5 .2 .4 \xff\xfe'}, r'a.txt is not text in UTF-8'),
        ({'labels/train/a.txt': '0 20 10 8 8', 'labels/train/b.txt': '0 21 10 8 8'}, r'2 of 2 labels are in pixels'),
        ({'labels/train/a.txt': '0 .6 .6 .9 .9', 'labels/train/b.txt': '1 .1 .2 .3 .4'}, r'probably corners x1 y1 x2'),
        ({'labels/train/a.txt': '0 0 0 .9 .3', 'labels/train/b.txt': '1 0 0 .3 .9'}, r'or x y width height of'),
        ({'labels/train/a.txt': '', 'labels/train/b.txt': ''}, r'has no objects: all 2 label files are empty'),
        ({'data.yaml': CONFIG + 'nc: 3\n'}, r'data.yaml: nc is 3, and there are 2 names'),
        ({'data.yaml': CONFIG + 'nc: two\n'}, r"nc is 'two'"),
        ({'data.yaml': named('[cat, [dog]]')}, r"class 1 has the name \['dog'\]"),
        ({'data.yaml': named('[cat, ""]')}, r"class 1 has the name ''"),
        ({'data.yaml': named('{a: cat}')}, r"names has the key 'a'"),
        ({'data.yaml': named('{0: cat, 0: dog}')}, r'0 is given twice'),
        ({'data.yaml': named('{0: cat, 0.0: dog}')}, r'names has the id 0 twice'),
        ({'data.yaml': named('cat, dog')}, r"names is 'cat, dog'"),
        ({'data.yaml': named('!!python/object/apply:os.system ["true"]')}, r'YAML.*constructor'),
        ({'data.yaml': named('&n [cat, dog]')}, r'data.yaml:1 is not plain YAML \(&n, by which a value is used in'),
        ({'data.yaml': 'train: images/train\nval: &v images/val\ntest: *v\nnc: 2'}, r'data.yaml:2 .*&v, by which'),
        ({'data.yaml': BOMB.replace('NAMES', '[*i]')}, r'data.yaml:4 is not plain YAML \(&a'),
        ({'data.yaml': BOMB.replace('NAMES', '[cat]').replace('nc: 1\n', '') + 'nc: *i'}, r'data.yaml:3 .*\(&a'),
        ({'data.yaml': named('[' * 40 + ']' * 40)}, r'class 0 has the name \[.{0,60}: write text'),
        ({'data.yaml': CONFIG + 'nc: [' + '1, ' * 9999 + ']'}, r'nc is \[.{9,60}: write the number of classes'),
        ({'data.yaml': named('x' * 99999)}, r"names is 'x.{9,60}: write a list"),
        ({'data.yaml': named('{' + 'x' * 999 + ': cat}')}, r"the key 'x.{9,60}: write the ids"),
        ({'data.yaml': CONFIG + 'x: [\n'}, r'data.yaml:\d is not plain YAML'),
        ({'data.yaml': CONFIG.encode() + b'\xff'}, r'data.yaml is not text in UTF-8'),
        ({'data.yaml': CONFIG.replace('images/train', 'x' * 999)}, r'train is x{999}, which is not in'),
        ({'data.yaml': CONFIG + f'path: {"x" * 999}', 'images/train/a.png': b''}, r'a.png: it has zero bytes'),
        ({'data.yaml': CONFIG.replace('images/train', 'images/none')}, r'train is images/none, which is not in'),
        ({'data.yaml': ELSEWHERE, 'd/images/train/a.png': None}, r'/x/images/train is not there, and may be .*/d/im'),
        ({'data.yaml': CONFIG + 'valid: images/train\n'}, r'val and valid are both for validation'),
        ({'data.yaml': CONFIG.replace('images/train', '{a: b}')}, r'train must be text'),
        ({'data.yaml': CONFIG + 'kpt_shape: 17\n'}, r'kpt_shape must be two numbers'),
        ({'a.yaml': CONFIG}, r'holds 2 YOLO configs \(a.yaml, data.yaml\): give one, such as --data'),
        ({'classes.txt': 'dog\ncat\n'}, r'class 0 is cat in .*data.yaml and dog in .*classes.txt'),
        ({'labels/train/classes.txt': 'dog'}, r'class 0 is cat in .*data.yaml and dog in .*labels/train/classes.txt'),
        ({'data.yaml': '', 'classes.txt': 'cat\n\ndog\n'}, r'classes.txt:2 is empty'),
        ({'data.yaml': ''}, r'has YOLO labels, and no names of their classes: write them to classes.txt'),
        ({'data.yaml': LISTED, 't.txt': 't.txt\n'}, r't.txt:1 .*another list file'),
        ({'data.yaml': LISTED, 't.txt': '\nimages/train'}, r't.txt:2 has .*no image'),
        ({'data.yaml': LISTED, 't.txt': 'x/no.png'}, r'1 image of 1 not in .*t.txt:1 x/no.png'),
        ({'data.yaml': LISTED, 't.txt': '/a/1.png\n/b/1.png', '1.png': None}, r'2 images of 2 not'),
        ({'data.yaml': LISTED, 't.txt': ''}, r'no images in .*t.txt'),
        ({'images/train/a.png': b'no image'}, r'1 image that cannot be opened.*a.png: no known image'),
        ({'images/train/a.txt': '1 .5 .5 .2 .4'}, r'a.png has different labels in .* and in .*images/'),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path, {**SMALL, **files})
    assert '\n' not in str(error.value)


def test_labels_elsewhere(tmp_path):
    write_files(tmp_path, {'data.yaml': CONFIG, **IMAGES, 'my_labels/train/a.txt': BOX})
    searched = f'in {tmp_path}/images/train: put the labels there'
    with pytest.raises(
        UserError, match=re.escape(f'none of 2 images of {tmp_path}/data.yaml has a label file')
    ) as error:
        read_coco(find_sources(str(tmp_path))['train'])
    assert str(error.value).endswith(searched)
    images = read_coco(find_sources(str(tmp_path))['train'], needs_annotations=False).images
    assert [image['file_name'] for image in images] == ['images/train/a.png', 'images/train/b.png']


def test_an_image_folder_of_the_folder_around_is_not_guessed(tmp_path):
    files = {
        'data.yaml': 'names: [cat]\ntrain: ../train/images\n',
        'train/images/a.png': None,
        'train/labels/a.txt': BOX,
    }
    write_files(tmp_path / 'set', files)
    assert len(boxes(read_coco(find_sources(str(tmp_path / 'set'))['train']))) == 1
    write_files(tmp_path, {'train/images/b.png': None})
    with pytest.raises(UserError, match=r'\.\./train/images may be .* or .*: write which'):
        find_sources(str(tmp_path / 'set'))


def test_links_in_a_circle(tmp_path):
    write_files(tmp_path, SMALL)
    (tmp_path / 'images/train/again').symlink_to(tmp_path / 'images')
    assert len(boxes(read_coco(find_sources(str(tmp_path))['train']))) == 2


def test_the_files_of_a_split_are_those_that_tell_its_objects(tmp_path):
    other = {'notes.txt': 'x', 'my.names': 'cat\ndog', 't.txt': 'images/train/a.png'}
    write_files(tmp_path, {**SMALL, **other, 'data.yaml': LISTED})
    files = [str(file)[len(str(tmp_path)) + 1 :] for file, _ in YOLO.files(find_sources(str(tmp_path))['train'])]
    assert files == ['data.yaml', 'my.names', 't.txt', 'images/train/a.png', 'labels/train/a.txt']


# -- whose data these are


@pytest.mark.parametrize(
    'files',
    [
        {'annotations/instances_train2017.json': '{}', 'train2017/1.jpg': None},
        {'train/_annotations.coco.json': '{}', 'train/1.jpg': None, 'README.dataset.txt': '1 2 3 4 5'},
        {'train/cat/1.jpg': None, 'train/dog/2.jpg': None, 'val/cat/3.jpg': None},
        {'images/train/1.jpg': None, 'annotations/train/1.png': None, 'train.txt': 'images/train/1.jpg'},
        {'images/1.jpg': None, 'labels/1.png': None, 'classes.txt': 'cat'},
        {'1.jpg': None, '1.json': '{}', 'labels.txt': 'cat'},
        {'1.jpg': None, '1.txt': 'a caption of the image'},
        {'image_2/1.png': None, 'label_2/1.txt': 'Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64'},
        {'images/1.png': None, 'labels/1.txt': '12,30,40,50,cat'},
        {'images/1.png': None, 'labels/1.txt': '10 10 20 10 20 20 10 20 plane 0'},
        {'JPEGImages/1.jpg': None, 'Annotations/1.xml': '<annotation/>', 'ImageSets/Main/train.txt': '1'},
        {'hyp.yaml': 'lr0: 0.01\ntrain: yes\n', 'a.jpg': None},
        {'x.data': b'\0\1\2names = 1'},
    ],
)
def test_data_of_others_are_not_yolo(tmp_path, files):
    assert YOLO.find(write_files(tmp_path, files)) is None


def test_other_paths_are_not_yolo(tmp_path):
    touch(tmp_path, 'a.json', 'empty/')
    assert [YOLO.find(tmp_path / name) for name in ('a.json', 'empty', 'none')] == [None] * 3


def test_labels_in_two_formats_are_asked_for(tmp_path):
    xml = '<annotation><object><name>cat</name></object></annotation>'
    write_files(tmp_path, {'a.png': None, 'a.txt': BOX, 'a.xml': xml, 'classes.txt': 'cat'})
    with pytest.raises(UserError, match='say which with --data-format yolo or --data-format voc'):
        find_sources(str(tmp_path))
    assert find_sources(str(tmp_path), name='yolo')['val'].format == 'yolo'


# -- any file


LINES = [BOX, '1 0.1 0.1 0.3 0.1 0.3 0.5', '0 0.2 0.2 0.2 0.2', '1 0.25 0.5 0.5 1', '', '0 .5 .5 .3 .3 .9']
BYTES = [b'', b'\n', b'[', b'\xff', b'a', b'&a ', b'*a', b'&a [cat, dog]\n', b'<<: *a\n']
TOKENS = ['nan', '-1', '1e999', '7', 'x', '0.5', '', '0,1', '1_0', '\ufeff', '\0', '2', '1e308', '-0.2', '\n', '\r']


@st.composite
def mutations(draw):
    """Labels and a config with some bytes, numbers or lines changed, and the number of lines with an object."""
    lines = draw(st.lists(st.sampled_from(LINES), max_size=6))
    tokens = [line.split() for line in lines]
    for _ in range(draw(st.integers(0, 3))):
        filled = [of_line for of_line in tokens if of_line]
        if filled:
            of_line = draw(st.sampled_from(filled))
            of_line[draw(st.integers(0, len(of_line) - 1))] = draw(st.sampled_from(TOKENS))
    labels = '\n'.join(map(' '.join, tokens)).encode()
    config = CONFIG.encode()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(config)))
        config = config[:place] + draw(st.sampled_from(BYTES)) + config[place + 1 :]
    if draw(st.booleans()):
        config = CONFIG.encode()
    return labels, config


def check_any_file(folder, changed):
    labels, config = changed
    write_files(folder, {'labels/train/a.txt': labels, 'data.yaml': config})
    text = labels.decode(errors='replace').removeprefix('\ufeff')
    written = 1 + sum(bool(line.strip()) for line in re.split('\r\n|\n|\r', text))
    try:
        sources = YOLO.find(folder) or {}
        if 'train' not in sources:  # which every command calls an error
            return
        coco = read_coco(sources['train'])
    except UserError as error:
        assert '\n' not in str(error) and len(str(error)) < 1000
        return
    copies = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('left out'))
    assert coco.total + copies == written
    dropped = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('dropped'))
    assert sum(map(len, coco.annotations.values())) + dropped == coco.total


def fuzz(folder, examples):
    write_files(folder, {**SMALL, 'labels/train/a.txt': ''})
    check_each(mutations(), lambda content: check_any_file(folder, content), examples)


def test_any_file_is_read_or_refused(tmp_path):
    fuzz(tmp_path, FEW)


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_any_of_many_files_is_read_or_refused(tmp_path):
    fuzz(tmp_path, MANY)


@pytest.mark.parametrize(('missing', 'left'), [('train', 'val'), ('val', 'train')])
def test_a_split_that_is_absent_stops_only_what_reads_it(tmp_path, missing, left):
    write_files(tmp_path, SMALL)
    shutil.rmtree(tmp_path / 'images' / missing)
    sources = find_sources(str(tmp_path))
    assert read_coco(sources[left]).classes == ('cat', 'dog')
    assert [one['name'] for one in YOLO.read_categories(sources[missing])] == ['cat', 'dog']
    with pytest.raises(UserError, match=rf'data.yaml: {missing} is images/{missing}, which is not in .*: correct it'):
        read_coco(sources[missing])
