"""Shapes as boxes and masks."""

import math

import numpy as np
import pytest

from convnext_dense.data.formats.shapes import (
    ARC_ERROR,
    Unreadable,
    bitmap,
    box,
    ellipse,
    geometry,
    is_far,
    polygon,
    read_points,
    rotated_box,
)
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import decode

SIZE = ImageSize(60, 80)


def area(corners: list[float]) -> float:
    xs, ys = np.array(corners[::2]), np.array(corners[1::2])
    return abs(xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1)) / 2


@pytest.mark.parametrize('radius', [0.01, 0.5, 3, 40, 5000, 1e6])
def test_a_circle_is_a_polygon_of_its_area_near_its_arc(radius):
    circle = ellipse(7, 9, radius, radius)
    assert area(circle.polygon) == pytest.approx(math.pi * radius**2, rel=1e-9)
    assert circle.corners == pytest.approx((7 - radius, 9 - radius, 7 + radius, 9 + radius))
    distances = np.hypot(np.array(circle.polygon[::2]) - 7, np.array(circle.polygon[1::2]) - 9) - radius
    assert np.abs(distances).max() <= max(ARC_ERROR, 2e-5 * radius)
    assert 16 <= len(circle.polygon) // 2 <= 720


@pytest.mark.parametrize('angle', [0, 0.3, math.pi / 2, 2, -1])
def test_the_edges_of_an_ellipse_are_those_of_its_arc(angle):
    turned = ellipse(40, 30, 20, 5, angle)
    t = np.linspace(0, 2 * math.pi, 100_001)
    xs = 40 + 20 * np.cos(t) * math.cos(angle) - 5 * np.sin(t) * math.sin(angle)
    ys = 30 + 20 * np.cos(t) * math.sin(angle) + 5 * np.sin(t) * math.cos(angle)
    assert turned.corners == pytest.approx((xs.min(), ys.min(), xs.max(), ys.max()), abs=1e-6)


def test_a_box_has_no_mask():
    assert geometry([box(5, 6, 1, 2)], SIZE) == {'bbox': [1, 2, 4, 4]}


def test_a_rotated_box_keeps_its_area():
    turned = rotated_box(10, 20, 40, 30, 0.7)
    assert area(turned.polygon) == pytest.approx(300)


def test_a_bitmap_beyond_the_image_is_cut_at_all_sides():
    pixels = np.ones((100, 120), bool)
    found = geometry([bitmap(-20, -20, pixels)], SIZE)
    assert found['bbox'] == [-20, -20, 120, 100]
    assert decode(found['segmentation'], *SIZE).all()
    assert not decode(geometry([bitmap(200, 300, pixels)], SIZE)['segmentation'], *SIZE).any()


def test_shapes_of_all_kinds_are_one_object():
    parts = [box(1, 1, 5, 5), polygon([(10, 10), (20, 10), (20, 20), (10, 20)]), bitmap(50, 30, np.ones((2, 3), bool))]
    found = geometry(parts, SIZE)
    assert found['bbox'] == [1, 1, 52, 31]
    assert decode(found['segmentation'], *SIZE).sum() == 106  # a box never becomes a mask
    assert geometry(parts[:2], SIZE)['segmentation'] == [[10, 10, 20, 10, 20, 20, 10, 20]]


@pytest.mark.parametrize(
    'points', [None, 3, 'ab', [[1]], [[1, 2, 3]], [[1, math.inf]], [[1, 1e10]], [['x', 1]], [[True, 1]]]
)
def test_other_points_are_unreadable(points):
    with pytest.raises(Unreadable):
        read_points(points)


def test_numbers_may_be_text():
    assert read_points([['1', '2.5']]) == [(1, 2.5)]


def test_polygons_far_outside_are_not_drawn_beside_a_bitmap():
    far = polygon([(0, 0), (1e9, 5), (5, 1e9)])
    assert is_far(far.corners, SIZE)
    assert geometry([far, bitmap(5, 5, np.ones((2, 2), bool))], SIZE)['segmentation'] == [far.polygon]
    assert [is_far((x, 0, x, 0), SIZE) for x in (100 * SIZE.width, 100 * SIZE.width + 1)] == [False, True]
    assert [is_far((0, y, 0, y), SIZE) for y in (-100 * SIZE.height, -100 * SIZE.height - 1)] == [False, True]
