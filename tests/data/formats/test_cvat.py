"""XML files as CVAT writes them, by its documentation and its source."""

import itertools
import math
import shutil
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.cvat import CvatFormat
from convnext_dense.errors import UserError
from tests.data.formats.test_labelme import truth, write_image
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, decode, write_coco
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.mutated_files import EXAMPLES, check_mutations

SIZE = (60, 80)  # height and width
LABELS = ('cat', 'dog')


def element(tag: str, **attributes) -> str:
    """An element of an object, on two lines as CVAT writes it."""
    attributes = {'label': 'cat', 'source': 'manual', 'occluded': '0', **attributes, 'z_order': '0'}
    inner = attributes.pop('inner', '')
    return f'    <{tag} {" ".join(f"{k}={quoteattr(str(v))}" for k, v in attributes.items())}>{inner}\n    </{tag}>'


def box(*numbers: float, **attributes) -> str:
    return element('box', **dict(zip(('xtl', 'ytl', 'xbr', 'ybr'), numbers, strict=True)), **attributes)


def polygon(*points: tuple, tag: str = 'polygon', **attributes) -> str:
    return element(tag, points=';'.join(f'{x:.2f},{y:.2f}' for x, y in points), **attributes)


def mask(pixels: np.ndarray, left: int, top: int, **attributes) -> str:
    """Runs of 0 and 1 row by row, zeros first."""
    lengths = [] if not pixels.flat[0] else [0]
    lengths += [len(list(run)) for _, run in itertools.groupby(pixels.ravel().tolist())]
    height, width = pixels.shape
    rle = ', '.join(map(str, lengths))
    return element('mask', rle=rle, left=left, top=top, width=width, height=height, **attributes)


def image(name: str, *objects: str, size: tuple | None = SIZE, **attributes) -> str:
    sides = {'width': size[1], 'height': size[0]} if size else {}
    text = ' '.join(f'{k}={quoteattr(str(v))}' for k, v in {'id': 0, 'name': name, **attributes, **sides}.items())
    return '\n'.join([f'  <image {text}>', *objects, '  </image>'])


def meta(labels: tuple = LABELS, kind: str = 'task', more: str = '') -> str:
    entries = ''.join(
        f'        <label>\n          <name>{one}</name>\n          <color>#c06060</color>\n'
        '          <type>any</type>\n          <attributes>\n          </attributes>\n        </label>\n'
        for one in labels
    )
    return (
        f'  <meta>\n    <{kind}>\n      <id>4</id>\n{more}      <labels>\n{entries}      </labels>\n    </{kind}>\n'
        '    <dumped>2024-01-01 00:00:00</dumped>\n  </meta>'
    )


def write(path: Path, *parts: str, head: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = '\n'.join([meta() if head is None else head, *parts])
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n{body}\n</annotations>\n'
    )
    return path


def write_one(root: Path, *objects: str, **keys) -> Path:
    """Write a file of one image, on line 26."""
    write_image(root / 'images/a.png')
    return write(root / 'annotations.xml', image('a.png', *objects), **keys)


def read(root: Path, split: str = 'val'):
    return read_coco(find_sources(str(root))[split])


def only(root: Path) -> dict:
    (annotations,) = read(root).annotations.values()
    (annotation,) = annotations
    return annotation


def lines(root: Path) -> list[str]:
    return [f'{fault.line} ({", ".join(map(str, fault.ids))})' for fault in read(root).faults]


def refusal(root: Path, split: str = 'val') -> str:
    with pytest.raises(UserError) as error:
        read(root, split)
    assert '\n' not in str(error.value)
    return str(error.value).replace(f'{root}/', '').replace(str(root), 'ROOT')


# The drawn sample


