"""Shapes of CVAT, as boxes and masks."""

import math

import pytest

from tests.helpers.cvat_files import SIZE, box, element, polygon, write_one
from tests.helpers.drawn_truth import decode
from tests.helpers.read_source import check_shape, lines, only, read


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
    check_shape(only(tmp_path), expected, area)


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
