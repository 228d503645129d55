"""XML files as CVAT writes them, by its documentation and its source."""

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
from tests.helpers.cvat_files import SIZE, box, element, image, mask, meta, polygon, write, write_one
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, write_coco
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.labelme_files import truth, write_image
from tests.helpers.mutated_files import EXAMPLES, check_mutations
from tests.helpers.read_source import lines, read, refusal

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