@pytest.mark.parametrize('form', ['polygons', 'boxes', 'masks'])
def test_the_drawn_sample(drawn, tmp_path, form):
    parts = []
    for split, subset in (('train', 'Train'), ('val', 'Validation')):
        folder = tmp_path / 'images' / subset
        folder.mkdir(parents=True)
        for scene in truth(drawn, split, form):
            shutil.copy(scene.file, folder)
            objects = []
            for number, one in enumerate(scene.objects, 1):
                x, y, w, h = one.box
                if form == 'boxes':
                    objects.append(box(x, y, x + w, y + h, label=one.name))
                elif isinstance(one.segmentation, dict):
                    rows, columns = np.flatnonzero(one.mask.any(1)), np.flatnonzero(one.mask.any(0))
                    crop = one.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                    objects.append(mask(crop, columns[0], rows[0], label=one.name))
                else:
                    group = {'group_id': number} if len(one.segmentation) > 1 else {}
                    for part in one.segmentation:
                        points = zip(part[::2], part[1::2], strict=True)
                        objects.append(polygon(*points, label=one.name, **group))
            size = (scene.height, scene.width)
            parts.append(image(scene.file.name, *objects, size=size, subset=subset, task_id=1))
    names = class_names(drawn)
    write(tmp_path / 'annotations.xml', *parts, head=meta(tuple(names), 'project'))
    sources = find_sources(str(tmp_path))
    for split, source in sources.items():
        check_equals_drawn(source, truth(drawn, split, form), masks=form != 'boxes')
        assert list(read_coco(source).classes) == names
    coco = write_coco(tmp_path / 'coco.json', truth(drawn, 'train', form), names, masks=form != 'boxes')
    check_trains_alike(sources['train'], Source(coco, drawn / 'coco/train2017'), masks=form != 'boxes')


def test_a_file_by_another_writer(drawn, tmp_path):
    """Boxes as labelformat writes them."""
    from labelformat.formats.cvat import CVATObjectDetectionOutput
    from labelformat.model.bounding_box import BoundingBox
    from labelformat.model.category import Category
    from labelformat.model.image import Image as ImageEntry
    from labelformat.model.object_detection import ImageObjectDetection, ObjectDetectionInput, SingleObjectDetection

    scenes, names = truth(drawn, 'train', 'boxes'), class_names(drawn)
    categories = [Category(number, name) for number, name in enumerate(names)]

    class Scenes(ObjectDetectionInput):
        def __init__(self):
            pass

        @staticmethod
        def add_cli_arguments(parser):
            pass

        def get_categories(self):
            return categories

        def get_images(self):
            return [label.image for label in self.get_labels()]

        def get_labels(self):
            for number, scene in enumerate(scenes):
                found = ImageEntry(number, scene.file.name, scene.width, scene.height)
                boxes = [(categories[names.index(o.name)], o.box) for o in scene.objects]
                objects = [
                    SingleObjectDetection(category, BoundingBox(x, y, x + w, y + h))
                    for category, (x, y, w, h) in boxes
                ]
                yield ImageObjectDetection(found, objects)

    CVATObjectDetectionOutput(tmp_path, 'task').save(Scenes())
    shutil.copytree(drawn / 'coco/train2017', tmp_path / 'images')
    check_equals_drawn(find_sources(str(tmp_path), 'train')['train'], scenes, masks=False)


# Shapes


@pytest.mark.parametrize(
    ('given', 'expected', 'area'),
    [
        (box(10, 20, 40, 50), [10, 20, 30, 30], None),
        (box(40, 50, 10, 20), [10, 20, 30, 30], None),
        (box(10, 20, 40, 50, rotation='0.00'), [10, 20, 30, 30], None),
        (box(10, 20, 40, 30, rotation='90.00'), [20, 10, 10, 30], 300),
        (box(10, 20, 30, 40, rotation='45.0'), [20 - 10 * 2**0.5, 30 - 10 * 2**0.5, 20 * 2**0.5, 20 * 2**0.5], 400),
        (polygon((10, 10), (50, 10), (50, 40)), [10, 10, 40, 30], 600),
        (element('ellipse', cx='40.00', cy='30.00', rx='20.00', ry='10.00'), [20, 20, 40, 20], math.pi * 200),
        (
            element('ellipse', cx='40.00', cy='30.00', rx='20.00', ry='10.00', rotation='90.00'),
            [30, 10, 20, 40],
            math.pi * 200,
        ),
    ],
)
def test_shapes(tmp_path, given, expected, area):
    write_one(tmp_path, given)
    annotation = only(tmp_path)
    np.testing.assert_allclose(annotation['bbox'], expected, atol=1e-9)
    assert ('segmentation' in annotation) == (area is not None)
    if area is not None:
        (corners,) = annotation['segmentation']
        xs, ys = np.array(corners[::2]), np.array(corners[1::2])
        assert abs(xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1)) / 2 == pytest.approx(area, abs=1e-6)


