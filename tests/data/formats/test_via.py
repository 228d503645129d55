"""Files as the VGG Image Annotator writes them, by its source."""

import csv
import io
import json
import math
import shutil

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.via import ViaFormat
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, write_coco
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.labelme_files import SIZE, truth, write_image
from tests.helpers.mutated_files import EXAMPLES, check_mutations
from tests.helpers.read_source import check_shape, lines, only, read, refusal
from tests.helpers.via_files import (
    WRITERS,
    polygon,
    rect,
    write_json,
    write_one,
    write_project,
)

# The drawn sample


@pytest.mark.parametrize('name', WRITERS)
@pytest.mark.parametrize('form', ['polygons', 'boxes'])
def test_the_drawn_sample(drawn, tmp_path, name, form):
    """Things in one piece: VIA has no objects of several polygons, and no bitmaps."""
    scenes = {split: truth(drawn, split, form) for split in ('train', 'val')}
    for split, images in scenes.items():
        shutil.copytree(drawn / f'coco/{split}2017', tmp_path / split)
        content = {}
        for scene in images:
            if form == 'polygons':
                scene.objects = [
                    o for o in scene.objects if isinstance(o.segmentation, list) and len(o.segmentation) == 1
                ]
            content[scene.file.name] = [
                rect(*o.box, **{'class': o.name})
                if form == 'boxes'
                else polygon(*zip(o.segmentation[0][::2], o.segmentation[0][1::2], strict=True), **{'class': o.name})
                for o in scene.objects
            ]
        WRITERS[name](tmp_path / split / name, content)
    sources = find_sources(str(tmp_path))
    names = sorted({o.name for images in scenes.values() for scene in images for o in scene.objects})
    for split, source in sources.items():
        check_equals_drawn(source, scenes[split], masks=form != 'boxes')
        assert list(read_coco(source).classes) == names
        assert set(names) <= set(class_names(drawn))
    coco = write_coco(tmp_path / 'coco.txt', scenes['train'], names, masks=form != 'boxes')
    check_trains_alike(sources['train'], Source(coco, drawn / 'coco/train2017'), masks=form != 'boxes')


# Shapes


@pytest.mark.parametrize(
    ('given', 'expected', 'area'),
    [
        (rect(10, 20, 30, 25, a='x'), [10, 20, 30, 25], None),
        (polygon((10, 10), (50, 10), (50, 40), a='x'), [10, 10, 40, 30], 600),
        (polygon((10, 10), (50, 10), (50, 40), (10, 10), kind='polyline', a='x'), [10, 10, 40, 30], 600),
        (({'name': 'circle', 'cx': 40, 'cy': 30, 'r': 20}, {'a': 'x'}), [20, 10, 40, 40], math.pi * 400),
        (({'name': 'circle', 'cx': 40, 'cy': 30, 'r': 20.5}, {'a': 'x'}), [19.5, 9.5, 41, 41], math.pi * 20.5**2),
        (({'name': 'ellipse', 'cx': 40, 'cy': 30, 'rx': 20, 'ry': 10}, {'a': 'x'}), [20, 20, 40, 20], math.pi * 200),
        (
            ({'name': 'ellipse', 'cx': 40, 'cy': 30, 'rx': 20, 'ry': 10, 'theta': math.pi / 2}, {'a': 'x'}),
            [30, 10, 20, 40],
            math.pi * 200,
        ),
    ],
)
@pytest.mark.parametrize('name', WRITERS)
def test_shapes(tmp_path, given, expected, area, name):
    write_image(tmp_path / 'a.png')
    WRITERS[name](tmp_path / name, {'a.png': [given]})
    check_shape(only(tmp_path), expected, area)


def test_regions_of_version_1_are_an_object(tmp_path):
    write_one(tmp_path, rect(1, 1, 9, 9, a='x'), rect(20, 20, 9, 9, a='y'), version=1)
    coco = read(tmp_path)
    assert [a['bbox'] for a in next(iter(coco.annotations.values()))] == [[1, 1, 9, 9], [20, 20, 9, 9]]
    assert coco.classes == ('x', 'y')


@pytest.mark.parametrize(
    ('given', 'kind'),
    [
        (({'name': 'point', 'cx': 4, 'cy': 5}, {'a': 'y'}), 'point'),
        (polygon((1, 1), (5, 5), (9, 1), kind='polyline', a='x'), 'polyline'),
    ],
)
def test_points_and_open_lines_are_counted_and_left_out(tmp_path, given, kind):
    write_one(tmp_path, rect(10, 20, 30, 25, a='x'), given)
    assert lines(tmp_path) == [
        f'1 annotation left out: {kind}, which has neither box nor mask (via.json: a.png99.regions[1])'
    ]
    assert only(tmp_path)['bbox'] == [10, 20, 30, 25]
    assert read(tmp_path).classes == ('x',)


