"""Shapes of LabelMe, as boxes and masks."""

import math

import numpy as np
import pytest
from PIL import Image

from tests.helpers.drawn_truth import (
    decode,
)
from tests.helpers.labelme_files import BOX, SIZE, TRIANGLE, in_base64, shape, write
from tests.helpers.read_source import check_shape, lines, only, read, refusal


@pytest.mark.parametrize(
    ('given', 'box', 'area'),
    [
        (shape('a', [[10, 20], [40, 50]], 'rectangle'), [10, 20, 30, 30], None),
        (shape('a', [[40, 50], [10, 20]], 'rectangle'), [10, 20, 30, 30], None),
        (shape('a', [[10, 20], [40, 20], [40, 50], [10, 50]], 'rectangle'), [10, 20, 30, 30], None),  # X-AnyLabeling
        (shape('a', [[25, 5], [45, 25], [25, 45], [5, 25]], 'rectangle'), [5, 5, 40, 40], 800),
        (shape('a', [[25, 5], [45, 25], [25, 45], [5, 25]], 'rotation', direction=0.78), [5, 5, 40, 40], 800),
        (shape('a', [[25, 5], [45, 25], [25, 45], [5, 25]], 'oriented_rectangle'), [5, 5, 40, 40], 800),
        (shape('a', [[10, 10], [50, 10], [50, 40]]), [10, 10, 40, 30], 600),
        (shape('a', [[10, 10], [50, 10], [50, 40]], None), [10, 10, 40, 30], 600),  # versions before 3.3
        (shape('a', [[40, 30], [40, 50]], 'circle'), [20, 10, 40, 40], math.pi * 400),
        (shape('a', [[40, 30], [42, 30]], 'circle'), [38, 28, 4, 4], math.pi * 4),
    ],
)
def test_shapes(tmp_path, given, box, area):
    write(tmp_path / 'a.json', given)
    check_shape(only(tmp_path), box, area)


def test_a_missing_shape_type_is_a_polygon(tmp_path):
    old = {key: TRIANGLE[key] for key in ('label', 'points')} | {'line_color': None, 'fill_color': None}
    write(tmp_path / 'a.json', old)
    assert only(tmp_path)['segmentation'] == [[5, 5, 30, 5, 5, 40]]


@pytest.mark.parametrize('mode', ['1', 'L', 'RGB'])
def test_a_mask_is_a_png_at_its_first_point(tmp_path, mode):
    pixels = np.zeros((5, 7), bool)
    pixels[1:4, 2:6] = True
    png = in_base64(Image.fromarray((pixels * 255).astype(np.uint8)).convert(mode))
    write(tmp_path / 'a.json', shape('a', [[9.6, 20.4], [16, 24]], 'mask', mask=png))
    annotation = only(tmp_path)
    expected = np.zeros(SIZE, bool)
    expected[21:24, 12:16] = True
    np.testing.assert_array_equal(decode(annotation['segmentation'], *SIZE), expected)
    assert annotation['bbox'] == [12, 21, 4, 3]


def test_a_mask_at_the_border_is_cut(tmp_path):
    png = in_base64(Image.fromarray(np.full((10, 10), 255, np.uint8)))
    others = [shape('b', [[x, 5], [x + 4, 9]], 'rectangle') for x in range(0, 50, 5)]
    write(tmp_path / 'a.json', *others, shape('a', [[-4, 55], [5, 64]], 'mask', mask=png))
    (annotations,) = read(tmp_path).annotations.values()
    annotation = annotations[-1]
    expected = np.zeros(SIZE, bool)
    expected[55:, :6] = True
    np.testing.assert_array_equal(decode(annotation['segmentation'], *SIZE), expected)
    assert annotation['bbox'] == [0, 55, 6, 5]


def test_shapes_of_a_label_and_a_group_are_one_object(tmp_path):
    parts = [[[1, 1], [10, 1], [1, 10]], [[30, 30], [40, 30], [30, 40]], [[50, 5], [60, 5], [50, 9]]]
    write(
        tmp_path / 'a.json',
        shape('cat', parts[0], group_id=3),
        shape('dog', parts[1], group_id=3),
        shape('cat', parts[2], group_id=3),
        shape('cat', parts[1], group_id=None),
    )
    coco = read(tmp_path)
    (annotations,) = coco.annotations.values()
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    assert [names[a['category_id']] for a in annotations] == ['cat', 'dog', 'cat']
    assert [len(a['segmentation']) for a in annotations] == [2, 1, 1]
    assert annotations[0]['bbox'] == [1, 1, 59, 9]
    joined = '1 annotation joined with another one of the same label and group_id (a.json: shapes[2])'
    assert lines(tmp_path) == [joined]