def test_a_rotation_is_clockwise(tmp_path):
    write_one(tmp_path, box(20, 20, 60, 40, rotation='30.00'))
    (corners,) = only(tmp_path)['segmentation']
    x, y = corners[2:4]  # the upper right corner moves down
    assert x == pytest.approx(40 + 20 * math.cos(math.pi / 6) + 10 * math.sin(math.pi / 6))
    assert y == pytest.approx(30 + 20 * math.sin(math.pi / 6) - 10 * math.cos(math.pi / 6))


def test_the_mask_of_cvats_documentation(tmp_path):
    runs = '3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, 9, 5, 7, 7, 5, 3'
    write_one(tmp_path, element('mask', rle=runs, left='7', top='8', width='13', height='15'))
    annotation = only(tmp_path)
    pixels = decode(annotation['segmentation'], *SIZE)
    crop = pixels[8:23, 7:20]
    assert pixels.sum() == crop.sum() == sum(int(run) for run in runs.split(', ')[1::2])
    assert crop[0].tolist() == [False] * 3 + [True] * 5 + [False] * 5
    assert crop[-1].tolist() == [False] * 5 + [True] * 5 + [False] * 3
    assert annotation['bbox'] == [7, 8, 13, 15]


def test_objects_of_a_group_and_a_label_are_one(tmp_path):
    """As in CVAT's export to COCO."""
    one, two = ((1, 1), (10, 1), (1, 10)), ((50, 5), (60, 5), (50, 9))
    other = polygon(*one, label='dog', group_id=3)
    write_one(tmp_path, polygon(*one, group_id=3), other, polygon(*two, group_id=3), polygon(*one))
    (annotations,) = read(tmp_path).annotations.values()
    assert [len(a['segmentation']) for a in annotations] == [2, 1, 1]
    assert annotations[0]['bbox'] == [1, 1, 59, 9]
    assert lines(tmp_path) == [
        '1 annotation joined with another one of the same label and group_id (annotations.xml:31)'
    ]


def test_crowds_have_the_attribute_of_cvats_export_to_coco(tmp_path):
    inner = '\n      <attribute name="is_crowd">{}</attribute>'
    write_one(
        tmp_path, *(box(n, 1, n + 9, 9, inner=inner.format(v)) for n, v in ((1, 'true'), (20, 'false'), (40, '1')))
    )
    (annotations,) = read(tmp_path).annotations.values()
    assert [a['iscrowd'] for a in annotations] == [1, 0, 1]


@pytest.mark.parametrize(
    ('given', 'tag'),
    [
        (polygon((1, 1), (5, 5), tag='polyline'), 'polyline'),
        (polygon((1, 1), tag='points'), 'points'),
        (element('tag'), 'tag'),
        (element('cuboid', xtl1='1', ytl1='1'), 'cuboid'),
        (element('skeleton', inner='<points label="1" points="1,1"></points>'), 'skeleton'),
    ],
)
def test_what_has_no_box_is_counted_and_left_out(tmp_path, given, tag):
    write_one(tmp_path, box(10, 20, 40, 50), given)
    expected = f'1 annotation left out: <{tag}>, which has neither box nor mask (annotations.xml:29)'
    assert lines(tmp_path) == [expected]
    assert only(tmp_path)['bbox'] == [10, 20, 30, 30]


@pytest.mark.parametrize(
    ('given', 'reason'),
    [
        (polygon((1, 1), (5, 5)), 'polygon of 2 points'),
        (element('polygon', points='1,1;2;3,3'), 'points that are not x,y;x,y and so on'),
        (element('polygon'), 'polygon of 0 points'),
        (element('polygon', points='1,1;2,nan;3,3'), 'points that are no finite number'),
        (element('box', xtl='1', ytl='1', xbr='9'), 'xtl, ytl, xbr, ybr that are no finite number'),
        (box(1, 1, 9, 9, rotation='a'), 'rotation that is no finite number'),
        (element('ellipse', cx='9', cy='9', rx='0', ry='3'), 'circle or ellipse without a radius'),
        (element('mask', rle='3, 3', left='0', top='0', width='3', height='3'), 'broken RLE'),
        (element('mask', rle='9', left='0', top='0', width='3', height='3'), 'mask without pixels'),
        (
            element('mask', rle='9', left='0', top='0', width='3000000', height='3000000'),
            'mask of 3000000 x 3000000 pixels',
        ),
        (
            element('mask', rle='0, 9', top='0', width='3', height='3'),
            'mask whose left, top, width or height is no integer',
        ),
    ],
)
def test_a_shape_that_cannot_be_read_is_counted_as_lost(tmp_path, given, reason):
    write_one(tmp_path, box(10, 20, 40, 50), given)
    coco = read(tmp_path)
    assert (coco.total, coco.lost) == (2, 1)
    assert lines(tmp_path) == [f'1 annotation ignored, the whole image: {reason} (annotations.xml:29)']