@pytest.mark.parametrize(
    ('shape', 'reason'),
    [
        ({'name': 'rect', 'x': 1, 'y': 2, 'width': 3}, 'x, y, width, height that are no finite number'),
        ({'name': 'polygon', 'all_points_x': [1, 2, 3], 'all_points_y': [1, 2]}, 'polygon of 3 x and 2 y'),
        ({'name': 'polygon', 'all_points_x': [1, 2], 'all_points_y': [1, 2]}, 'polygon of 2 points'),
        ({'name': 'polygon', 'all_points_x': 3}, 'points without all_points_x or all_points_y'),
        ({'name': 'circle', 'cx': 9, 'cy': 9, 'r': 0}, 'circle or ellipse without a radius'),
        ({'name': 'star'}, "unknown shape 'star'"),
        ({'name': ['rect']}, 'unknown shape "[\'rect\']"'),
        ({}, 'no shape_attributes'),
        (None, 'no shape_attributes'),
    ],
)
def test_a_region_that_cannot_be_read_is_counted_as_lost(tmp_path, shape, reason):
    write_one(tmp_path, rect(10, 20, 30, 25, a='x'), (shape, {'a': 'x'}))
    coco = read(tmp_path)
    assert (coco.total, coco.lost) == (2, 1)
    expected = f'1 annotation ignored, the whole image: {reason} (via.json: a.png99.regions[1])'
    assert lines(tmp_path) == [expected]


# Classes


@pytest.mark.parametrize(
    ('attributes', 'classes'),
    [
        ([{'anything': 'x'}, {'anything': 'y'}], ('x', 'y')),
        ([{'color': 'red', 'class': 'x'}, {'color': 'blue', 'class': 'y'}], ('x', 'y')),
        ([{'color': 'red', 'Label': 'x', 'name': 'n'}, {'Label': 'y'}], ('x', 'y')),
        ([{'color': 'red', 'name': 'x'}, {'color': 'red', 'name': 'y'}], ('x', 'y')),
        ([{'color': '', 'part': 'x'}, {'color': '', 'part': 'y'}], ('x', 'y')),
        ([{'a': {'x': True, 'y': False}}, {'a': {'y': True}}], ('x', 'y')),  # check boxes
        ([{'a': 2}, {'a': 1}], ('1', '2')),
        ([{'a': ' x '}, {'a': 'x'}], ('x',)),
    ],
)
def test_the_class_is_the_value_of_an_attribute(tmp_path, attributes, classes):
    write_one(tmp_path, *(rect(1, 1, 9, 9, **one) for one in attributes))
    source = find_sources(str(tmp_path))['val']
    coco = read_coco(source)
    assert coco.classes == classes
    assert [c['name'] for c in ViaFormat().read_categories(source)] == list(classes)
    assert coco.faults == []


@pytest.mark.parametrize(
    'attributes', [{'color': 'red', 'part': 'x'}, {'class': 'a', 'label': 'b'}, {'type': 'a', 'name': 'b'}]
)
def test_attributes_that_do_not_tell_which_is_the_class_are_named(tmp_path, attributes):
    write_one(tmp_path, rect(1, 1, 9, 9, **attributes))
    assert refusal(tmp_path) == (
        f'via.json: its regions have the attributes {", ".join(sorted(attributes))}, whose names do not tell which '
        'one is the class: rename that one to class, in VIA or in the file'
    )


def test_without_attributes_there_is_one_class_which_is_said(tmp_path):
    """As in the data set of balloons that came with Mask R-CNN."""
    write_one(tmp_path, rect(1, 1, 9, 9))
    assert read(tmp_path).classes == ('object',)
    expected = "1 annotation of the class 'object', since no region has an attribute (via.json: a.png99.regions[0])"
    assert lines(tmp_path) == [expected]


@pytest.mark.parametrize(
    ('value', 'reason'),
    [
        ({}, "without a value of 'a'"),
        ({'a': ''}, "without a value of 'a'"),
        ({'a': 'undefined'}, "without a value of 'a'"),
        ({'a': {'x': False}}, "without a value of 'a'"),
        ({'a': {'x': True, 'y': True}}, 'of several classes, x, y'),
    ],
)
def test_a_region_without_one_class_is_ignored_with_its_area_and_counted(tmp_path, value, reason):
    write_one(tmp_path, rect(1, 1, 9, 9, a='x'), (rect(20, 20, 9, 9)[0], value))
    coco = read(tmp_path)
    assert (coco.total, coco.lost) == (2, 1)
    assert lines(tmp_path) == [f'1 annotation ignored, with its area: {reason} (via.json: a.png99.regions[1])']
    (annotations,) = coco.annotations.values()
    assert (annotations[1]['bbox'], annotations[1]['ignored']) == ([20, 20, 9, 9], True)