def test_a_group_of_a_bitmap_and_a_polygon_is_one_mask(tmp_path):
    png = in_base64(Image.fromarray(np.full((4, 4), 1, np.uint8)))
    bitmap = shape('cat', [[50, 50], [53, 53]], 'mask', mask=png, group_id=0)
    write(tmp_path / 'a.json', shape('cat', [[10, 10], [20, 10], [20, 20], [10, 20]], group_id=0), bitmap)
    mask = decode(only(tmp_path)['segmentation'], *SIZE)
    assert mask.sum() == 116
    assert mask[10:20, 10:20].all()
    assert mask[50:54, 50:54].all()


@pytest.mark.parametrize('kind', ['point', 'points', 'line', 'linestrip'])
def test_points_and_lines_are_counted_and_left_out(tmp_path, kind):
    write(tmp_path / 'a.json', BOX, shape('cat', [[1, 1], [5, 5]], kind))
    assert lines(tmp_path) == [f'1 annotation left out: {kind}, which has neither box nor mask (a.json: shapes[1])']
    assert only(tmp_path)['bbox'] == [10, 20, 30, 30]


def test_points_alone_are_nothing_to_learn(tmp_path):
    write(tmp_path / 'a.json', shape('cat', [[1, 1]], 'point'))
    line = 'ROOT has no objects (1 annotation left out: point, which has neither box nor mask): draw boxes or polygons'
    assert refusal(tmp_path) == line


@pytest.mark.parametrize(
    ('given', 'reason'),
    [
        (shape('cat', [[1, 1], [5, 5]]), 'polygon of 2 points'),
        (shape('cat', [[1, 1], [5, 5], [8, 1]], 'rectangle'), 'rectangle of 3 points'),
        (shape('cat', [[1, 1]], 'circle'), 'circle of 1 points rather than 2'),
        (shape('cat', [[9, 9], [9, 9]], 'circle'), 'circle or ellipse without a radius'),
        (shape('cat', [[1, 1], [5, None], [8, 1]]), 'points that are no finite number'),
        (shape('cat', [[1, 1], [5, float('nan')], [8, 1]]), 'points that are no finite number'),
        (shape('cat', [1, 1, 5, 5]), 'points that are no list of [x, y]'),
        (shape('cat', None), 'points that are no list of [x, y]'),
        (shape('cat', [[1, 1], [5, 5]], 'mask', mask='AAAA'), 'mask that is no PNG image'),
        (shape('cat', [[1, 1], [5, 5]], 'mask'), 'mask that is no PNG image'),
        (
            shape('cat', [[1, 1], [5, 5]], 'mask', mask=in_base64(Image.new('L', (5, 5)))),
            'mask without pixels',
        ),
        (shape('cat', [[1, 1], [5, 5]], 'cuboid'), "unknown shape_type 'cuboid'"),
    ],
)
def test_a_shape_that_cannot_be_read_is_counted_as_lost(tmp_path, given, reason):
    write(tmp_path / 'a.json', BOX, given)
    coco = read(tmp_path)
    assert (coco.total, coco.lost) == (2, 1)
    assert lines(tmp_path) == [f'1 annotation ignored, the whole image: {reason} (a.json: shapes[1])']


def test_a_group_with_a_part_that_cannot_be_read_is_ignored_where_the_others_are(tmp_path):
    parts = [shape('cat', [[1, 1], [9, 1], [9, 9]], group_id=1), shape('cat', [[3, 3]], group_id=1)]
    write(tmp_path / 'a.json', BOX, *parts)
    coco = read(tmp_path)
    assert coco.lost == 1
    (annotations,) = coco.annotations.values()
    assert [(a['bbox'], a['iscrowd']) for a in annotations] == [([10, 20, 30, 30], 0), ([1, 1, 8, 8], 1)]