# Labels


@pytest.mark.parametrize('kind', ['task', 'project', 'job'])
def test_classes_are_the_labels_in_their_order(tmp_path, kind):
    head = meta(('zebra', 'cat', 'ant'), kind)
    write_one(tmp_path, box(1, 1, 9, 9), head=head)
    source = find_sources(str(tmp_path))['val']
    assert read_coco(source).classes == ('zebra', 'cat', 'ant')
    assert [c['name'] for c in CvatFormat().read_categories(source)] == ['zebra', 'cat', 'ant']


def test_labels_that_never_have_a_box_are_no_classes(tmp_path):
    head = meta(('cat', 'joint', 'day')).replace('<type>any</type>', '<type>rectangle</type>', 1)
    head = head.replace('<type>any</type>', '<type>points</type>\n          <parent>body</parent>', 1)
    head = head.replace('<type>any</type>', '<type>tag</type>', 1)
    write_one(tmp_path, box(1, 1, 9, 9), element('tag', label='day'), head=head)
    assert read(tmp_path).classes == ('cat',)


def test_without_labels_classes_are_those_that_occur(tmp_path):
    write_one(tmp_path, box(1, 1, 9, 9), box(1, 1, 9, 9, label='ant'), head='')
    source = find_sources(str(tmp_path))['val']
    assert read_coco(source).classes == ('ant', 'cat')
    assert [c['name'] for c in CvatFormat().read_categories(source)] == ['ant', 'cat']


def test_a_label_that_is_not_listed_is_refused(tmp_path):
    write_one(tmp_path, box(1, 1, 9, 9, label='ant'))
    expected = "annotations.xml:27 is of the class 'ant', which <meta> does not have: add it there, or correct it"
    assert refusal(tmp_path) == expected


def test_an_object_without_a_label_is_refused(tmp_path):
    write_one(tmp_path, box(1, 1, 9, 9, label=''))
    assert refusal(tmp_path) == 'annotations.xml:27: <box> has no label: give it one in CVAT'


def test_files_of_several_tasks_are_one_data_set(tmp_path):
    for task, name in (('task_1', 'a.png'), ('task_2', 'b.png')):
        write_image(tmp_path / task / 'images' / name)
        write(tmp_path / task / 'annotations.xml', image(name, box(1, 1, 9, 9)))
    assert sorted(i['file_name'] for i in read(tmp_path).images) == ['task_1/images/a.png', 'task_2/images/b.png']


def test_files_with_different_labels_are_refused(tmp_path):
    for task, labels in (('task_1', ('cat', 'dog')), ('task_2', ('cat', 'ant'))):
        write_image(tmp_path / task / 'images/a.png')
        write(tmp_path / task / 'annotations.xml', image('a.png', box(1, 1, 9, 9)), head=meta(labels))
    both = 'task_1/annotations.xml and task_2/annotations.xml'
    expected = f'{both} have different labels (ant, dog): give them the same in CVAT'
    assert refusal(tmp_path) == expected


# Splits and images


@pytest.mark.parametrize(('train', 'val'), [('Train', 'Validation'), ('train', 'val'), ('TRAINING', 'valid')])
def test_subsets_are_splits(tmp_path, train, val):
    for subset, name in ((train, 'a.png'), (val, 'b.png'), ('default', 'c.png')):
        write_image(tmp_path / 'images' / subset / name)
    parts = [image(n, box(1, 1, 9, 9), subset=s) for s, n in ((train, 'a.png'), (val, 'b.png'), ('default', 'c.png'))]
    path = write(tmp_path / 'annotations.xml', *parts)
    assert find_sources(str(tmp_path)) == {
        'train': Source(path, tmp_path, 'cvat', train),
        'val': Source(path, tmp_path, 'cvat', val),
    }
    coco = read(tmp_path, 'train')
    assert [i['file_name'] for i in coco.images] == [f'images/{train}/a.png']
    assert coco.name == train
    assert "1 image left out: of the subset 'default', which is no split (annotations.xml:34)" in lines(tmp_path)