def test_the_options_of_a_project_are_the_classes_in_their_order(tmp_path):
    write_image(tmp_path / 'a.png')
    options = {'zebra': '', 'cat': 'a cat', 'ant': ''}
    attributes = {'kind': {'type': 'dropdown', 'description': '', 'options': options, 'default_options': {}}}
    write_project(tmp_path / 'via_project.json', {'a.png': [rect(1, 1, 9, 9, kind='cat')]}, attributes)
    assert read(tmp_path).classes == ('zebra', 'cat', 'ant')


def test_a_class_that_is_no_option_is_refused(tmp_path):
    write_image(tmp_path / 'a.png')
    attributes = {'kind': {'type': 'radio', 'options': {'cat': ''}}}
    write_project(tmp_path / 'p.json', {'a.png': [rect(1, 1, 9, 9, kind='dog')]}, attributes)
    assert refusal(tmp_path) == (
        "p.json: a.png99.regions[0] is of the class 'dog', which the options of kind does not have: add it there, or "
        'correct it'
    )


def test_classes_are_those_of_all_splits(tmp_path):
    for split, name in (('train', 'zebra'), ('val', 'ant')):
        write_image(tmp_path / split / 'a.png')
        write_json(tmp_path / split / 'via_region_data.json', {'a.png': [rect(1, 1, 9, 9, a=name)]})
    for source in find_sources(str(tmp_path)).values():
        assert read_coco(source).classes == ('ant', 'zebra')
        assert read_coco(source).name in ('train', 'val')


# Files that are changed at random

REGIONS = [
    rect(10, 20, 30, 25, kind='x'),
    (polygon((10, 10), (50, 10), (50, 40))[0], {'kind': 'y'}),
    ({'name': 'circle', 'cx': 40, 'cy': 30, 'r': 20}, {'kind': 'x'}),
    ({'name': 'ellipse', 'cx': 40, 'cy': 30, 'rx': 20, 'ry': 10, 'theta': 0.5}, {'kind': 'y'}),
    ({'name': 'point', 'cx': 4, 'cy': 5}, {'kind': 'x'}),
    rect(1, 1, 9, 9, kind='x'),
]


def regions_in_json(text: bytes) -> int | None:
    try:
        found = json.loads(text)
        found = found.get('_via_img_metadata', found)
        return sum(len(one['regions']) for one in found.values())
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return None


def regions_in_csv(text: bytes) -> int | None:
    try:
        rows = list(csv.reader(io.StringIO(text.decode('utf-8-sig'), newline='')))
    except (ValueError, csv.Error):
        return None
    columns = [name.strip().removeprefix('#') for name in rows[0]]
    found = [dict(zip(columns, row, strict=False)) for row in rows[1:] if row]
    return sum(not is_empty(row) for row in found)


def is_empty(row: dict) -> bool:
    count = row['region_count']
    try:
        cells = [json.loads(row[name]) for name in ('region_shape_attributes', 'region_attributes')]
    except ValueError:
        return False
    return count.isascii() and count.isdigit() and int(count) == 0 and cells == [{}, {}]


@pytest.mark.parametrize('name', WRITERS)
@pytest.mark.parametrize('examples', EXAMPLES)
def test_no_object_of_a_changed_file_is_lost_without_being_counted(tmp_path, examples, name):
    for image in ('a.png', 'b.png', 'c.png'):
        write_image(tmp_path / image)
    path = WRITERS[name](tmp_path / name, {'a.png': REGIONS, 'b.png': [rect(1, 1, 9, 9, kind='x')], 'c.png': []})
    count = regions_in_csv if name.endswith('csv') else regions_in_json
    read_files, refused = check_mutations(path, Source(path, tmp_path, 'via'), examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('folder', FOLDERS)
def test_data_of_other_tools_are_left_to_them(tmp_path, folder):
    found = ViaFormat().find(write_folder(tmp_path, folder))
    assert (found is not None) == (
        folder
        in (
            'via',
            'via csv',
        )
    )


def test_an_image_that_exif_turns_by_180_degrees_is_turned(tmp_path):
    stored = write_image(tmp_path / 'a.png', SIZE, orientation=3)
    write_json(tmp_path / 'via.json', {'a.png': [rect(1, 1, 9, 9)]})
    source = find_sources(str(tmp_path))['val']
    load = [dict(type='convnext_dense.LoadImage')]
    dataset = CocoDataset(str(source.annotations), str(source.images), load, format='via', test_mode=True)
    with Image.open(stored) as opened:
        turned = np.asarray(opened)[::-1, ::-1]
    np.testing.assert_array_equal(dataset[0]['img'][..., ::-1], turned)