def test_tasks_of_a_subset_each_are_splits(tmp_path):
    for task, subset in (('one', 'Train'), ('two', 'Test')):
        write_image(tmp_path / task / 'images/a.png')
        head = meta(more=f'      <subset>{subset}</subset>\n')
        write(tmp_path / task / 'annotations.xml', image('a.png', box(1, 1, 9, 9)), head=head)
    assert [i['file_name'] for i in read(tmp_path, 'train').images] == ['one/images/a.png']
    assert [i['file_name'] for i in read(tmp_path, 'val').images] == ['two/images/a.png']


def test_folders_are_splits(tmp_path):
    for split in ('train', 'valid'):
        write_image(tmp_path / split / 'images/a.png')
        write(tmp_path / split / 'annotations.xml', image('a.png', box(1, 1, 9, 9)))
    assert [i['file_name'] for i in read(tmp_path).images] == ['valid/images/a.png']


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('a.png', 'images/a.png'),
        ('a.png', 'a.png'),
        ('part/a.png', 'images/part/a.png'),
        ('part/a.png', 'a.png'),
        ('a.png', 'pictures/part/a.png'),
        ('C:\\cats\\a.png', 'images/a.png'),
    ],
)
def test_images_are_found(tmp_path, name, file):
    write_image(tmp_path / file)
    write(tmp_path / 'annotations.xml', image(name, box(1, 1, 9, 9)))
    assert [i['file_name'] for i in read(tmp_path).images] == [file]


def test_an_image_that_is_not_there_is_named(tmp_path):
    write_one(tmp_path, box(1, 1, 9, 9))
    (tmp_path / 'images/a.png').rename(tmp_path / 'images/b.png')
    expected = '1 image of 1 not found in ROOT, or in several places there (a.png of annotations.xml:26)'
    assert refusal(tmp_path).startswith(expected)


def test_an_image_without_objects_stays(tmp_path):
    write_image(tmp_path / 'images/a.png')
    write_image(tmp_path / 'images/b.png')
    write(tmp_path / 'annotations.xml', image('a.png', box(1, 1, 9, 9)), image('b.png'))
    assert [len(a) for a in read(tmp_path).annotations.values()] == [1, 0]


def test_a_single_file_is_given_by_name(tmp_path):
    path = write_one(tmp_path, box(1, 1, 9, 9))
    write(tmp_path / 'other.xml', image('gone.png'))
    assert find_sources(str(path)) == {'val': Source(path, tmp_path, 'cvat')}


# Videos


def track(label: str, *shapes: str, **attributes) -> str:
    keys = ' '.join(f'{k}={quoteattr(str(v))}' for k, v in attributes.items())
    return '\n'.join([f'  <track id="0" label="{label}" source="manual" {keys}>', *shapes, '  </track>'])


def in_frame(number: int, *numbers: float, outside: int = 0) -> str:
    return box(*numbers, frame=number, outside=outside, keyframe=0).replace('label="cat" ', '')


def write_video(root: Path, frames: tuple = (0, 1, 2)) -> Path:
    for number in frames:
        write_image(root / f'images/frame_{number:06d}.PNG')
    size = '      <original_size>\n        <width>80</width>\n        <height>60</height>\n      </original_size>\n'
    boxes = [in_frame(0, 1, 1, 9, 9), in_frame(1, 2, 1, 10, 9), in_frame(2, 3, 1, 11, 9, outside=1)]
    tracks = [track('cat', *boxes), track('dog', in_frame(1, 30, 30, 50, 50))]
    return write(root / 'annotations.xml', *tracks, head=meta(more=size))


def test_frames_of_a_video_are_images(tmp_path):
    write_video(tmp_path)
    coco = read(tmp_path)
    assert [i['file_name'] for i in coco.images] == [f'images/frame_{n:06d}.PNG' for n in range(3)]
    boxes = [[a['bbox'] for a in of_image] for of_image in coco.annotations.values()]
    assert boxes == [[[1, 1, 8, 8]], [[2, 1, 8, 8], [30, 30, 20, 20]], []]
    assert coco.faults == []


def test_boxes_in_frames_without_an_image_are_counted(tmp_path):
    write_video(tmp_path, (0, 2))
    expected = '2 annotations left out: in a frame that has no image (annotations.xml:33, annotations.xml:39)'
    assert lines(tmp_path) == [expected]


def test_a_video_without_its_frames_is_refused(tmp_path):
    write_video(tmp_path, ())
    assert refusal(tmp_path) == (
        'annotations.xml is of "CVAT for video", and the images of its frames (frame_000000.png and so on) are not in '
        'images: export the task as "CVAT for images 1.1" with its images'
    )


# Damaged and hostile files

BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize('doctype', [BOMB, OUTSIDE, '<!DOCTYPE annotations SYSTEM "http://localhost/a.dtd">'])
def test_document_types_and_entities_are_refused(tmp_path, doctype):
    path = write_one(tmp_path, box(1, 1, 9, 9))
    path.write_text(path.read_text().replace('<annotations>', f'{doctype}<annotations>'))
    assert refusal(tmp_path).startswith('annotations.xml defines a document type or entities, which are not read')


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('</image>', '', 'annotations.xml is not XML (mismatched tag: line'),
        ('encoding="utf-8"', 'encoding="utf-99"', 'annotations.xml is not XML ('),
        ('name="a.png"', '', 'annotations.xml:26: <image> has no name'),
        ('<image id', '<imag id', 'annotations.xml has no images'),
        ('xtl="1"', 'xtl="1', 'annotations.xml is not XML ('),
    ],
)
def test_a_damaged_file_is_named(tmp_path, old, new, message):
    path = write_one(tmp_path, box(1, 1, 9, 9))
    path.write_text(
        path.read_text().replace(old, new).replace('</image>', '</imag>' if '<imag ' in new else '</image>')
    )
    assert refusal(tmp_path).startswith(message)


def test_xml_of_other_tools_is_not_cvats(tmp_path):
    (tmp_path / 'a.xml').write_text('<annotation><folder>x</folder><object><name>cat</name></object></annotation>')
    (tmp_path / 'b.xml').write_text('<annotations><foo/></annotations>')
    assert CvatFormat().find(tmp_path) is None


# Files that are changed at random


@pytest.mark.parametrize('examples', EXAMPLES)
def test_no_object_of_a_changed_file_is_lost_without_being_counted(tmp_path, examples):
    write_image(tmp_path / 'images/b.png')
    objects = [
        box(10, 20, 40, 50),
        box(10, 20, 40, 50, rotation='30.0', label='dog'),
        polygon((10, 10), (50, 10), (50, 40)),
        polygon((1, 1), (9, 1), (9, 9), group_id=1),
        polygon((20, 1), (29, 1), (29, 9), group_id=1),
        element('ellipse', cx='40.00', cy='30.00', rx='20.00', ry='10.00'),
        mask(np.ones((3, 4), bool), 5, 6),
        polygon((1, 1), (5, 5), tag='polyline'),
        element('tag'),
    ]
    write_image(tmp_path / 'images/a.png')
    path = write(tmp_path / 'annotations.xml', image('a.png', *objects), image('b.png', box(1, 1, 9, 9)))

    def count(text: bytes) -> int | None:
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError, LookupError):
            return None
        return sum(len(one) for one in root if one.tag == 'image')

    read_files, refused = check_mutations(path, Source(path, tmp_path, 'cvat'), examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('folder', FOLDERS)
def test_data_of_other_tools_are_left_to_them(tmp_path, folder):
    found = CvatFormat().find(write_folder(tmp_path, folder))
    assert (found is not None) == (folder in ('cvat',))


def test_an_image_that_exif_turns_by_180_degrees_is_turned(tmp_path):
    stored = write_image(tmp_path / 'a.png', SIZE, orientation=3)
    write(tmp_path / 'annotations.xml', image('a.png', box(1, 1, 9, 9)))
    source = find_sources(str(tmp_path))['val']
    load = [dict(type='convnext_dense.LoadImage')]
    dataset = CocoDataset(str(source.annotations), str(source.images), load, format='cvat', test_mode=True)
    with Image.open(stored) as opened:
        turned = np.asarray(opened)[::-1, ::-1]
    np.testing.assert_array_equal(dataset[0]['img'][..., ::-1], turned)
